"""Uploads: who may send a file where, until when, and how large; and which files links lead to."""

import asyncio
import base64
import tempfile
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from call_values import BASE, CATALOG
from starlette.requests import Request

from qwenmock.mockserver.calls.double import Double, create_double
from qwenmock.mockserver.clock import Clock
from qwenmock.mockserver.images import files, uploads
from qwenmock.mockserver.images.files import BadLink, RenderedImages
from qwenmock.mockserver.images.headers import NotAnImage
from qwenmock.mockserver.images.links import Recipe
from qwenmock.mockserver.models import UploadPolicy
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.examiner.sample_images import picture

TOO_LARGE = "EntityTooLarge: at most 104857600 bytes are accepted"
LATE = "AccessDenied: the policy does not cover this upload"
NEEDED = "InvalidArgument: policy and key are required, before the file"
Part = tuple[str, str, bytes]
"""The name of a field, the name of its file or "", and its content."""


class Still(Clock):
    """A clock that stands where it is set."""

    at = 1000.75

    def now(self) -> float:
        return self.at


def on(steps: Callable[[Double], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        double = create_double(Settings(seed=1, **settings), CATALOG)
        double.clock = clock = Still()
        object.__setattr__(double.uploads, "clock", clock)
        object.__setattr__(double.files, "clock", clock)
        try:
            await steps(double)
        finally:
            await double.store.close()

    asyncio.run(run())


def form(parts: list[Part]) -> bytes:
    body = b""
    for name, file, content in parts:
        extra = f'; filename="{file}"\r\nContent-Type: image/png' if file else ""
        head = f'--x\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return body + b"--x--\r\n"


def request(*chunks: bytes, **headers: str) -> Request:
    """Return a request whose body comes in chunks."""
    names = {"content_type": "multipart/form-data; boundary=x"} | headers
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in names.items()]
    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "path": uploads.UPLOAD_PATH, "headers": raw, "query_string": b""}
    return Request(scope, receive)  # type: ignore[arg-type]


def fields(granted: UploadPolicy, content: bytes = b"content", **other: str) -> list[Part]:
    """Return the fields of an upload that is permitted; `other` replaces or, with "none", removes some."""
    values = {"policy": granted.text, "key": granted.folder + "/a.png", "Signature": granted.signature}
    parts = [(name, "", value.encode()) for name, value in (values | other).items() if value != "none"]
    return [*parts, ("file", "a.png", content)]


# The policy.


def test_policy_is_for_a_new_folder_and_five_minutes() -> None:
    async def steps(double: Double) -> None:
        policy = double.uploads.grant("parent", BASE)
        folder, name = policy.folder.split("/")
        assert (folder, len(name), name.isalnum()) == ("parent", 32, True)
        assert orjson.loads(base64.b64decode(policy.text)) == {"dir": policy.folder, "expires": 1300}
        assert policy[3:] == (f"{BASE}/__upload__", 300, 100)
        assert policy.signature == double.links.sign("upload", policy.text)
        assert double.uploads.grant("parent", BASE).folder != policy.folder

    on(steps)


# The form.


def test_file_of_a_form_is_kept() -> None:
    async def steps(double: Double) -> None:
        policy = double.uploads.grant("parent", BASE)
        assert await double.uploads.receive(request(form(fields(policy)))) == (200, "")
        assert await double.store.kept(f"oss://{policy.folder}/a.png") == b"content"

    on(steps)


@pytest.mark.parametrize("charset", ["undefined", "punycode", "no-such-charset", "unicode_escape"])
def test_fields_in_a_strange_charset_are_refused(charset: str) -> None:
    async def steps(double: Double) -> None:
        parts = fields(double.uploads.grant("parent", BASE), Signature="\\ud800", policy="p-\u00ff-9")
        sent = request(form(parts), content_type=f"multipart/form-data; boundary=x; charset={charset}")
        status, reason = await double.uploads.receive(sent)
        assert (status, reason.partition(":")[0]) in {(400, "MalformedPOSTRequest"), (403, "SignatureDoesNotMatch")}

    on(steps)


def test_name_that_cannot_be_stored_is_refused() -> None:
    async def steps(double: Double) -> None:
        policy = double.uploads.grant("parent", BASE)
        parts = fields(policy, key=policy.folder + "/\\ud800")
        sent = request(form(parts), content_type="multipart/form-data; boundary=x; charset=unicode_escape")
        status, reason = await double.uploads.receive(sent)
        assert (status, reason.partition(":")[0]) == (400, "MalformedPOSTRequest")

    on(steps)


Edit = Callable[[UploadPolicy], list[Part]]
EDITS: dict[str, tuple[Edit, int, str]] = {
    "no policy": (lambda policy: fields(policy, policy="none"), 400, NEEDED),
    "no key": (lambda policy: fields(policy, key="none"), 400, NEEDED),
    "policy after the file": (lambda policy: fields(policy)[::-1], 400, NEEDED),
    "policy is a file": (
        lambda policy: [("policy", "a", b"x"), *fields(policy)[1:]],
        400,
        NEEDED,
    ),
    "no signature": (lambda policy: fields(policy, Signature="none"), 403, "SignatureDoesNotMatch"),
    "other signature": (lambda policy: fields(policy, Signature="x"), 403, "SignatureDoesNotMatch"),
    "signature outside ASCII": (lambda policy: fields(policy, Signature="é"), 403, "SignatureDoesNotMatch"),
    "other policy": (lambda policy: fields(policy, policy=policy.text + "="), 403, "SignatureDoesNotMatch"),
    "other folder": (lambda policy: fields(policy, key="parent/a.png"), 403, LATE),
    "folder that begins alike": (lambda policy: fields(policy, key=policy.folder + "x/a.png"), 403, LATE),
    "no file": (lambda policy: fields(policy)[:-1], 400, "InvalidArgument: a file named file is required"),
    "file of another name": (
        lambda policy: [*fields(policy)[:-1], ("data", "a.png", b"x")],
        400,
        "InvalidArgument: a file named file is required",
    ),
    "two files": (
        lambda policy: [*fields(policy), ("more", "b.png", b"x")],
        400,
        "MalformedPOSTRequest: Too many files. Maximum number of files is 1.",
    ),
    "key again after the file": (lambda policy: [*fields(policy), ("key", "", b"elsewhere/a.png")], 403, LATE),
    "policy again after the file": (
        lambda policy: [*fields(policy), ("policy", "", b"x")],
        403,
        "SignatureDoesNotMatch",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_form_that_is_not_permitted_is_refused(name: str) -> None:
    edit, status, reason = EDITS[name]

    async def steps(double: Double) -> None:
        policy = double.uploads.grant("parent", BASE)
        assert await double.uploads.receive(request(form(edit(policy)))) == (status, reason)
        for key in (f"{policy.folder}/a.png", "parent/a.png", "elsewhere/a.png", f"{policy.folder}x/a.png"):
            assert await double.store.kept(f"oss://{key}") is None

    on(steps)


@pytest.mark.parametrize(("fields_", "is_taken"), [(20, True), (21, False)])
def test_form_has_at_most_20_fields(fields_: int, is_taken: bool) -> None:
    async def steps(double: Double) -> None:
        policy = double.uploads.grant("parent", BASE)
        more = [(f"x{number}", "", b"") for number in range(fields_ - 3)]
        status, reason = await double.uploads.receive(request(form([*more, *fields(policy)])))
        assert (status, reason[:20]) == ((200, "") if is_taken else (400, "MalformedPOSTRequest"))

    on(steps)


@pytest.mark.parametrize(("at", "status"), [(1300.0, 200), (1300.5, 403)])
def test_policy_is_valid_to_its_last_second(at: float, status: int) -> None:
    async def steps(double: Double) -> None:
        policy = double.uploads.grant("parent", BASE)
        double.uploads.clock.at = at  # type: ignore[attr-defined]
        assert (await double.uploads.receive(request(form(fields(policy)))))[0] == status

    on(steps)


# Its size.


@pytest.mark.parametrize(
    ("length", "answer"),
    [
        ("104857600", (200, "")),
        ("104857601", (400, TOO_LARGE)),
        ("-1", (400, TOO_LARGE)),
        ("x", (400, TOO_LARGE)),
    ],
)
def test_stated_length_has_a_limit(length: str, answer: tuple[int, str]) -> None:
    async def steps(double: Double) -> None:
        policy = double.uploads.grant("parent", BASE)
        assert await double.uploads.receive(request(form(fields(policy)), content_length=length)) == answer

    on(steps)


def test_length_is_counted_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(double: Double) -> None:
        policy = double.uploads.grant("parent", BASE)
        body = form(fields(policy, content=b"x" * 1000))
        for limit, answer in ((len(body), (200, "")), (len(body) - 1, (400, TOO_LARGE))):
            monkeypatch.setattr(uploads, "MAX_BYTES", limit)
            assert await double.uploads.receive(request(body[:500], body[500:])) == answer

    on(steps)


def test_file_without_permission_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fields are checked where the file begins: what follows is never asked for."""

    async def steps(double: Double) -> None:
        policy = double.uploads.grant("parent", BASE)
        body = form(fields(policy, Signature="x", content=b"x" * 1000))
        sent = request(body[:-900], body[-900:])
        assert await double.uploads.receive(sent) == (403, "SignatureDoesNotMatch")
        assert (await sent.receive())["body"] == body[-900:]

    on(steps)


def test_client_that_goes_away_is_refused() -> None:
    async def steps(double: Double) -> None:
        policy = double.uploads.grant("parent", BASE)
        sent = request(form(fields(policy))[:-20])
        asked = sent.receive

        async def receive() -> Any:
            message = await asked()
            return message if message.get("body") else {"type": "http.disconnect"}

        sent._receive = receive
        status, reason = await double.uploads.receive(sent)
        assert (status, reason[:20]) == (400, "MalformedPOSTRequest")

    on(steps)


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data"])
def test_body_that_is_no_form_is_refused(content_type: str) -> None:
    async def steps(double: Double) -> None:
        status, reason = await double.uploads.receive(request(b"x", content_type=content_type))
        assert (status, reason[:20]) == (400, "MalformedPOSTRequest")

    on(steps)


@pytest.mark.parametrize("name", ["two files", "other folder", "key again after the file", "no file", ""])
def test_no_file_stays_open(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    opened: list[Any] = []
    make = tempfile.SpooledTemporaryFile

    def spooled(*args: Any, **more: Any) -> Any:
        opened.append(make(*args, **more))
        return opened[-1]

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", spooled)

    async def steps(double: Double) -> None:
        policy = double.uploads.grant("parent", BASE)
        parts = EDITS[name][0](policy) if name else fields(policy)
        await double.uploads.receive(request(form(parts)))
        assert all(file.closed for file in opened)
        assert len(opened) == (0 if name == "no file" else 1)

    on(steps)


# Files behind links.


async def bad(reading: Awaitable[object]) -> tuple[str, int, bool]:
    with pytest.raises(BadLink) as refusal:
        await reading
    return str(refusal.value), refusal.value.status, refusal.value.is_expired


def split(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.path, parts.query


RECIPE = Recipe("qwen-image-plus", "a cat", "", 7, 64, 48, 2, "", "id", ())
FORGED = ("The signature does not match", 403, False)
GONE = ("The picture is no longer kept here", 404, False)


def test_link_leads_to_an_uploaded_image_until_it_expires() -> None:
    async def steps(double: Double) -> None:
        png = picture()
        url, header = await double.files.upload(png, BASE)
        assert url.startswith(f"{BASE}/__files__/-")
        assert urlsplit(url).path.endswith("/0.png")
        assert (header.media_type, header.width, header.height) == ("image/png", 768, 512)
        assert await double.files.read(*split(url)) == (png, "image/png")
        lifetime = max(provider.link_lifetime for provider in CATALOG)
        assert parse_qs(urlsplit(url).query)["Expires"] == [str(1000 + lifetime)]
        double.files.clock.at = 1000 + lifetime  # type: ignore[attr-defined]
        assert await double.files.read(*split(url)) == (png, "image/png")
        double.files.clock.at = 1000.5 + lifetime  # type: ignore[attr-defined]
        assert await bad(double.files.read(*split(url))) == ("Request has expired.", 403, True)
        jpeg, _ = await double.files.upload(picture("image/jpeg"), BASE)
        assert urlsplit(jpeg).path.endswith("/0.jpg")
        named, _ = await double.files.upload(picture("image/jpeg"), BASE, "jpeg")
        assert urlsplit(named).path.endswith("/0.jpeg")
        with pytest.raises(NotAnImage):
            await double.files.upload(b"text", BASE)

    on(steps)


def test_link_that_was_changed_leads_nowhere() -> None:
    async def steps(double: Double) -> None:
        [url, _] = await double.links.make(RECIPE, BASE, 2000)
        path, query = split(url)
        data, media_type = await double.files.read(path, query)
        assert (data[:4], media_type) == (b"\x89PNG", "image/png")
        for changed in (
            (path.replace("/0.png", "/1.png"), query),
            (path.replace("/0.png", ""), query),
            (path + "/x", query),
            (path, query.replace("Expires=2000", "Expires=2001")),
            (path, query.replace("OSSAccessKeyId=qwenmock", "OSSAccessKeyId=other")),
            (path, query.replace("OSSAccessKeyId=qwenmock", "")),
            (path, query.replace("Signature=", "Signature=A")),
            (path, ""),
        ):
            assert await bad(double.files.read(*changed)) == FORGED
        # Signed, but not the path of a file.
        assert await bad(double.files.read(*split(BASE + double.links.path("token", "a/0", "png", "2000")))) == FORGED
        signature = double.links.sign("token", "", "2000").replace("+", "%2B").replace("/", "%2F")
        query = f"Expires=2000&OSSAccessKeyId=qwenmock&Signature={signature}"
        assert await bad(double.files.read("/__files__/token", query)) == FORGED

    on(steps)


def test_image_that_is_no_longer_kept_is_not_found() -> None:
    async def steps(double: Double) -> None:
        for token in ("-" + "0" * 64, "~" + "0" * 64):
            path = double.links.path(token, "0", "png", "2000")
            assert await bad(double.files.read(*split(BASE + path))) == GONE

    on(steps)


def test_images_are_drawn_once_with_their_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[int, tuple[bytes | None, ...]]] = []

    def render(recipe: Recipe, index: int, inputs: tuple[bytes | None, ...]) -> bytes:
        drawn.append((index, inputs))
        return bytes(10)

    monkeypatch.setattr(files, "render", render)

    async def steps(double: Double) -> None:
        await double.store.keep("digest", b"input")
        recipe = RECIPE._replace(inputs=(("digest", "", 1, 1), ("", "https://a.example", 1, 1), ("gone", "", 1, 1)))
        for url in await double.links.make(recipe, BASE, 2000) * 2:
            assert await double.files.read(*split(url)) == (bytes(10), "image/png")
        assert drawn == [(0, (b"input", None, None)), (1, (b"input", None, None))]

    on(steps)


def test_room_for_drawn_images_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def render(_recipe: Recipe, index: int, _inputs: object) -> bytes:
        drawn.append(index)
        return bytes(10)

    monkeypatch.setattr(files, "render", render)
    monkeypatch.setattr(files, "MAX_RENDERED_BYTES", 30)

    async def run() -> None:
        images = RenderedImages()
        for index in (0, 1, 2, 0, 3, 0, 2, 3, 1):
            await images.get(RECIPE, index, ())
        # 1 was the longest unused one when 3 came; then 0 when 1 came again.
        assert drawn == [0, 1, 2, 3, 1]
        await images.get(RECIPE, 0, ())
        assert drawn == [0, 1, 2, 3, 1, 0]
        await asyncio.gather(*(images.get(RECIPE, 9, (b"",)) for _ in range(2)))
        assert images._size == 30

    asyncio.run(run())


def test_room_is_32_megabytes() -> None:
    assert files.MAX_RENDERED_BYTES == 32 * 2**20
    assert uploads.MAX_BYTES == 100 * 2**20


@pytest.mark.parametrize(
    ("base", "is_own"),
    [
        (BASE, True),
        ("https://public.example", True),
        ("http://mock.example:80", False),
        ("https://images.example", False),
    ],
)
def test_own_links_are_those_of_the_own_hosts(base: str, is_own: bool) -> None:
    async def steps(double: Double) -> None:
        url, _ = await double.files.upload(picture(), BASE)
        assert url.startswith("https://public.example/__files__/")
        path = url.removeprefix("https://public.example")
        found = await double.files.read_url(base + path, BASE)
        assert (found == picture()) if is_own else (found is None)
        assert await double.files.read_url(f"{base}/a{path}", BASE) is None
        assert await double.files.read_url("https://public.example/a.png", BASE) is None

    on(steps, public_url="https://public.example")
