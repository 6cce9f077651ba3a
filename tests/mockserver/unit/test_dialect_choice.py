"""Which dialect a provider has: a module that is missing or incomplete is named, with what needs it."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from qwenmock.mockserver import dialects
from qwenmock.mockserver.dialects.base import Dialect
from qwenmock.mockserver.dialects.by_schema import BySchemaDialect
from qwenmock.schemas import catalog
from qwenmock.schemas.errors import CatalogError
from qwenmock.schemas.models import Provider

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


def own(code: str, folder: Path) -> Provider:
    """Return a provider with a module in its own folder."""
    place = folder / "nebula"
    place.mkdir()
    (place / "dialect.py").write_text(code, "utf-8")
    return replace(catalog.load()["nebula"], file=place / "provider.toml")


OWN = "from qwenmock.mockserver.dialects.nebula import NebulaDialect\nclass Own(NebulaDialect):\n    pass\n"


def test_module_in_the_folder_of_the_provider_comes_first(tmp_path: Path) -> None:
    provider = own(OWN, tmp_path)
    found = dialects.dialect_of(provider)
    assert type(found).__name__ == "Own"
    assert type(dialects.dialect_of(provider)) is type(found), "it is loaded once"
    assert type(dialects.dialect_of(replace(provider, dialect="dashscope"))).__name__ == "DashscopeDialect"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("x = ", "SyntaxError: "),
    ],
)
def test_module_that_cannot_be_imported_is_named(code: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=rf"provider\.toml#/dialect: dialect\.py cannot be imported: {reason}"):
        dialects.dialect_of(own(code, tmp_path))


def test_only_one_class_in_the_module_may_be_a_dialect(tmp_path: Path) -> None:
    more = "class Another(NebulaDialect):\n    pass\nclass Other:\n    pass\n"
    with pytest.raises(CatalogError, match="expected one subclass of Dialect, got 2, in "):
        dialects.dialect_of(own(OWN + more, tmp_path))


def test_parts_of_dialects_are_none() -> None:
    for name in ("base", "upstream"):
        with pytest.raises(CatalogError, match=f"unknown dialect '{name}', expected one of ai302, aigc, by_schema, "):
            dialects.dialect_of(replace(catalog.load()["nebula"], dialect=name))
    assert type(dialects.dialect_of(replace(catalog.load()["nebula"], dialect="by-schema"))) is BySchemaDialect


def test_each_protocol_has_a_dialect_of_its_own() -> None:
    found = dialects.dialects_of(catalog.load())
    assert sorted(found) == ["ai302", "aigc", "dashscope", "dashscope/compatible", "evolink", "nebula"]
    provider = catalog.load()["dashscope"]
    keys = {name: dialects.dialect_key(provider, endpoint) for name, endpoint in provider.endpoints.items()}
    assert keys == dict.fromkeys(provider.endpoints, "dashscope") | {"compatible": "dashscope/compatible"}
    assert type(found["dashscope/compatible"]).__name__ == "OpenaiDialect"


def refusing(methods: str) -> str:
    """Return the code of a dialect that writes refusals and what is named."""
    return (
        "from qwenmock.mockserver.dialects.base import Dialect\n"
        "class Partial(Dialect):\n"
        "    def refusal(self, refused):\n        return {}\n"
        f"    {methods}\n"
    )


def test_each_dialect_writes_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(refusing("refusal = Dialect.refusal"), tmp_path, monkeypatch)
    with pytest.raises(CatalogError, match=r"Partial\.refusal is missing, needed for every refusal, in "):
        dialects.dialect_of(replace(catalog.load()["nebula"], dialect="written"))


@pytest.mark.parametrize(
    ("slug", "protocol", "methods", "lacking"),
    [
        ("nebula", False, "pass", "Partial.success is missing, needed for endpoint 'create'"),
        ("evolink", False, "pass", "Partial.created is missing, needed for endpoint 'create'"),
        ("evolink", False, "created = 1", "Partial.task is missing, needed for endpoint 'create'"),
        ("evolink", False, "created = task = 1", "Partial.remaining is missing, needed for endpoint 'credits'"),
        ("evolink", False, "created = task = remaining = 1", ""),
        ("dashscope", True, "pass", "Partial.success is missing, needed for endpoint 'compatible'"),
        ("dashscope", True, "success = 1", ""),
    ],
)
def test_methods_that_the_endpoints_need(
    slug: str, protocol: bool, methods: str, lacking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(refusing(methods), tmp_path, monkeypatch)
    provider = replace(catalog.load()[slug], dialect="written")
    spoken = provider.endpoints["compatible"].protocol if protocol else None
    if spoken is not None:
        spoken = replace(spoken, dialect="written")
        endpoints = {**provider.endpoints, "compatible": replace(provider.endpoints["compatible"], protocol=spoken)}
        provider = replace(provider, endpoints=endpoints)
    if lacking:
        with pytest.raises(CatalogError, match=lacking):
            dialects.dialect_of(provider, spoken)
    else:
        assert type(dialects.dialect_of(provider, spoken)).__name__ == "Partial"


@pytest.mark.parametrize(
    ("missing", "is_needed"), [([], False), (["task_not_found"], True), (["task_forbidden"], True)]
)
def test_unknown_task_is_an_error_or_needs_an_answer(
    missing: list[str], is_needed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(refusing("created = task = remaining = 1"), tmp_path, monkeypatch)
    provider = replace(catalog.load()["evolink"], dialect="written")
    provider = replace(provider, errors={name: kind for name, kind in provider.errors.items() if name not in missing})
    if is_needed:
        with pytest.raises(CatalogError, match=r"Partial\.unknown_task is missing, needed for endpoint 'task'"):
            dialects.dialect_of(provider)
    else:
        dialects.dialect_of(provider)
        only = {name: provider.errors[name] for name in ("task_not_found", "task_forbidden")}
        dialects.dialect_of(replace(provider, errors=only))
