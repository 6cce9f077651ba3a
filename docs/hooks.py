"""What mkdocs adds to the pages that are written by hand: the commands' help, and each provider's contract."""

import argparse
import io
from contextlib import redirect_stdout
from typing import Any

from mkdocs.structure.files import File, Files

from qwenmock.mockserver.cli import parser as parser_of_the_command
from qwenmock.mockserver.control.contract import Contract, ContractRule, contract
from qwenmock.schemas.catalog import load


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    files.append(File.generated(config, "reference/commands.md", content=commands()))
    for provider in load():
        files.append(File.generated(config, f"reference/{provider.slug}.md", content=provider_page(contract(provider))))
    return files


def commands() -> str:
    """Return the help of every command."""
    parser = parser_of_the_command()
    action = next(each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    said = ["# Commands", ""]
    for name, command in action.choices.items():
        out = io.StringIO()
        with redirect_stdout(out):
            command.print_help()
        said += [f"## qwenmock {name}", "", "```text", out.getvalue().strip(), "```", ""]
    return "\n".join(said)


def provider_page(found: Contract) -> str:
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


def row(rule: ContractRule) -> str:
    """Return a rule as a line of a table."""
    return (
        f"| `{rule['place'] or '–'}` | {rule['keyword']} | {cell(rule['value'])} | {rule['error']} "
        f"| {rule['certainty']} | {rule['source']} |"
    )


def cell(value: object) -> str:
    """Return a value as it can stand in a table."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"`{text}`".replace("|", "\\|").replace("\n", " ") if text else "–"
