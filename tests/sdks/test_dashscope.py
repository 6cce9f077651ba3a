"""Model Studio's own Python SDK, unmodified, with only its base URL changed."""

from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from qwenmock import fixtures
from qwenmock.mockserver.http.server import RunningServer
from qwenmock.pytest_plugin.examiner.sample_images import read_png

dashscope: Any = pytest.importorskip("dashscope", reason="the dashscope SDK is not installed")
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(autouse=True)
def base_url(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashscope, "base_http_api_url", server.url("dashscope") + "/api/v1")
    monkeypatch.setattr(dashscope, "api_key", "sk-mock")


def edit(image: str, **parameters: Any) -> Any:
    messages = [{"role": "user", "content": [{"image": image}, {"text": "make it blue"}]}]
    return dashscope.MultiModalConversation.call(model="qwen-image-edit-plus", messages=messages, **parameters)


def pictures(response: Any) -> list[tuple[int, int]]:
    content = response.output.choices[0].message.content
    return [read_png(httpx.get(part["image"]).content) for part in content]


def test_edit_of_a_link() -> None:
    response = edit("https://example.com/a.png", n=2, seed=1, watermark=False, negative_prompt=" ", stream=False)
    assert response.status_code == HTTPStatus.OK, response
    assert pictures(response) == [(1024, 1024)] * 2


def test_edit_of_a_data_url() -> None:
    assert pictures(edit(fixtures.data_url("landscape.jpg"))) == [(1248, 832)]


def test_edit_of_a_local_file(control: httpx.Client) -> None:
    path = Path(fixtures.__file__).parent / "images" / "landscape.webp"
    assert pictures(edit(f"file://{path}")) == [(1248, 832)]
    assert control.get("/ledger").json()["charges"][0]["model"] == "qwen-image-edit-plus"


def test_local_file_that_is_no_image_is_refused() -> None:
    response = edit(f"file://{Path(fixtures.__file__).parent / 'images' / 'text.png'}")
    assert (response.status_code, response.code, response.message) == (400, "InvalidParameter", "image format error")


def test_text_to_image_by_conversation() -> None:
    messages = [{"role": "user", "content": [{"text": "a cat"}]}]
    response = dashscope.MultiModalConversation.call(model="qwen-image", messages=messages, result_format="message")
    assert pictures(response) == [(1664, 928)]


@pytest.mark.parametrize(
    ("model", "parameters", "size", "cost"),
    [
        ("qwen-image-max", {}, (1664, 928), "0.5"),
        ("qwen-image-2.0", {}, (2048, 2048), "0.2"),
        ("qwen-image-2.0-pro", {"size": "1536*2688", "prompt_extend": False}, (1536, 2688), "0.5"),
        ("qwen-image-3.0", {"size": "1024*2048", "prompt_extend_mode": "agent"}, (1024, 2048), "0.18"),
        ("qwen-image-3.0-pro", {"size": "1500*1500", "enable_thinking": True}, (1500, 1500), "0.25"),
        ("qwen-image-3.0-pro", {"size": "1504*1504", "prompt_extend_mode": "direct"}, (1504, 1504), "0.5"),
    ],
)
def test_the_family_of_2026(
    control: httpx.Client, model: str, parameters: dict[str, Any], size: tuple[int, int], cost: str
) -> None:
    messages = [{"role": "user", "content": [{"text": "a cat"}]}]
    response = dashscope.MultiModalConversation.call(model=model, messages=messages, **parameters)
    assert pictures(response) == [size]
    assert control.get("/ledger").json()["charges"][0]["amount"] == cost


def test_an_edit_by_the_family_of_2026_pays_for_its_input(control: httpx.Client) -> None:
    images = [{"image": fixtures.data_url(name)} for name in ("landscape.png", "landscape.jpg")]
    messages = [{"role": "user", "content": [*images, {"text": "join them"}]}]
    response = dashscope.MultiModalConversation.call(model="qwen-image-3.0", messages=messages, n=2)
    assert len(pictures(response)) == 2
    assert control.get("/ledger").json()["charges"][0]["amount"] == "0.4"


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("qwen-image-max", {"n": 2}),
        ("qwen-image-2.0", {"size": "511*512"}),
        ("qwen-image-3.0", {"size": "2049*2048"}),
        ("qwen-image-3.0", {"prompt_extend_mode": "none"}),
    ],
)
def test_limits_of_the_family_of_2026(model: str, parameters: dict[str, Any]) -> None:
    messages = [{"role": "user", "content": [{"text": "a cat"}]}]
    response = dashscope.MultiModalConversation.call(model=model, messages=messages, **parameters)
    assert (response.status_code, response.code) == (400, "InvalidParameter")


def test_synthesis_call_waits_for_its_task() -> None:
    response = dashscope.ImageSynthesis.call(model="qwen-image-plus", prompt="a cat", n=1, size="1328*1328")
    assert response.output.task_status == "SUCCEEDED"
    assert read_png(httpx.get(response.output.results[0].url).content) == (1328, 1328)
    assert response.usage.image_count == 1


def test_synthesis_async_call_fetch_wait_and_cancel(control: httpx.Client) -> None:
    synthesis = dashscope.ImageSynthesis
    created = synthesis.async_call(model="qwen-image", prompt="a cat", negative_prompt="blur")
    assert created.output.task_status == "PENDING"
    assert synthesis.fetch(created).output.task_status in {"PENDING", "RUNNING"}
    assert synthesis.wait(created).output.task_status == "SUCCEEDED"
    other = synthesis.async_call(model="qwen-image", prompt="a cat")
    assert synthesis.cancel(other).status_code == HTTPStatus.OK
    assert synthesis.fetch(other).output.task_status == "CANCELED"
    assert len(control.get("/ledger").json()["charges"]) == 1


def test_failed_task_says_why(control: httpx.Client) -> None:
    control.put("/faults", json=[{"fail_task": "InternalError.Algo", "times": 1}])
    response = dashscope.ImageSynthesis.call(model="qwen-image", prompt="a cat")
    assert (response.output.task_status, response.output.code) == ("FAILED", "InternalError.Algo")


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        ("sk-nobody", 401, "InvalidApiKey"),
        ("sk-mock-empty", 400, "Arrearage"),
        ("sk-mock-forbidden", 403, "AccessDenied"),
        ("sk-mock-throttled", 429, "Throttling.RateQuota"),
        ("sk-mock-broken", 500, "InternalError"),
    ],
)
def test_errors_are_real_statuses(key: str, status: int, code: str) -> None:
    response = edit("https://example.com/a.png", api_key=key)
    assert (response.status_code, response.code) == (status, code)


def test_aio_client_survives_its_own_quirks() -> None:
    """It asks with a trailing slash and its parameters as a query string."""
    import asyncio

    async def run() -> Any:
        from dashscope.aigc.image_synthesis import AioImageSynthesis

        try:
            return await AioImageSynthesis.call(model="qwen-image", prompt="a cat", size="1328*1328")
        finally:
            # The SDK keeps a session for each event loop, and aiohttp reports one that is never closed.
            await dashscope.close_shared_aio_session()

    assert asyncio.run(run()).output.task_status == "SUCCEEDED"
