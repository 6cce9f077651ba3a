"""`qwenmock provider`: folders made from OpenAPI documents, good and bad ones, and what is said about them."""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from qwenmock.mockserver.cli import main
from qwenmock.mockserver.provider_folders import document, reading
from qwenmock.schemas.catalog import load_provider

ACME = Path(__file__).parents[1] / "data" / "acme.openapi.json"
TEXT = {"type": "string"}
BODY = {
    "type": "object",
    "required": ["model", "prompt"],
    "properties": {"model": {"type": "string", "enum": ["one"]}, "prompt": TEXT},
}
ANSWER = {"type": "object", "properties": {"data": {"type": "array", "items": {"properties": {"url": TEXT}}}}}


def content(schema: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def post(body: Any = BODY, answer: Any = ANSWER) -> dict[str, Any]:
    return {"post": {"requestBody": content(body), "responses": {"200": content(answer)}}}


def openapi(**changes: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "info": {"title": "Tiny"}, "paths": {"/v1/pictures": post()}, **changes}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def new(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(["provider", "new", *arguments])
    return code, *capsys.readouterr()


def refused(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line with which the command ends, having made nothing."""
    before = sorted(Path().rglob("*"))
    code, out, line = new(*arguments, capsys=capsys)
    assert (code, out, line.count("\n")) == (2, "", 1), line
    assert sorted(Path().rglob("*")) == before
    return line.removeprefix("qwenmock: ").rstrip("\n")


def written(value: Any, name: str = "api.json") -> str:
    Path(name).write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")
    return name


def test_folder_of_a_public_document(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = new("acme", "--openapi", str(ACME), capsys=capsys)
    assert (code, error) == (0, "")
    provider = load_provider(here / "my-schemas" / "acme")
    assert (provider.name, provider.base_url) == ("Acme Pictures API", "https://eu.acme-pictures.example")
    assert {each.name: (each.kind, each.path) for each in provider.endpoints.values()} == {
        "create-generation": ("create", "/api/v1/images/generations"),
        "edit-image": ("create", "/api/v1/images/edits"),
        "query-task": ("task", "/api/v1/tasks/{task_id}"),
        "cancel-call": ("cancel", "/api/v1/tasks/{task_id}/cancel"),
        "credits-call": ("credits", "/api/v1/account/balance"),
    }
    assert provider.tasks is not None
    names = [state.name for state in provider.tasks.states.values()]
    assert names == ["queued", "in_progress", "completed", "failed", "canceled"]
    assert provider.tasks.prefix == "gen_"
    statuses = {name: (kind.status, kind.certainty) for name, kind in provider.errors.items()}
    assert statuses["insufficient_balance"] == (402, "published")
    assert statuses["refused"] == (400, "assumed")
    assert statuses["task_not_found"] == (404, "published")
    assert provider.errors["rate_limited"].message == "Slow down"
    assert provider.errors["unauthorized"].fields == {"type": "authentication", "code": "invalid_key"}
    files = {str(file.relative_to(here / "my-schemas" / "acme")) for file in here.rglob("*.*")}
    assert {"provider.toml", "dialect.py", "fixtures/create-generation.json", "fixtures/edit-image.json"} <= files
    for line in (
        "  POST /images/generations.guidance_scale: multipleOf 0.5\n",
        "  POST /images/generations.style: pattern ^[a-z-]+$\n",
        "  POST /images/generations: status 202: the double answers 200\n",
        "  POST /images/edits.size: sizes that are listed in another form than 1024*1024",
        "  POST /images/upscale: not a call that makes images",
        "Folder contains itself; expected references that end\n",
        "  security ApiKey: the key is sent otherwise (header X-Acme-Key): the double expects Authorization: Bearer\n",
        "  the price of an image: add amount",
        "next: qwenmock provider check my-schemas/acme\n",
    ):
        assert line in out, line


def test_what_the_document_says_is_published_and_cited(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new("acme", "--openapi", str(ACME), capsys=capsys)
    provider = load_provider(here / "my-schemas" / "acme")
    rules = {rule.id: rule for rule in provider.rules}
    limit = rules["acme/create-generation/num_images/maximum"]
    assert (limit.value, limit.certainty) == (4, "published")
    assert limit.source == "published: Acme Pictures API, POST /images/generations"
    assert rules["acme/create-generation/prompt/maxLength"].value == 1500
    assert rules["acme/create-generation/reference_image_urls/*/maxBytes"].certainty == "assumed"
    assert rules["acme/create-generation/reference_image_urls/*/schemes"].value == ["http", "https"]
    assert rules["acme/edit-image/image/*/schemes"].value == ["http", "https", "data"]
    assert rules["acme/edit-image/n/maximum"].value == 4
    assert rules["acme/edit-image/model/enum"].certainty == "assumed"
    assert rules["acme/edit-image/model/required"].certainty == "assumed"


def test_check_finds_nothing_and_lists_what_is_assumed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new("acme", "--openapi", str(ACME), capsys=capsys)
    assert main(["provider", "check", "my-schemas/acme"]) == 0
    out = capsys.readouterr().out
    assert out.endswith("my-schemas/acme: 0 mistakes\n")
    assert "assumed: provider.toml#/price: no amount: images are booked with 0\n" in out
    assert "assumed: provider.toml#/links\n" in out
    assert "assumed: provider.toml#/errors/refused\n" in out


def cyclic() -> dict[str, Any]:
    node = {"type": "object", "properties": {"prompt": TEXT, "next": {"$ref": "#/components/schemas/Node"}}}
    return openapi(
        paths={"/v1/pictures": post({"$ref": "#/components/schemas/Node"})}, components={"schemas": {"Node": node}}
    )


def itself() -> dict[str, Any]:
    return openapi(paths={"/v1/pictures": {"$ref": "#/paths/~1v1~1pictures"}})


def deep() -> dict[str, Any]:
    schema: dict[str, Any] = TEXT
    for _ in range(60):
        schema = {"type": "array", "items": schema}
    return openapi(paths={"/v1/pictures": post({**BODY, "properties": {"deep": schema}})})


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("", "expected an OpenAPI 3 document, got no object"),
        ("{", "expected JSON: "),
        ("[1]", "expected an OpenAPI 3 document, got no object"),
        ({"hello": 1}, 'expected an OpenAPI 3 document, got no "openapi"'),
        ({"openapi": 3}, 'expected an OpenAPI 3 document, got "openapi": 3'),
        ({"openapi": "4.0.0", "paths": {}}, 'expected an OpenAPI 3 document, got "openapi": "4.0.0"'),
        ({"swagger": "2.0", "paths": {}}, "expected OpenAPI 3, got Swagger 2.0; convert it first"),
        ({"openapi": "3.0.0"}, 'expected an object at "paths", got none'),
        ({"openapi": "3.0.0", "paths": []}, 'expected an object at "paths", got none'),
        (openapi(paths={}), "expected a POST with a JSON body that has a model and a prompt"),
        (openapi(paths={"/v1": None, "/v2": {"post": 3}}), "expected a POST with a JSON body"),
        (openapi(paths={"/v1": post(answer={})}), "its success describes no list of links to images, and no task"),
        (openapi(paths={"/v1": post({"properties": {"prompt": TEXT}})}), 'no text "model" beside the prompt'),
        (
            openapi(paths={"/v1": post({"properties": {"prompt": TEXT, "model": TEXT}})}),
            "it names no model: write its models into the document as an enum",
        ),
        (openapi(paths={"/v1": post({"$ref": "#/components/x"})}), "#/components/x points to nothing"),
        (openapi(paths={"/v1": post({"$ref": "other.json#/x"})}), "other.json#/x leads to another document"),
        (cyclic(), "#/components/schemas/Node contains itself; expected references that end"),
        (itself(), "#/paths/~1v1~1pictures refers to itself"),
        (deep(), "expected at most 48 schemas inside each other"),
        ("openapi: 3.0.0\npaths: [", "expected JSON or YAML: "),
        ("openapi: 3.0.0\npaths: {}\n", "expected a POST with a JSON body"),
        ("a: &a [1]\nb: *a\n", 'got no "openapi"'),
        ("a: &a\n  - *a\n", "expected JSON or YAML: "),
        ("!!python/object/apply:os.system [true]", "expected JSON or YAML: "),
    ],
)
def test_bad_document_is_one_line(here: Path, value: Any, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused("tiny", "--openapi", written(value), capsys=capsys)
    assert message.startswith("api.json: ")
    assert line in message


def test_too_many_schemas_are_refused(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(document, "MOST_SCHEMAS", 3)
    assert "expected at most 3 schemas" in refused("tiny", "--openapi", written(openapi()), capsys=capsys)


def test_huge_file_is_not_read(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(reading, "LONGEST", 100)
    assert "expected at most 100 bytes, got more" in refused("tiny", "--openapi", written(openapi()), capsys=capsys)


def test_aliases_cannot_stand_for_any_number_of_values(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reading, "MOST_VALUES", 1000)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 9)]
    message = refused("tiny", "--openapi", written("\n".join(lines)), capsys=capsys)
    assert "expected at most 1000 values, aliases included" in message


def test_yaml_is_read_where_its_library_is(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "openapi: 3.0.0\ninfo: {title: Tiny, version: 2026-01-01}\npaths:\n  /v1/pictures:\n    post: "
    text += json.dumps(post()["post"]).replace('"200"', "200")
    assert new("tiny", "--openapi", written(text, "api.yaml"), capsys=capsys)[0] == 0
    assert load_provider(here / "my-schemas" / "tiny").name == "Tiny"


def test_yaml_without_its_library(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    message = refused("tiny", "--openapi", written("openapi: 3.0.0\n", "api.yaml"), capsys=capsys)
    assert message == (
        "api.yaml: expected JSON; YAML needs the library PyYAML, which is not installed: pip install pyyaml"
    )


@pytest.mark.parametrize(
    ("slug", "line"),
    [
        ("Acme", 'expected a name of small letters, digits, - and _, such as acme, got "Acme"'),
        ("../acme", 'got "../acme"'),
        ("a b", 'got "a b"'),
        ("9", 'got "9"'),
        ("control", 'the name "control" is reserved for the control API'),
    ],
)
def test_name_of_the_provider(here: Path, slug: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert line in refused(slug, "--openapi", written(openapi()), capsys=capsys)


def test_folder_that_exists_is_kept(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "my-schemas" / "tiny").mkdir(parents=True)
    message = refused("tiny", "--openapi", written(openapi()), capsys=capsys)
    assert message == "my-schemas/tiny: the folder exists; give another name, or remove it"


def test_file_that_cannot_be_read(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused("tiny", "--openapi", "no.json", capsys=capsys) == "no.json: No such file or directory"
    assert refused("tiny", "--openapi", ".", capsys=capsys) == ".: Is a directory"
    assert refused("tiny", "--openapi", "a\0b", capsys=capsys) == "a\\x00b: embedded null byte"


@pytest.mark.parametrize(
    "name", ["two\nlines.json", "\x1b[31mred.json", "a b'\".json", "猫.json", os.fsdecode(b"\xff.json")]
)
def test_odd_names_of_files(here: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused("tiny", "--openapi", written({}, name), capsys=capsys)
    assert 'got no "openapi"' in message
    assert message.isprintable()
    code, out, _ = new("tiny", "--openapi", written(openapi(), name), "--schemas", f"x{name}", capsys=capsys)
    assert code == 0
    assert out.replace("\n", "").isprintable()
    assert load_provider(here / f"x{name}" / "tiny").name == "Tiny"


def test_odd_texts_in_the_document(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    title = 'A "B" \\ \n\x07\x7f \'\'\' """ 猫\u2028'
    names = {"a/b": TEXT, "*": TEXT, "": TEXT, "ok.name": TEXT, "n\nl": TEXT}
    body = {**BODY, "properties": {**BODY["properties"], **names}}
    path = "/v1/pic tures"
    text = json.dumps(openapi(info={"title": title}, paths={path: post(body)}))
    assert new("tiny", "--openapi", written(text), capsys=capsys)[0] == 0
    assert main(["provider", "check", "my-schemas/tiny"]) == 0
    assert "猫" in load_provider(here / "my-schemas" / "tiny").name


class Site:
    """A site on this machine that answers one request at a time."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                answer(self)

            def log_message(self, *_: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api.json"


def sends(status: int, body: bytes = b"", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    found = Site(request.param)
    thread = threading.Thread(target=found.server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


@pytest.mark.parametrize("site", [sends(200, json.dumps(openapi()).encode())], indirect=True)
def test_document_at_a_url(here: Path, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert new("tiny", "--openapi", site.url, capsys=capsys)[0] == 0
    assert load_provider(here / "my-schemas" / "tiny").name == "Tiny"
    assert site.asked == ["/api.json"]


@pytest.mark.parametrize(
    ("site", "line"),
    [
        (sends(404), "expected status 200, got 404"),
        (sends(302, Location="/other.json"), "expected the document, got a redirect to /other.json; give that URL"),
        (sends(200, b"x" * 200_000), "expected at most 1000 bytes, got more"),
        (sends(200, b"<html>"), "expected an OpenAPI 3 document, got no object"),
        (lambda handler: handler.wfile.write(b"no HTTP\r\n\r\n"), "cannot be fetched: "),
        (
            sends(200, json.dumps(openapi(paths={"/v1": post({"$ref": "http://127.0.0.1:1/x"})})).encode()),
            "leads to another document, which is not fetched",
        ),
    ],
    indirect=["site"],
)
def test_url_that_gives_no_document(
    here: Path, site: Site, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reading, "LONGEST", 1000)
    message = refused("tiny", "--openapi", site.url, capsys=capsys)
    assert message.startswith(site.url)
    assert line in message
    assert site.asked == ["/api.json"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/api.json", "http://[::1", "https://", "http://127.0.0.1:99999/"])
def test_url_that_cannot_be_reached(here: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused("tiny", "--openapi", url, capsys=capsys).startswith(f"{url}: cannot be fetched: ")
