"""`qwenmock provider check`: every mistake in a provider's folder, in plain words, with file and place."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qwenmock.mockserver.cli import main
from qwenmock.mockserver.provider_folders.check import examine
from qwenmock.schemas import catalog

ACME = Path(__file__).parents[1] / "data" / "acme.openapi.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    assert main(["provider", "new", "acme", "--openapi", str(ACME), "--schemas", str(folder)]) == 0
    return folder / "acme"


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "acme")


def toml(folder: Path, old: str, new: str) -> None:
    file = folder / "provider.toml"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def schema(folder: Path, name: str, change: Callable[[Any], object]) -> None:
    file = folder / name
    content = json.loads(file.read_text("utf-8"))
    change(content)
    file.write_text(json.dumps(content), "utf-8")


def found(folder: Path) -> list[str]:
    return [str(mistake) for mistake in examine(folder).mistakes]


def test_whole_folder_has_no_mistake(folder: Path) -> None:
    assert found(folder) == []


@pytest.mark.parametrize("slug", catalog.load().providers)
def test_own_providers_have_no_mistake(slug: str) -> None:
    assert found(catalog.HERE / slug) == []


def test_every_mistake_of_every_file_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toml(folder, "lifetime_seconds = 86400", "lifetime = 86400")
    toml(folder, 'currency = "USD"', 'currency = ""')
    schema(folder, "edit-image.schema.json", lambda content: content["properties"]["prompt"].update(maximun=3))
    assert main(["provider", "check", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"{folder}: 4 mistakes"
    assert 'provider.toml#/currency: expected at least 1 characters, got ""' in lines
    assert any(line.startswith('provider.toml#/links: missing "lifetime_seconds"') for line in lines)
    assert any(line.startswith('provider.toml#/links: unknown "lifetime"') for line in lines)
    assert any(re.match(r'edit-image\.schema\.json#/properties/prompt: .*"maximun"', line) for line in lines), lines


@pytest.mark.parametrize(
    ("break_it", "line"),
    [
        (lambda folder: toml(folder, "[models", "[["), "provider.toml: expected a TOML file in UTF-8: "),
        (
            lambda folder: toml(folder, '"edit-image"', '"edit"'),
            'provider.toml#/endpoints/edit-image/variants/0: unknown variant "edit"; expected ',
        ),
        (
            lambda folder: (folder / "task-failed.schema.json").unlink(),
            "task-failed.schema.json: file not found; this folder has ",
        ),
        (
            lambda folder: (folder / "task-failed.schema.json").write_text("{"),
            "task-failed.schema.json: expected a JSON file in UTF-8: ",
        ),
        (
            lambda folder: shutil.copy(folder / "error.schema.json", folder / "old.schema.json"),
            "old.schema.json: no table of provider.toml and no other file names it",
        ),
        (
            lambda folder: (folder / "dialect.py").write_text("x = 1\n"),
            "provider.toml#/dialect: expected one subclass of Dialect, got 0, in ",
        ),
        (
            lambda folder: (folder / "dialect.py").write_text("import nothing_of_that_name\n"),
            "provider.toml#/dialect: dialect.py cannot be imported: ModuleNotFoundError: No module named ",
        ),
        (
            lambda folder: (folder / "dialect.py").unlink(),
            "provider.toml#/dialect: unknown dialect 'acme', expected one of ",
        ),
        (
            lambda folder: schema(
                folder,
                "error.schema.json",
                lambda it: it["properties"]["error"]["properties"]["type"].update(pattern="^É$"),
            ),
            "error.schema.json#/error/type: the double's answer breaks it: error.type must match ^É$",
        ),
        (
            lambda folder: schema(
                folder, "task-succeeded.schema.json", lambda it: it["properties"]["object"].update(pattern="^É$")
            ),
            "task-succeeded.schema.json#/object: the double's answer breaks it: ",
        ),
        (
            lambda folder: schema(
                folder, "credits-answer.schema.json", lambda it: it["properties"]["currency"].update(maxLength=1)
            ),
            "credits-answer.schema.json#/currency: the double's answer breaks it: ",
        ),
        (
            lambda folder: schema(
                folder, "edit-image.schema.json", lambda it: it["properties"]["prompt"].update(minLength=5, maxLength=2)
            ),
            "edit-image.schema.json: no body could be made that it accepts: give its members examples",
        ),
        (
            lambda folder: schema(folder, "fixtures/edit-image.json", lambda it: it["request"].update(n=9)),
            "fixtures/edit-image.json#/request: it breaks edit-image.schema.json: n must be at most 4, got ",
        ),
        (
            lambda folder: schema(
                folder, "fixtures/create-generation.json", lambda it: it["answer"].update(status="?")
            ),
            "fixtures/create-generation.json#/answer: it breaks create-generation-created.schema.json: status must",
        ),
        (
            lambda folder: schema(folder, "fixtures/edit-image.json", lambda it: it.update(variant="edit")),
            "fixtures/edit-image.json: expected an object with a variant (create-generation, edit-image) and a request",
        ),
        (
            lambda folder: (folder / "fixtures" / "edit-image.json").write_text("[1]"),
            "fixtures/edit-image.json: expected an object with a variant",
        ),
    ],
)
def test_each_mistake_is_told_in_plain_words(folder: Path, break_it: Callable[[Path], object], line: str) -> None:
    break_it(folder)
    lines = found(folder)
    assert any(each.startswith(line) for each in lines), lines
    assert len(lines) == len(set(lines))


def test_dialect_in_the_folder_replaces_what_the_schemas_make(folder: Path) -> None:
    code = (folder / "dialect.py").read_text("utf-8")
    (folder / "dialect.py").write_text(
        code + '\n    def refusal(self, refused):\n        return {"error": 1}\n', "utf-8"
    )
    [line] = set(found(folder))
    assert line.startswith("error.schema.json#/error: the double's answer breaks it: error must be an object, got ")


@pytest.mark.parametrize(("name", "line"), [("no", "no: folder not found"), (".", ".: no provider.toml; expected the")])
def test_what_is_no_folder_of_a_provider(
    name: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["provider", "check", name]) == 2
    assert capsys.readouterr().err.startswith(f"qwenmock: {line}")


def test_dialect_that_ends_the_program_is_told(folder: Path) -> None:
    (folder / "dialect.py").write_text("raise SystemExit(0)\n")
    assert any("dialect.py cannot be imported: SystemExit" in mistake for mistake in found(folder))


def test_contradictory_limits_are_told(folder: Path) -> None:
    def change(content: Any) -> None:
        content["properties"]["num_images"] |= {"minimum": 5, "maximum": 4, "default": 9}

    schema(folder, "create-generation.schema.json", change)
    mistakes = found(folder)
    assert any(each.endswith("expected minimum to be at most maximum 4, got 5") for each in mistakes)
    assert any(each.endswith("expected a default from 5 to 4, got 9") for each in mistakes)
