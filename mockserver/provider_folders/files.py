"""Writes a provider's folder."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from qwenmock.mockserver.provider_folders.errors import OpenapiError
from qwenmock.mockserver.provider_folders.reading import is_list, is_table, printable
from qwenmock.schemas.vocabulary import Schema

DIALECT = '''\
"""How {name} writes its answers: as its schemas say. Write here what they cannot.

Each method of `Dialect` that is defined here replaces the answer that is made from the schemas:
`success`, `refusal`, `created`, `task`, `cancelled`, `remaining`.
"""

from qwenmock.mockserver.dialects.by_schema import BySchemaDialect


class {class_name}(BySchemaDialect):
    """The answers of {name}."""
'''
BARE = re.compile(r"[A-Za-z0-9_-]+")


def check_place(folder: Path) -> None:
    """Check that a folder can be made.

    Raises:
        OpenapiError: It exists, or it cannot be made there.

    """
    if folder.exists():
        raise OpenapiError(f"{printable(str(folder))}: the folder exists; give another name, or remove it")


def write_folder(folder: Path, table: Schema, schemas: Mapping[str, Schema], fixtures: Mapping[str, Schema]) -> None:
    """Write the files of a provider.

    Args:
        folder: Where; it is made.
        table: The content of provider.toml.
        schemas: The schema files by name.
        fixtures: Requests with their answers, by name.

    Raises:
        OpenapiError: The folder cannot be written.

    """
    name = str(table["name"])
    class_name = "".join(part.capitalize() for part in re.split(r"[^a-z0-9]+", folder.name)) + "Dialect"
    head = (
        f"# {name}: made from its OpenAPI document by `qwenmock provider new`.\n"
        '# What has certainty = "assumed" does not stand in the document: look it up, and write where it stands.\n'
    )
    texts = {
        "provider.toml": head + "\n".join(toml_lines(table)) + "\n",
        "dialect.py": DIALECT.format(name=_in_source(name), class_name=class_name),
        **{file: _json(schema) for file, schema in schemas.items()},
        **{f"fixtures/{file}.json": _json(fixture) for file, fixture in fixtures.items()},
    }
    try:
        folder.mkdir(parents=True)
        for file, text in texts.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(text, "utf-8")
    except OSError as error:
        raise OpenapiError(f"{printable(str(folder))}: {error.strerror}") from error


def toml_lines(table: Schema, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the lines of a table, its own values before the tables below it. TOML has no null: that is left out."""
    inline = {"fields"}
    tables = {key: value for key, value in table.items() if is_table(value) and key not in inline}
    own = {key: value for key, value in table.items() if key not in tables and value is not None}
    if path and (own or not tables):
        yield f"\n[{'.'.join(map(_key, path))}]"
    for key, value in own.items():
        yield f"{_key(key)} = {_value(value)}"
    for key, value in tables.items():
        yield from toml_lines(value, (*path, key))


def _key(name: str) -> str:
    return name if BARE.fullmatch(name) else _value(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if is_table(value):
        return (
            "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items() if each is not None) + " }"
        )
    if is_list(value):
        return f"[{', '.join(_value(each) for each in value)}]"
    return repr(value)


def _json(value: Schema) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _in_source(name: str) -> str:
    """Return a name as it can stand in a docstring."""
    return printable(name).replace("\\", "/").replace('"', "'")
