"""`qwenmock check`: examine a server without pytest."""

import sys
import traceback

import click

from qwenmock.mockserver.commands import parameters as types
from qwenmock.mockserver.commands.base import Command
from qwenmock.mockserver.errors import SettingsError
from qwenmock.pytest_plugin.options import CONTRACT_OPTIONS, Declaration, GivenOptions, OptionError


def check(given: GivenOptions) -> int:
    """Examine what the options name."""
    from qwenmock.pytest_plugin.commands.examination import examine
    from qwenmock.pytest_plugin.examiner.report.content import INTERNAL_ERROR
    from qwenmock.pytest_plugin.examiner.results import CouldNotRun
    from qwenmock.schemas.errors import CatalogError

    try:
        return examine(given)
    except (OptionError, CouldNotRun) as error:
        raise SettingsError(str(error)) from error
    except (SettingsError, CatalogError):
        raise
    except Exception as error:
        # An error of the examiner proves nothing about the target, and must not look like a violation (exit code 1).
        if given.contract_traceback:
            traceback.print_exc()
        hint = "" if given.contract_traceback else "; --contract-traceback prints where"
        print(f"qwenmock: internal error of the examiner: {type(error).__name__}: {error}{hint}", file=sys.stderr)
        return INTERNAL_ERROR


def to_option(declaration: Declaration) -> click.Option:
    """Return click's option for an option that pytest has too. Its value is a string, which `read_options` reads."""
    if declaration.is_flag:
        return click.Option([declaration.name], is_flag=True, type=types.FLAG, help=declaration.help)
    return click.Option(
        [declaration.name],
        type=_type_of(declaration),
        metavar=declaration.metavar,
        default=declaration.default,
        multiple=declaration.is_repeatable,
        help=declaration.help,
    )


def _type_of(declaration: Declaration) -> types.Parsed:
    if declaration.choices:
        return types.Parsed("choice", types.one_of(*declaration.choices), declaration.choices)
    if declaration.metavar == "SLUG":
        return types.SLUG
    files = {"PATH": "file", "OLD.json": "file", "DIR": "dir"}.get(declaration.metavar or "")
    return types.Parsed("text", types.parse_text, files=files)


command = Command(
    "check",
    check,
    GivenOptions,
    params=[
        click.Argument(["live_url"], required=False, type=types.TEXT, metavar="[URL]"),
        *map(to_option, CONTRACT_OPTIONS),
    ],
    help="""Examine whether a server keeps its provider's contract: the server at URL, the production endpoint with
    --live, or else the double in this process. URL stands for the provider's base URL.

    Exit code 0: it does, as far as examined; 1: it does not, or too little was examined; 2: nothing could be examined;
    3: the examiner itself failed.
    """,
    example="qwenmock check --provider nebula --contract-report report.html",
)
