"""The four other providers, as their clients see them."""

import json
from typing import Any

import httpx
import pytest

from qwenmock import fixtures
from qwenmock.fixtures import data_url
from qwenmock.mockserver.http.server import RunningServer
from qwenmock.pytest_plugin.examiner.sample_images import picture_url, read_png

UPSTREAM_PATH = "/api/v1/services/aigc/multimodal-generation/generation"
PATHS = {"ai302": "/aliyun" + UPSTREAM_PATH, "aigc": "/v1/images/generations", "dashscope": UPSTREAM_PATH}


@pytest.fixture
def client(server: RunningServer) -> Any:
    with httpx.Client(base_url=server.origin, headers={"Authorization": "Bearer sk-mock"}, timeout=30) as client:
        yield client


def body(model: str = "qwen-image-edit", *, content: list[Any] | None = None, **parameters: Any) -> dict[str, Any]:
    parts = content if content is not None else [{"image": data_url("landscape.png")}, {"text": "make it blue"}]
    messages = [{"role": "user", "content": parts}]
    return {"model": model, "input": {"messages": messages}, "parameters": parameters}


def post(client: httpx.Client, slug: str, content: Any, **headers: str) -> httpx.Response:
    return client.post(f"/{slug}{PATHS[slug]}", json=content, headers=headers)


@pytest.mark.parametrize("exchange", [e for s in PATHS for e in fixtures.exchanges(s)], ids=lambda e: e.source)
def test_documented_request_succeeds(client: httpx.Client, exchange: fixtures.Exchange) -> None:
    assert post(client, exchange.provider, exchange.request).status_code == 200


def test_answers_have_their_providers_shapes(client: httpx.Client) -> None:
    plain = post(client, "ai302", body()).json()
    assert plain.keys() == {"output", "usage", "request_id"}
    assert post(client, "dashscope", body("qwen-image-edit-plus", n=3)).json()["usage"]["image_count"] == 3
    wrapped = post(client, "aigc", body("qwen-image-edit-max", n=2, size="1536*1024")).json()
    assert wrapped.keys() == {"created", "data", "metadata"}
    assert len(wrapped["data"]) == 2
    assert (wrapped["metadata"]["usage"]["width"], wrapped["metadata"]["usage"]["height"]) == (1536, 1024)
    assert read_png(client.get(wrapped["data"][1]["url"]).content) == (1536, 1024)


IMAGE, TEXT = {"image": picture_url()}, {"text": "x"}
REFUSED: dict[str, tuple[str, Any, int, str]] = {
    "302 two messages": (
        "ai302",
        body() | {"input": {"messages": body()["input"]["messages"] * 2}},
        400,
        "messages length",
    ),
    "302 no messages": ("ai302", body() | {"input": {"messages": []}}, 400, "No messages"),
    "302 assistant": (
        "ai302",
        body() | {"input": {"messages": [{"role": "assistant", "content": [IMAGE, TEXT]}]}},
        400,
        "input.messages[0].role",
    ),
    "302 two texts": ("ai302", body(content=[IMAGE, TEXT, TEXT]), 400, "at most 1 text"),
    "302 no image": ("ai302", body(content=[TEXT]), 400, "lack of image or text"),
    "302 no text": ("ai302", body(content=[IMAGE]), 400, "lack of image or text"),
    "302 Chinese address": ("ai302", body(content=[{"image": "https://example.com/图.png"}, TEXT]), 400, "image"),
    "302 GIF": ("ai302", body(content=[{"image": data_url("landscape.gif")}, TEXT]), 400, "image format error"),
    "302 small": (
        "ai302",
        body(content=[{"image": data_url("too-small-wide.png")}, TEXT]),
        400,
        "too small or too large",
    ),
    "302 unknown model": ("ai302", body("wanx2.1-imageedit"), 503, "No available models"),
    "aigc two messages": (
        "aigc",
        body() | {"input": {"messages": body()["input"]["messages"] * 2}},
        400,
        "input.messages",
    ),
    "aigc side of 511": ("aigc", body("qwen-image-edit-plus", size="511*1024"), 400, "at least 512"),
    "aigc side of 2049": ("aigc", body("qwen-image-edit-plus", size="1024*2049"), 400, "at most 2048"),
    "aigc x for *": ("aigc", body("qwen-image-edit-max", size="1536x1024"), 400, "width*height"),
    "aigc basic size": ("aigc", body(size="1024*1024"), 400, "parameters.size"),
    "aigc basic n": ("aigc", body(n=2), 400, "parameters.n"),
    "aigc basic rewrite": ("aigc", body(prompt_extend=True), 400, "parameters.prompt_extend"),
    "aigc 801 characters": ("aigc", body(content=[IMAGE, {"text": "猫" * 801}]), 400, "at most 800"),
    "aigc negative": ("aigc", body(negative_prompt="x" * 501), 400, "at most 500"),
    "aigc seven": ("aigc", body("qwen-image-edit-plus", n=7), 400, "at most 6"),
    "dashscope two images for text": ("dashscope", body("qwen-image-plus", content=[TEXT], n=2), 400, "must be 1."),
    "dashscope image for text": ("dashscope", body("qwen-image", content=[{**TEXT, **IMAGE}]), 400, "image"),
    "dashscope size": ("dashscope", body("qwen-image", content=[TEXT], size="1472*1140"), 400, "parameters.size"),
    "dashscope unknown model": ("dashscope", body("qwen-image-3"), 404, "Model not exist."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_body_gets_the_providers_own_error(client: httpx.Client, control: httpx.Client, name: str) -> None:
    slug, content, status, text = REFUSED[name]
    answer = post(client, slug, content)
    assert answer.status_code == status, answer.text
    error = answer.json()
    assert text in (error["error"]["message"] if "error" in error else error["message"])
    ledger = control.get("/ledger").json()
    assert ledger["charges"] == []
    assert all(account["reserved"] == "0" for account in ledger["accounts"])


@pytest.mark.parametrize(
    ("slug", "key", "status", "code"),
    [
        ("ai302", "nobody", 401, -10001),
        ("ai302", "sk-mock-empty", 403, -10004),
        ("ai302", "sk-mock-throttled", 429, -10007),
        ("ai302", "sk-mock-broken", 500, "InternalError"),
        ("aigc", "nobody", 401, ""),
        ("aigc", "sk-mock-empty", 403, "insufficient_user_quota"),
        ("aigc", "sk-mock-forbidden", 403, "access_denied"),
        ("dashscope", "nobody", 401, "InvalidApiKey"),
        ("dashscope", "sk-mock-empty", 400, "Arrearage"),
        ("dashscope", "sk-mock-forbidden", 403, "AccessDenied"),
        ("dashscope", "sk-mock-throttled", 429, "Throttling.RateQuota"),
        ("dashscope", "sk-mock-broken", 500, "InternalError"),
    ],
)
def test_key_gets_the_providers_own_error(client: httpx.Client, slug: str, key: str, status: int, code: Any) -> None:
    answer = post(client, slug, body(), Authorization=f"Bearer {key}")
    error = answer.json()
    found = error["error"].get("err_code", error["error"].get("code")) if "error" in error else error["code"]
    assert (answer.status_code, found) == (status, code)


@pytest.mark.parametrize("character", ["a", "猫", "\N{GRINNING FACE}", "é", "\N{COMBINING ACUTE ACCENT}"])
def test_long_text_is_cut_and_not_refused(client: httpx.Client, control: httpx.Client, character: str) -> None:
    content = body(content=[IMAGE, {"text": character * 801}], negative_prompt="n" * 501)
    answer = post(client, "ai302", content)
    assert answer.status_code == 200
    [entry] = control.get("/journal?limit=1").json()
    assert entry["effective_prompt"] == character * 800
    assert entry["effective_negative_prompt"] == "n" * 500
    from io import BytesIO

    from PIL import Image

    link = answer.json()["output"]["choices"][0]["message"]["content"][0]["image"]
    text: dict[str, str] = Image.open(BytesIO(client.get(link).content)).info
    assert (text["prompt"], text["negative_prompt"]) == (character * 800, "n" * 500)


def test_unknown_price_is_booked_as_unknown(client: httpx.Client, control: httpx.Client) -> None:
    assert post(client, "aigc", body("qwen-image-edit-plus", n=4)).status_code == 200
    [charge] = control.get("/ledger").json()["charges"]
    assert (charge["images"], charge["unit_price"], charge["amount"]) == (4, None, "0")
    assert "unknown" in charge["log"]["note"]


@pytest.mark.parametrize(("model", "amount"), [("qwen-image-edit", "0.3"), ("qwen-image-edit-max", "0.5")])
def test_each_model_has_its_price(client: httpx.Client, control: httpx.Client, model: str, amount: str) -> None:
    assert post(client, "dashscope", body(model)).status_code == 200
    assert control.get("/ledger").json()["charges"][0]["amount"] == amount


def test_image_of_a_size_that_is_only_advised_is_an_advisory(client: httpx.Client) -> None:
    answer = post(client, "aigc", body(content=[{"image": data_url("too-small-wide.png")}, TEXT]))
    assert answer.status_code == 200
    assert "384" in answer.headers["X-Qwenmock-Advisory"]


def test_refused_content_gets_the_providers_own_error(client: httpx.Client) -> None:
    content = body(content=[IMAGE, {"text": "[[qwenmock: refuse]]"}])
    assert post(client, "dashscope", content).json()["code"] == "DataInspectionFailed"
    assert post(client, "aigc", content).json()["error"]["code"] == "DataInspectionFailed"


def test_chinese_source_is_readable_in_a_header(client: httpx.Client) -> None:
    answer = post(client, "aigc", body(n=2))
    assert answer.headers["X-Qwenmock-Source"].startswith("003_64a870f5d0232faf.txt#parameters %")


def test_header_for_tasks_belongs_to_the_endpoints_that_take_it(client: httpx.Client) -> None:
    switch = {"X-DashScope-Async": "enable"}
    wrong = post(client, "dashscope", body(), **switch)
    assert (wrong.status_code, wrong.json()["code"]) == (403, "AccessDenied")
    task = {"model": "qwen-image", "input": {"prompt": "a cat"}}
    path = "/dashscope/api/v1/services/aigc/text2image/image-synthesis"
    assert client.post(path, json=task).status_code == 403
    assert client.post(path, json=task, headers=switch).json()["output"]["task_status"] == "PENDING"


def dashscope_task(client: httpx.Client, path: str = "text2image/image-synthesis", **content: Any) -> str:
    task = content or {"model": "qwen-image", "input": {"prompt": "a cat"}}
    answer = client.post(f"/dashscope/api/v1/services/aigc/{path}", json=task, headers={"X-DashScope-Async": "enable"})
    return answer.json()["output"]["task_id"]


def test_dashscope_task_goes_through_its_states(client: httpx.Client, control: httpx.Client) -> None:
    url = f"/dashscope/api/v1/tasks/{dashscope_task(client)}"
    states = []
    # It starts after 0.2 s and ends after 1 s, and the machine may be slow in between.
    for seconds in (0, 0.35, 1.0):
        control.post("/clock", json={"advance_seconds": seconds})
        states.append(client.get(url + "/").json()["output"])
    assert [state["task_status"] for state in states] == ["PENDING", "RUNNING", "SUCCEEDED"]
    assert states[2]["results"][0]["orig_prompt"] == "a cat"
    assert states[2]["task_metrics"] == {"TOTAL": 1, "SUCCEEDED": 1, "FAILED": 0}
    assert read_png(client.get(states[2]["results"][0]["url"]).content) == (1664, 928)
    assert control.get("/ledger").json()["charges"][0]["amount"] == "0.25"


def test_dashscope_task_is_cancelled_while_it_waits(client: httpx.Client, control: httpx.Client) -> None:
    waiting, running = dashscope_task(client), dashscope_task(client)
    path = "/dashscope/api/v1/tasks/{}/cancel"
    assert client.post(path.format(waiting), json={}).status_code == 200
    control.post("/clock", json={"advance_seconds": 0.5})
    refused = client.post(path.format(running), content=b"")
    assert (refused.status_code, refused.json()["code"]) == (400, "UnsupportedOperation")
    control.post("/clock", json={"advance_seconds": 5})
    assert client.get(f"/dashscope/api/v1/tasks/{waiting}").json()["output"]["task_status"] == "CANCELED"
    assert len(control.get("/ledger").json()["charges"]) == 1
    assert client.get("/dashscope/api/v1/tasks?status=CANCELED").json()["total"] == 1


def test_dashscope_unknown_task_is_no_error(client: httpx.Client) -> None:
    answer = client.get("/dashscope/api/v1/tasks/nonsense")
    assert (answer.status_code, answer.json()["output"]["task_status"]) == (200, "UNKNOWN")


def test_dashscope_failed_task_says_why(client: httpx.Client, control: httpx.Client) -> None:
    task_id = dashscope_task(client, model="qwen-image", input={"prompt": "x [[qwenmock: refuse]]"})
    control.post("/clock", json={"advance_seconds": 2})
    output = client.get(f"/dashscope/api/v1/tasks/{task_id}").json()["output"]
    assert (output["task_status"], output["code"]) == ("FAILED", "DataInspectionFailed")
    assert control.get("/ledger").json()["charges"] == []


def test_every_printed_body_of_aigc_is_stored() -> None:
    assert len(fixtures.exchanges("aigc")) == 5
    assert len({json.dumps(e.request, ensure_ascii=False) for e in fixtures.exchanges("aigc")}) == 5
