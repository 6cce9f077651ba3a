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


COMPLETION = """## Shell completion

`qwenmock completion SHELL` prints a script that completes commands, options, providers and choices. For bash, add this
line to `~/.bashrc`:

```sh
eval "$(qwenmock completion bash)"
```

For zsh, add `eval "$(qwenmock completion zsh)"` to `~/.zshrc`. For fish, write the script to a file:

```sh
qwenmock completion fish > ~/.config/fish/completions/qwenmock.fish
```
"""


def commands() -> str:
    """Return the help of every command."""
    lines = ["# Commands", "", "```text", help_of(root, "qwenmock"), "```", "", COMPLETION]
    for command, name in walk(root, "qwenmock"):
        lines += [f"## {name}", "", "```text", help_of(command, name), "```", ""]
    return "\n".join(lines)


def help_of(command: click.Command, name: str) -> str:
    """Return what `--help` prints."""
    return command.get_help(click.Context(command, info_name=name, **command.context_settings)).strip()


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
        f"Replaces `{found['base_url']}`. Amounts are in {found['currency']}.",
        "",
        "## Prices",
        "",
    ]
    said += ["| model | one image | source |", "|---|---|---|"]
    said += [f"| `{m['name']}` | {price(m)} | {m['source']} |" for m in found["models"]]
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


def price(model: dict[str, Any]) -> str:
    """Return what one image costs, with the dollars that the document names too."""
    return (model["price"] or "unknown") + (f" ({model['usd']} USD)" if model["usd"] else "")


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
