"""The double as a client of Nebula sees it, over a real port."""

import io
import json
import re
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from qwenmock import fixtures
from qwenmock.fixtures import data_url, exchanges
from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.examiner import sample_images

PATH = "/v1/images/generations"


def text_body(**parameters: Any) -> dict[str, Any]:
    return {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328", **parameters}}


def edit_body(*pictures: str, text: Any = "make it blue", **parameters: Any) -> dict[str, Any]:
    parts: list[Any] = [{"image": picture} for picture in pictures or (data_url("landscape.png"),)]
    if text is not None:
        parts.append({"text": text})
    return {
        "model": "qwen-image-edit-plus",
        "prompt": "instruction",
        "parameters": parameters,
        "contents": [{"role": "user", "parts": parts}],
    }


def picture(client: httpx.Client, url: str) -> Image.Image:
    answer = client.get(url)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    image = Image.open(io.BytesIO(answer.content))
    image.load()
    return image


def refusal(answer: httpx.Response, status: int) -> str:
    body = answer.json()
    assert answer.status_code == status
    assert body.keys() == {"code", "msg", "data"}
    assert body["code"] == status
    assert body["data"] is None
    return body["msg"]


@pytest.mark.parametrize("exchange", exchanges("nebula"), ids=lambda exchange: exchange.source)
def test_documented_request_gets_exactly_the_documented_fields(
    nebula: httpx.Client, exchange: fixtures.Exchange
) -> None:
    answer = nebula.post(PATH, json=exchange.request)
    assert answer.status_code == 200
    printed = exchange.answer or exchanges("nebula", "simplified")[0].answer
    assert shape(answer.json()) == shape(printed)


def shape(value: Any) -> Any:
    """Return the names of members all the way down."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    return [shape(item) for item in value] if isinstance(value, list) else type(value).__name__


@pytest.mark.parametrize("size", ["1328*1328", "1664*928", "928*1664", "1472*1140", "1140*1472"])
def test_picture_has_the_size_that_was_asked_for(nebula: httpx.Client, size: str) -> None:
    data = nebula.post(PATH, json=text_body(size=size)).json()["data"]
    usage = data["metadata"]["usage"]
    assert f"{usage['width']}*{usage['height']}" == size
    assert "{}*{}".format(*picture(nebula, data["data"][0]["url"]).size) == size


def test_edit_without_a_size_keeps_the_ratio_of_the_last_input(nebula: httpx.Client) -> None:
    square = sample_images.picture_url("image/png", 512, 512)
    body = nebula.post(PATH, json=edit_body(square, data_url("landscape.jpg"), n=2)).json()
    assert body["data"]["metadata"]["usage"] == {"width": 1248, "height": 832, "image_count": 2}
    links = [entry["url"] for entry in body["data"]["data"]]
    assert [part["image"] for part in body["data"]["metadata"]["output"]["choices"][0]["message"]["content"]] == links
    assert [picture(nebula, link).size for link in links] == [(1248, 832)] * 2


def test_foreign_link_as_input_counts_as_a_square(nebula: httpx.Client) -> None:
    body = nebula.post(PATH, json=edit_body("https://example.com/a.png")).json()
    assert body["data"]["metadata"]["usage"]["width"] == body["data"]["metadata"]["usage"]["height"] == 1024


def test_picture_the_double_made_can_be_edited(nebula: httpx.Client) -> None:
    link = nebula.post(PATH, json=text_body(size="1664*928")).json()["data"]["data"][0]["url"]
    usage = nebula.post(PATH, json=edit_body(link)).json()["data"]["metadata"]["usage"]
    assert usage["width"] > usage["height"]


def test_uploaded_picture_can_be_edited(nebula: httpx.Client, control: httpx.Client) -> None:
    uploaded = control.post("/images", content=fixtures.image("landscape.webp"), headers={"Content-Type": "image/webp"})
    assert (uploaded.json()["width"], uploaded.json()["height"]) == (768, 512)
    assert (
        nebula.post(PATH, json=edit_body(uploaded.json()["url"])).json()["data"]["metadata"]["usage"]["width"] == 1248
    )


def test_changed_link_of_the_double_is_no_input(nebula: httpx.Client) -> None:
    link = nebula.post(PATH, json=text_body()).json()["data"]["data"][0]["url"]
    assert "cannot be downloaded" in refusal(nebula.post(PATH, json=edit_body(link + "x")), 400)


def test_picture_tells_what_it_was_made_from(nebula: httpx.Client) -> None:
    prompt = "一只橘猫 in the grass 🐈"
    body = nebula.post(PATH, json=edit_body(text=prompt, seed=7, negative_prompt="blur")).json()
    text: dict[str, str] = picture(nebula, body["data"]["data"][0]["url"]).info
    assert text["prompt"] == prompt
    assert text["negative_prompt"] == "blur"
    assert text["seed"] == "7"
    assert text["model"] == "qwen-image-edit-plus"
    assert text["request_id"] == body["data"]["metadata"]["request_id"]


def pixels(client: httpx.Client, body: dict[str, Any]) -> bytes:
    link = client.post(PATH, json=body).json()["data"]["data"][0]["url"]
    return picture(client, link).convert("RGB").tobytes()


def test_seed_decides_the_picture(nebula: httpx.Client) -> None:
    first = pixels(nebula, edit_body(seed=1))
    assert first == pixels(nebula, edit_body(seed=1))
    assert first != pixels(nebula, edit_body(seed=2))
    assert first != pixels(nebula, edit_body(seed=1, watermark=True))


def test_watermark_changes_only_the_bottom_right(nebula: httpx.Client) -> None:
    def drawn(*, watermark: bool) -> Image.Image:
        link = nebula.post(PATH, json=edit_body(seed=1, watermark=watermark)).json()["data"]["data"][0]["url"]
        return picture(nebula, link).convert("RGB")

    plain, marked = drawn(watermark=False), drawn(watermark=True)
    width, height = plain.size
    corner = (width // 2, height * 3 // 4, width, height)
    assert plain.crop(corner).tobytes() != marked.crop(corner).tobytes()
    plain.paste(0, corner)
    marked.paste(0, corner)
    assert plain.tobytes() == marked.tobytes()


def test_inputs_are_seen_in_the_edited_picture(nebula: httpx.Client) -> None:
    red = Image.new("RGB", (512, 512), (255, 0, 0))
    out = io.BytesIO()
    red.save(out, "PNG")
    link = nebula.post(PATH, json=edit_body(sample_images.data_url(out.getvalue()))).json()["data"]["data"][0]["url"]
    drawn = picture(nebula, link).convert("RGB")
    assert sum(count for count, colour in drawn.getcolors(1 << 20) or () if colour == (255, 0, 0)) > 50_000


def test_whole_float_is_an_integer_and_is_billed_as_one(nebula: httpx.Client, control: httpx.Client) -> None:
    body = nebula.post(PATH, json=edit_body(n=2.0)).json()
    assert body["data"]["metadata"]["usage"]["image_count"] == 2
    assert control.get("/ledger").json()["charges"][0]["amount"] == "0.36"


BAD_BODIES: dict[str, tuple[Any, str]] = {
    "array": ([], "body"),
    "n is a string": (edit_body(n="2"), "parameters.n"),
    "n is true": (edit_body(n=True), "parameters.n"),
    "n is a fraction": (edit_body(n=1.5), "parameters.n"),
    "n is 0": (edit_body(n=0), "parameters.n"),
    "seed below": (edit_body(seed=-1), "parameters.seed"),
    "seed above": (edit_body(seed=2147483648), "parameters.seed"),
    "no text": (edit_body(text=None), "text"),
    "no image": (edit_body() | {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}, "image"),
    "text is a number": (edit_body(text=5), "contents[0].parts[1].text"),
    "text before image": (
        edit_body() | {"contents": [{"role": "user", "parts": [{"text": "x"}, {"image": data_url("landscape.png")}]}]},
        "parts",
    ),
    "two messages": (edit_body() | {"contents": edit_body()["contents"] * 2}, "contents"),
    "narrow": (edit_body(data_url("too-small-wide.png")), "width"),
    "low": (edit_body(data_url("too-small-high.png")), "height"),
    "wide": (edit_body(data_url("too-large-wide.png")), "width"),
    "high": (edit_body(data_url("too-large-high.png")), "height"),
    "heavy": (edit_body(sample_images.data_url(sample_images.picture_of_length(10 * 2**20 + 1))), "10485760 bytes"),
    "garbage in base64": (
        edit_body(data_url("landscape.png")[:200] + "!!" + data_url("landscape.png")[202:]),
        "base64",
    ),
    "gif": (edit_body(data_url("landscape.gif")), "image/gif"),
    "text as png": (edit_body(data_url("text.png")), "expected an image in a known format"),
    "truncated": (edit_body(data_url("truncated.png")), "cut off"),
    "ftp": (edit_body("ftp://example.com/a.png"), "image"),
    "both formats": (text_body() | {"extra": {"input": {}, "parameters": {}}}, "parameters"),
    "image for text to image": (text_body() | {"contents": edit_body()["contents"]}, "contents"),
    "unknown model": (text_body() | {"model": "dall-e-3"}, "model"),
    "no model": ({"prompt": "x"}, "model"),
    "model is a number": (text_body() | {"model": 3}, "model"),
    "empty prompt": (text_body() | {"prompt": ""}, "prompt"),
    "no parameters": ({"model": "qwen-image-plus", "prompt": "x"}, "parameters"),
    "watermark is a string": (text_body(watermark="true"), "parameters.watermark"),
}


def test_parameters_beside_the_full_format_are_noted_and_lose(nebula: httpx.Client) -> None:
    message = {"role": "user", "content": [{"text": "x"}]}
    extra = {"input": {"messages": [message]}, "parameters": {"size": "1664*928"}}
    answer = nebula.post(PATH, json=text_body() | {"extra": extra})
    assert answer.json()["data"]["metadata"]["usage"]["width"] == 1664
    assert answer.headers["X-Qwenmock-Advisory"].startswith("parameters ")


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bad_body_is_refused_naming_the_field(nebula: httpx.Client, control: httpx.Client, name: str) -> None:
    body, named = BAD_BODIES[name]
    answer = nebula.post(PATH, json=body)
    message = refusal(answer, 400)
    assert message.startswith("Parameter Error: ")
    assert named in message
    assert len(message) < 1200
    assert control.get("/ledger").json()["charges"] == []
    assert nebula.post(PATH, json=text_body()).status_code == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (edit_body(n=7), "Parameter Error: Image quantity exceeds limit"),
        (edit_body(*[data_url("landscape.png")] * 4), "Parameter Error: Image quantity exceeds limit"),
        (text_body(n=2), "Parameter Error: Image quantity exceeds limit"),
        (text_body(size="1472*1104"), "Parameter Error: Unsupported image size"),
        (text_body(size="1328x1328"), "Parameter Error: Unsupported image size"),
    ],
    ids=["n", "images", "n for text", "size", "x"],
)
def test_documented_texts_are_used(nebula: httpx.Client, body: Any, message: str) -> None:
    assert refusal(nebula.post(PATH, json=body), 400) == message


@pytest.mark.parametrize("side", ["smallest-wide", "smallest-high", "largest-wide", "largest-high"])
def test_image_at_a_limit_is_accepted(nebula: httpx.Client, side: str) -> None:
    assert nebula.post(PATH, json=edit_body(data_url(f"{side}.png"))).status_code == 200


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tiff", "webp"])
def test_every_format_is_accepted_by_its_bytes(nebula: httpx.Client, suffix: str) -> None:
    mislabelled = sample_images.data_url(fixtures.image(f"landscape.{suffix}"), "image/png")
    assert nebula.post(PATH, json=edit_body(mislabelled)).json()["data"]["metadata"]["usage"]["width"] == 1248


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe", b'{"n": NaN}'], ids=lambda c: repr(c[:8])
)
def test_body_that_is_no_json_is_refused(nebula: httpx.Client, content: bytes) -> None:
    answer = nebula.post(PATH, content=content, headers={"Content-Type": "application/json"})
    assert "invalid JSON" in refusal(answer, 400)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_wrong_content_type_is_refused(nebula: httpx.Client, content_type: str) -> None:
    answer = nebula.post(PATH, content=json.dumps(text_body()), headers={"Content-Type": content_type})
    assert "Content-Type" in refusal(answer, 400)


def test_content_type_may_name_its_charset(nebula: httpx.Client) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert nebula.post(PATH, content=json.dumps(text_body()), headers=headers).status_code == 200


def test_huge_body_is_refused_without_reading_it(server: RunningServer) -> None:
    parts = urlsplit(server.origin)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        head = (
            f"POST /nebula{PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-mock\r\n"
            f"Content-Type: application/json\r\nContent-Length: {200 * 2**20}\r\n\r\n"
        )
        connection.sendall(head.encode() + b"{" + b" " * 100_000)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":400' in answer


def test_huge_chunked_body_is_refused(nebula: httpx.Client) -> None:
    chunks = (b" " * 2**20 for _ in range(60))
    answer = nebula.post(PATH, content=chunks, headers={"Content-Type": "application/json"})
    assert "bytes" in refusal(answer, 400)
    assert nebula.post(PATH, json=text_body()).status_code == 200


@pytest.mark.parametrize(
    ("key", "status"),
    [
        ("sk-mock-expired", 401),
        ("sk-mock-empty", 403),
        ("sk-mock-forbidden", 403),
        ("sk-mock-throttled", 429),
        ("sk-mock-broken", 500),
        ("sk-mock", 200),
        ("sk-mock.alice", 200),
        ("sk-mock.", 401),
        ("sk-other", 401),
    ],
)
def test_key_decides_what_happens(nebula: httpx.Client, control: httpx.Client, key: str, status: int) -> None:
    answer = nebula.post(PATH, json=edit_body(), headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == status
    if status != 200:
        refusal(answer, status)
        assert control.get("/ledger").json()["charges"] == []
        assert all(account["reserved"] == "0" for account in control.get("/ledger").json()["accounts"])


def test_limited_key_is_refused_at_the_fourth_request_until_a_minute_has_passed(
    nebula: httpx.Client, control: httpx.Client
) -> None:
    def send() -> httpx.Response:
        return nebula.post(PATH, json=text_body(), headers={"Authorization": "Bearer sk-mock-limited"})

    assert [send().status_code for _ in range(4)] == [200, 200, 200, 429]
    assert 0 < int(send().headers["Retry-After"]) <= 60
    control.post("/clock", json={"advance_seconds": 61})
    assert send().status_code == 200


@pytest.mark.parametrize(
    ("n", "content", "dollars"),
    [
        (1, "Image generation: 1 image × ¥0.18 = ¥0.18", "0.024658"),
        (2, "Image generation: 2 images × ¥0.18 = ¥0.36", "0.049316"),
        (6, "Image generation: 6 images × ¥0.18 = ¥1.08", "0.147948"),
    ],
)
def test_charge_is_in_the_ledger(
    nebula: httpx.Client, control: httpx.Client, n: int, content: str, dollars: str
) -> None:
    answer = nebula.post(PATH, json=edit_body(n=n), headers={"Authorization": "Bearer sk-mock.payer"}).json()
    ledger = control.get("/ledger", params={"key": "sk-mock.payer"}).json()
    [charge] = ledger["charges"]
    assert charge["request_id"] == answer["data"]["metadata"]["request_id"]
    assert charge["images"] == n
    assert charge["unit_price"] == "0.18"
    assert charge["log"] == {
        "content": content,
        "modelName": "qwen-image-edit-plus",
        "quota": 12329,
        "quotaDollar": dollars,
    }
    [account] = ledger["accounts"]
    assert account["balance"] == {1: "999999.82", 2: "999999.64", 6: "999998.92"}[n]


def test_last_money_is_spent_and_not_more(nebula: httpx.Client, control: httpx.Client) -> None:
    control.patch("/accounts/sk-mock.poor", json={"balance": "0.36", "provider": "nebula"}).raise_for_status()
    headers = {"Authorization": "Bearer sk-mock.poor"}
    assert nebula.post(PATH, json=edit_body(n=3), headers=headers).status_code == 403
    assert nebula.post(PATH, json=edit_body(n=2), headers=headers).status_code == 200
    assert nebula.post(PATH, json=edit_body(), headers=headers).status_code == 403
    assert control.get("/ledger", params={"key": "sk-mock.poor"}).json()["accounts"][0]["balance"] == "0"


def test_some_images_can_fail(nebula: httpx.Client, control: httpx.Client) -> None:
    body = nebula.post(PATH, json=edit_body(n=3, text="cat [[qwenmock: fail-images=1]]")).json()
    assert body["data"]["metadata"]["usage"]["image_count"] == len(body["data"]["data"]) == 2
    assert control.get("/ledger").json()["charges"][0]["amount"] == "0.36"


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
def test_prefer_forces_a_status(nebula: httpx.Client, control: httpx.Client, status: int) -> None:
    answer = nebula.post(PATH, json=text_body(), headers={"Prefer": f"code={status}"})
    refusal(answer, status)
    assert answer.headers["Preference-Applied"] == f"code={status}"
    assert control.get("/ledger").json()["charges"] == []


def test_prefer_cannot_force_what_no_document_names(nebula: httpx.Client) -> None:
    answer = nebula.post(PATH, json=text_body(), headers={"Prefer": "code=418"})
    assert answer.status_code == 200
    assert "Preference-Applied" not in answer.headers


@pytest.mark.parametrize(("directive", "status"), [("status=429", 429), ("status=500", 500), ("refuse", 400)])
def test_directive_in_the_prompt_forces_a_status(nebula: httpx.Client, directive: str, status: int) -> None:
    refusal(nebula.post(PATH, json=text_body() | {"prompt": f"cat [[qwenmock: {directive}]]"}), status)


def test_waiting_takes_as_long_as_was_asked_for(nebula: httpx.Client) -> None:
    answer = nebula.post(PATH, json=text_body(), headers={"Prefer": "wait=0.3"})
    assert answer.elapsed.total_seconds() >= 0.3
    assert answer.headers["Preference-Applied"] == "wait=0.3"


def test_fault_plan_hits_as_often_as_it_says(nebula: httpx.Client, control: httpx.Client) -> None:
    control.put("/faults", json=[{"provider": "nebula", "status": 429, "times": 2}]).raise_for_status()
    assert [nebula.post(PATH, json=text_body()).status_code for _ in range(3)] == [429, 429, 200]
    assert control.get("/faults").json() == []


@pytest.mark.parametrize("drop", ["before", "mid-body"])
def test_fault_cuts_the_connection(nebula: httpx.Client, control: httpx.Client, drop: str) -> None:
    control.put("/faults", json=[{"drop": drop, "times": 1}]).raise_for_status()
    with pytest.raises(httpx.TransportError):
        nebula.post(PATH, json=text_body())
    assert nebula.post(PATH, json=text_body()).status_code == 200


def test_fault_makes_links_that_were_never_valid(nebula: httpx.Client, control: httpx.Client) -> None:
    """Whoever opens one has done nothing wrong: the verdict does not say so."""
    control.put("/faults", json=[{"expire_links": True, "times": 1}]).raise_for_status()
    first, second = [nebula.post(PATH, json=text_body()).json() for _ in range(2)]
    assert [httpx.get(answer["data"]["data"][0]["url"]).status_code for answer in (first, second)] == [403, 200]
    assert "link_after_expiry" not in {finding["kind"] for finding in control.get("/verdict").json()["findings"]}


def test_fault_ends_the_answer_in_the_middle(nebula: httpx.Client, control: httpx.Client) -> None:
    control.put("/faults", json=[{"malformed": True, "times": 1}]).raise_for_status()
    answer = nebula.post(PATH, json=text_body())
    assert (answer.status_code, int(answer.headers["Content-Length"])) == (200, len(answer.content))
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    [entry] = control.get("/journal").json()
    assert (entry["charge"]["images"], entry["answer"]["code"]) == (1, 200)


def test_fault_refuses_the_content(nebula: httpx.Client, control: httpx.Client) -> None:
    control.put("/faults", json=[{"refuse": True, "times": 1}]).raise_for_status()
    assert [nebula.post(PATH, json=text_body()).status_code for _ in range(2)] == [400, 200]


def test_fault_ends_with_the_clock(nebula: httpx.Client, control: httpx.Client) -> None:
    plan = [{"status": 500, "after_seconds": 3600, "for_seconds": 60}]
    [fault] = control.put("/faults", json=plan).json()
    assert nebula.post(PATH, json=text_body()).status_code == 200
    control.post("/clock", json={"advance_seconds": 3600}).raise_for_status()
    assert nebula.post(PATH, json=text_body()).status_code == 500
    assert control.put("/faults", json=[fault]).json() == [fault]
    control.post("/clock", json={"advance_seconds": 60}).raise_for_status()
    assert nebula.post(PATH, json=text_body()).status_code == 200


def test_refusal_names_its_rule_and_source(nebula: httpx.Client) -> None:
    answer = nebula.post(PATH, json=edit_body(n=7))
    assert answer.headers["X-Qwenmock-Rule"] == "nebula/contents/parameters/n/maximum"
    assert answer.headers["X-Qwenmock-Source"] == "000_16f51b091c80eb26.txt#4.3 Batch Generation (n Parameter)"
    assert re.fullmatch(r"\d+\.\d+\.\d+", answer.headers["X-Qwenmock"])


def test_unknown_field_is_an_advisory(nebula: httpx.Client, control: httpx.Client) -> None:
    answer = nebula.post(PATH, json=text_body(steps=5))
    assert answer.status_code == 200
    assert "parameters.steps" in answer.headers["X-Qwenmock-Advisory"]
    assert control.get("/journal").json()[0]["advisories"] == ["parameters.steps is not a documented field"]


@pytest.mark.parametrize("strict", [False, True])
def test_parameters_beside_the_full_format_are_accepted_and_not_read(strict: bool) -> None:
    """The table above both formats calls them required; the example of this format has none."""
    extra = {"input": {"messages": [{"role": "user", "content": [{"text": "a cat"}]}]}}
    body = {
        "model": "qwen-image-plus",
        "prompt": "a cat",
        "parameters": {"size": "1664*928"},
        "extra": {**extra, "parameters": {"size": "1328*1328"}},
    }
    with running(Settings(port=0, strict=strict)) as server:
        url = f"{server.url('nebula')}/v1/images/generations"
        answer = httpx.post(url, json=body, headers={"Authorization": "Bearer sk-mock"})
        unknown = httpx.post(url, json={**body, "steps": 5}, headers={"Authorization": "Bearer sk-mock"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["metadata"]["usage"]["width"] == 1328
    assert answer.headers["X-Qwenmock-Advisory"] == (
        "parameters is not read in this format, but extra.parameters: "
        "Nebula text to image guide, 1.1 Core Parameters Description"
    )
    assert unknown.status_code == (400 if strict else 200)


@pytest.mark.parametrize(
    "pictures", [["https://a.example/1.png", "https://a.example/2.png"], [data_url("landscape.png")] * 2]
)
@pytest.mark.parametrize(
    ("text", "is_noted"), [("make it blue", True), ("image 1 as Image2", False), ("图2的风格", False)]
)
def test_prompt_that_names_none_of_several_images_is_noted(
    nebula: httpx.Client, pictures: list[str], text: str, is_noted: bool
) -> None:
    answer = nebula.post(PATH, json=edit_body(*pictures, text=text))
    assert answer.status_code == 200
    noted = answer.headers.get("X-Qwenmock-Advisory", "")
    assert noted.endswith("Nebula image editing guide, Explicit Image Marking") == is_noted
    assert "X-Qwenmock-Advisory" not in nebula.post(PATH, json=edit_body(pictures[0])).headers


def test_link_ends_after_a_day(nebula: httpx.Client, control: httpx.Client) -> None:
    link = nebula.post(PATH, json=text_body()).json()["data"]["data"][0]["url"]
    control.post("/clock", json={"advance_seconds": 86390})
    assert nebula.get(link).status_code == 200
    control.post("/clock", json={"advance_seconds": 20})
    expired = nebula.get(link)
    assert expired.status_code == 403
    assert expired.headers["content-type"].startswith("application/xml")
    assert "<Code>AccessDenied</Code>" in expired.text


@pytest.mark.parametrize(
    ("old", "new"), [("Signature=", "Signature=x"), ("Expires=1", "Expires=2"), ("/0.png", "/1.png")]
)
def test_changed_link_is_denied(nebula: httpx.Client, old: str, new: str) -> None:
    link = nebula.post(PATH, json=text_body()).json()["data"]["data"][0]["url"]
    assert nebula.get(link.replace(old, new, 1)).status_code == 403


@pytest.mark.parametrize(
    "path",
    ["/__files__/", "/__files__/../../etc/passwd", "/__files__/x/0.png", "/__files__/%00/0.png?Expires=9&Signature=é"],
)
def test_invented_link_is_denied(server: RunningServer, path: str) -> None:
    assert httpx.get(server.origin + path).status_code in {403, 404}


def test_long_prompt_fits_a_link(nebula: httpx.Client) -> None:
    prompt = "猫" * 20_000
    link = nebula.post(PATH, json=text_body() | {"prompt": prompt}).json()["data"]["data"][0]["url"]
    assert len(link) < 2000
    assert picture(nebula, link).info["prompt"] == prompt


def test_production_host_is_routed_at_the_root(server: RunningServer) -> None:
    answer = httpx.post(
        server.origin + PATH, json=text_body(), headers={"Host": "llm.ai-nebula.com", "Authorization": "Bearer sk-mock"}
    )
    assert answer.status_code == 200


def test_path_that_no_provider_has_says_what_there_is(server: RunningServer) -> None:
    wrong_path = httpx.get(f"{server.origin}/nebula/v1/models")
    assert wrong_path.json() == {"code": 404, "msg": "Not Found", "data": None}
    assert "POST /v1/images/generations" in wrong_path.headers["X-Qwenmock-Detail"]
    wrong_method = httpx.get(f"{server.origin}/nebula{PATH}")
    assert (wrong_method.status_code, wrong_method.headers["Allow"]) == (405, "POST")
    assert wrong_method.json()["code"] == 405
    assert "/nebula" in httpx.get(f"{server.origin}/elsewhere").json()["error"]
