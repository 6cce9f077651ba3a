"""The openai Python SDK against the gateways that have its path."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from qwenmock import fixtures
from qwenmock.mockserver.http.server import RunningServer
from qwenmock.pytest_plugin.examiner.sample_images import read_png

openai: Any = pytest.importorskip("openai", reason="the openai SDK is not installed")
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def nebula_sdk(server: RunningServer) -> Iterator[Any]:
    with openai.OpenAI(base_url=server.url("nebula") + "/v1", api_key="sk-mock") as client:
        yield client


@pytest.fixture
def aigc_sdk(server: RunningServer) -> Iterator[Any]:
    with openai.OpenAI(base_url=server.url("aigc") + "/v1", api_key="sk-mock") as client:
        yield client


@pytest.fixture
def compatible_sdk(server: RunningServer) -> Iterator[Any]:
    with openai.OpenAI(base_url=server.url("dashscope") + "/compatible-mode/v1", api_key="sk-mock") as client:
        yield client


def generate(client: Any, **more: Any) -> Any:
    body = {"parameters": {"size": "1328*1328"}}
    return client.images.generate(model="qwen-image-plus", prompt="a cat", extra_body=body, **more)


def edit(client: Any) -> Any:
    content = [{"image": fixtures.data_url("landscape.png")}, {"text": "make it blue"}]
    body = {"input": {"messages": [{"role": "user", "content": content}]}, "parameters": {"n": 2}}
    return client.images.generate(model="qwen-image-edit-plus", prompt=openai.omit, extra_body=body)


def test_nebula_answers_in_its_envelope(nebula_sdk: Any) -> None:
    answer = generate(nebula_sdk)
    assert answer.model_extra["code"] == 200
    assert httpx.get(answer.data["data"][0]["url"]).status_code == 200


def test_aigc_answers_as_openai_does(aigc_sdk: Any) -> None:
    answer = edit(aigc_sdk)
    assert [httpx.get(image.url).status_code for image in answer.data] == [200, 200]


def test_model_studio_answers_as_openai_does(compatible_sdk: Any, control: httpx.Client) -> None:
    answer = compatible_sdk.images.generate(model="qwen-image-3.0", prompt="a cat", size="1024x2048", n=2)
    assert answer.created > 0
    assert [read_png(httpx.get(image.url).content) for image in answer.data] == [(1024, 2048)] * 2
    assert control.get("/ledger").json()["charges"][0]["amount"] == "0.36"


@pytest.mark.parametrize(("images", "cost"), [(1, "0.2"), (2, "0.22")])
def test_model_studio_takes_members_that_openai_lacks(
    compatible_sdk: Any, control: httpx.Client, images: int, cost: str
) -> None:
    links = [fixtures.data_url("landscape.png"), fixtures.data_url("landscape.jpg")][:images]
    body = {"image": links[0] if images == 1 else links, "seed": 7, "enable_thinking": True}
    answer = compatible_sdk.images.generate(model="qwen-image-3.0", prompt="make it blue", extra_body=body)
    assert httpx.get(answer.data[0].url).status_code == 200
    assert control.get("/ledger").json()["charges"][0]["amount"] == cost


def test_model_studio_charges_by_resolution(compatible_sdk: Any, control: httpx.Client) -> None:
    for size in ("1500x1500", "1504x1504"):
        compatible_sdk.images.generate(model="qwen-image-3.0-pro", prompt="a cat", size=size)
    assert {charge["amount"] for charge in control.get("/ledger").json()["charges"]} == {"0.25", "0.5"}


@pytest.mark.parametrize(
    ("options", "more", "error", "code"),
    [
        ({"api_key": "sk-nobody"}, {}, "AuthenticationError", "invalid_api_key"),
        ({}, {"size": "100x100"}, "BadRequestError", "invalid_parameter_error"),
        ({}, {"n": 7}, "BadRequestError", "invalid_parameter_error"),
        ({}, {"model": "dall-e-3"}, "NotFoundError", "model_not_found"),
    ],
)
def test_model_studios_refusals_are_the_sdks_own_errors(
    compatible_sdk: Any, options: dict[str, Any], more: dict[str, Any], error: str, code: str
) -> None:
    sdk = compatible_sdk.with_options(**options)
    with pytest.raises(getattr(openai, error)) as caught:
        sdk.images.generate(**{"model": "qwen-image-3.0", "prompt": "a cat"} | more)
    assert caught.value.body["message"]
    assert caught.value.code == code


def test_model_studios_unknown_path_is_the_sdks_own_error(compatible_sdk: Any) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        compatible_sdk.images.edit(image=b"", prompt="make it blue", model="qwen-image-3.0")
    assert caught.value.body["message"]


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("sk-mock-expired", "AuthenticationError"),
        ("sk-mock-forbidden", "PermissionDeniedError"),
    ],
)
def test_refusals_are_the_sdks_own_errors(nebula_sdk: Any, key: str, error: str) -> None:
    with pytest.raises(getattr(openai, error)) as caught:
        generate(nebula_sdk.with_options(api_key=key))
    assert caught.value.body["code"] == caught.value.status_code


def test_bad_parameter_carries_the_documented_text(nebula_sdk: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        nebula_sdk.images.generate(model="qwen-image-plus", prompt="a cat", extra_body={"parameters": {"size": "1x1"}})
    assert caught.value.body["msg"] == "Parameter Error: Unsupported image size"


@pytest.mark.parametrize("status", [429, 500])
def test_error_that_comes_once_is_not_seen_by_the_caller(nebula_sdk: Any, control: httpx.Client, status: int) -> None:
    control.put("/faults", json=[{"status": status, "times": 1}])
    assert generate(nebula_sdk).model_extra["code"] == 200
    assert [entry["status"] for entry in control.get("/journal").json()] == [200, status]


def test_retry_after_is_honoured(nebula_sdk: Any, control: httpx.Client) -> None:
    control.put("/faults", json=[{"status": 429, "times": 1}])
    before = time.monotonic()
    generate(nebula_sdk)
    assert time.monotonic() - before >= 1


def test_lasting_error_is_tried_three_times_and_billed_never(nebula_sdk: Any, control: httpx.Client) -> None:
    with pytest.raises(openai.InternalServerError):
        generate(nebula_sdk.with_options(api_key="sk-mock-broken"))
    assert len(control.get("/journal").json()) == 3
    assert control.get("/ledger").json()["charges"] == []
