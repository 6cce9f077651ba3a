"""What mkdocs adds to the pages that are written by hand: the commands' help, and each provider's contract."""

from collections.abc import Iterator
from typing import Any

import click
from mkdocs.structure.files import File, Files

from qwenmock.mockserver.cli import root
from qwenmock.mockserver.control.contract import contract
from qwenmock.schemas.catalog import load


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    files.append(File.generated(config, "reference/commands.md", content=commands()))
    for provider in load():
        files.append(File.generated(config, f"reference/{provider.slug}.md", content=provider_page(contract(provider))))
    return files


def commands() -> str:
    """Return the help of every command."""
    lines = ["# Commands", "", "```text", root.get_help(click.Context(root, info_name=root.name)), "```", ""]
    for command, name in walk(root, "qwenmock"):
        text = command.get_help(click.Context(command, info_name=name, max_content_width=100))
        lines += [f"## {name}", "", "```text", text.strip(), "```", ""]
    return "\n".join(lines)


def walk(group: click.Group, name: str) -> Iterator[tuple[click.Command, str]]:
    """Return all commands below a group, with their full names."""
    ctx = click.Context(group)
    for child in group.list_commands(ctx):
        command = group.get_command(ctx, child)
        assert command is not None
        yield command, f"{name} {child}"
        if isinstance(command, click.Group):
            yield from walk(command, f"{name} {child}")


def provider_page(found: dict[str, Any]) -> str:
    """Return a provider's contract as a page."""
    said = [
        f"# {found['name']}",
        "",
        f"Stands for `{found['base_url']}`; amounts in {found['currency']}.",
        "",
        "## Prices",
        "",
    ]
    said += ["| model | one image | source |", "|---|---|---|"]
    said += [f"| `{m['name']}` | {m['price'] or 'unknown'} | {m['source']} |" for m in found["models"]]
    for variant in found["variants"]:
        models = ", ".join(f"`{name}`" for name in variant["models"])
        said += ["", f"## {variant['title']}", "", f"`{variant['method']} {variant['path']}`, {models}", ""]
        said += ["| place | rule | limit | error | certainty | source |", "|---|---|---|---|---|---|"]
        said += [row(rule) for rule in variant["rules"]]
    said += ["", "## Errors", "", "| status | kind | message | certainty | source |", "|---|---|---|---|---|"]
    said += [
        f"| {e['status']} | {e['name']} | {cell(e['message'])} | {e['certainty']} | {e['source']} |"
        for e in found["errors"]
    ]
    return "\n".join([*said, ""])


def row(rule: dict[str, Any]) -> str:
    """Return a rule as a line of a table."""
    return (
        f"| `{rule['place'] or '–'}` | {rule['keyword']} | {cell(rule['value'])} | {rule['error']} "
        f"| {rule['certainty']} | {rule['source']} |"
    )


def cell(value: object) -> str:
    """Return a value as it can stand in a table."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"`{text}`".replace("|", "\\|").replace("\n", " ") if text else "–"
