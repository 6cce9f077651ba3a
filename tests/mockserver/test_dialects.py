"""A dialect that is missing or incomplete is found when the catalogue is loaded, not at the first answer."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from qwenmock.mockserver import dialects
from qwenmock.mockserver.cli import main
from qwenmock.mockserver.control.openapi import openapi
from qwenmock.mockserver.dialects.base import Dialect
from qwenmock.schemas import catalog
from qwenmock.schemas.errors import CatalogError

COMMAND = [sys.executable, "-m", "qwenmock.mockserver"]
METHODS = (
    ("nebula", "success"),
    ("nebula", "refusal"),
    ("evolink", "created"),
    ("evolink", "task"),
    ("evolink", "remaining"),
    ("dashscope", "unknown_task"),
    ("dashscope", "list_parameters"),
    ("dashscope", "task_list"),
    ("dashscope", "cancelled"),
    ("dashscope", "upload_folder"),
    ("dashscope", "upload_policy"),
)


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    """A catalogue of one provider, which names a dialect that does not exist."""
    folder = tmp_path / "schemas" / "nebula"
    shutil.copytree(catalog.HERE / "nebula", folder)
    file = folder / "provider.toml"
    file.write_text('dialect = "nope"\n' + file.read_text("utf-8"), "utf-8")
    return folder.parent


@pytest.mark.parametrize(
    "arguments",
    [("serve", "--port", "0"), ("serve", "--port", "0", "--workers", "2"), ("check", "--provider", "nebula")],
    ids=["serve", "workers", "check"],
)
def test_an_unknown_dialect_is_one_line_and_exit_code_2(arguments: tuple[str, ...], schemas: Path) -> None:
    environment = {**os.environ, "QWENMOCK_SCHEMAS": str(schemas)}
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert "provider nebula: " in done.stderr
    assert "nebula/provider.toml#/dialect: unknown dialect 'nope'" in done.stderr
    assert "aigc, by_schema, dashscope, evolink, nebula" in done.stderr
    assert "nope.py" in done.stderr


def test_openapi_says_so_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CatalogError, match="unknown dialect 'nope'"):
        openapi(replace(catalog.load()["nebula"], dialect="nope"), None)
    monkeypatch.setattr(dialects, "__path__", ["/nowhere"])
    assert main(["openapi", "nebula"]) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert "unknown dialect 'nebula'" in error


def written(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a module named `written` where dialects are looked for."""
    monkeypatch.setattr(dialects, "__path__", [*dialects.__path__, str(folder)])
    monkeypatch.delitem(sys.modules, f"{dialects.__name__}.written", raising=False)
    file = folder / "written.py"
    file.write_text(code, "utf-8")
    return file


@pytest.mark.parametrize(("slug", "method"), METHODS)
def test_a_missing_method_is_named(slug: str, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = f"""
from qwenmock.mockserver.dialects.base import Dialect
from qwenmock.mockserver.dialects.{slug} import {slug.title()}Dialect

class Partial({slug.title()}Dialect):
    {method} = Dialect.{method}
"""
    file = written(code, tmp_path, monkeypatch)
    with pytest.raises(CatalogError) as caught:
        dialects.dialect_of(replace(catalog.load()[slug], dialect="written"))
    assert str(caught.value).startswith(f"provider {slug}: ")
    assert f"{slug}/provider.toml#/dialect: Partial.{method} is missing" in str(caught.value)
    assert str(caught.value).endswith(str(file))


def test_a_module_without_a_dialect_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written("from qwenmock.mockserver.dialects.nebula import NebulaDialect\n", tmp_path, monkeypatch)
    with pytest.raises(CatalogError, match=f"provider nebula: .*: expected one subclass of Dialect, got 0, in {file}"):
        dialects.dialect_of(replace(catalog.load()["nebula"], dialect="written"))


def test_each_shipped_provider_has_a_complete_dialect() -> None:
    for provider in catalog.load():
        assert isinstance(dialects.dialect_of(provider), Dialect)


def test_a_method_that_no_endpoint_needs_says_that_it_is_not_written() -> None:
    with pytest.raises(NotImplementedError, match=r"^NebulaDialect\.cancelled$"):
        dialects.dialect_of(catalog.load()["nebula"]).cancelled("r")
