"""A dialect that is missing or incomplete is found when the catalogue is loaded, not at the first answer."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from commands import run_here

from qwenmock.mockserver import dialects
from qwenmock.mockserver.cli import main
from qwenmock.mockserver.control.openapi import openapi
from qwenmock.schemas import catalog
from qwenmock.schemas.errors import CatalogError


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
    done = run_here(*arguments, environment={**os.environ, "QWENMOCK_SCHEMAS": str(schemas)})
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
