"""The command `qwenmock`: the table of its commands, and what is printed when one cannot run.

Commands are loaded by name when they are called: `qwenmock --help` imports none of them, and the server imports nothing
of the pytest plugin.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

import click

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.commands.base import COMPLETE_VARIABLE, PROGRAM, Group, describe
from qwenmock.mockserver.errors import SettingsError, StoreError
from qwenmock.schemas.errors import DataError

COULD_NOT_RUN = 2
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Entry:
    """A command in the table.

    Attributes:
        name: What is typed.
        module: Where its `command` is, which click runs.
        summary: One line for the help.

    """

    name: str
    module: str
    summary: str


SERVER = "qwenmock.mockserver.commands"
PLUGIN = "qwenmock.pytest_plugin.commands"
COMMANDS = {
    "Run the double": (
        Entry("serve", f"{SERVER}.serve", "Run the double."),
        Entry("run", f"{PLUGIN}.run", "Run a command against the double: any program, unchanged."),
        Entry("listen", f"{PLUGIN}.listen", "Receive callbacks, verify and print them."),
    ),
    "Examine": (
        Entry("check", f"{PLUGIN}.check", "Examine whether a server keeps its provider's contract."),
        Entry("drift", f"{PLUGIN}.drift", "Compare production's answers with the schemas."),
        Entry("check-callback", f"{PLUGIN}.check_callback", "Examine a program that receives callbacks."),
    ),
    "Record": (
        Entry("proxy", f"{PLUGIN}.proxy", "Forward to a provider, check each exchange, and record it."),
        Entry("har", f"{PLUGIN}.har", "Convert recordings to HAR and back."),
    ),
    "Contract": (
        Entry("openapi", f"{SERVER}.openapi", "Print a provider's contract as OpenAPI 3.1."),
        Entry("provider", f"{SERVER}.provider", "Make a provider's folder from an OpenAPI document, and check it."),
    ),
    "Shell": (Entry("completion", f"{SERVER}.completion", "Print the completion script of bash, zsh or fish."),),
}


class CommandTable(Group):
    """A group that shows a table of commands by purpose, and imports a command when it is needed."""

    def __init__(self, table: dict[str, tuple[Entry, ...]]) -> None:
        super().__init__(
            PROGRAM,
            params=[_version_option()],
            help="An offline double of the Qwen image APIs, and an examiner of their contract.",
            example="qwenmock serve --help",
        )
        self.table = table
        self._entries = {entry.name: entry for entries in table.values() for entry in entries}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the table's order."""
        del ctx
        return list(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command; None for an unknown name."""
        del ctx
        entry = self._entries.get(cmd_name)
        if entry is None:
            return None
        command = import_module(entry.module).command
        assert isinstance(command, click.Command), f"{entry.module}.command is not a command"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by their purposes."""
        del ctx
        width = max(map(len, self._entries))
        for purpose, entries in self.table.items():
            with formatter.section(purpose):
                formatter.write_dl([(f"{entry.name:{width}}", entry.summary) for entry in entries])


def _version_option() -> click.Option:
    def show(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            print(f"{PROGRAM} {__version__}")
            ctx.exit()

    return click.Option(
        ["--version"], is_flag=True, expose_value=False, is_eager=True, callback=show, help="Show the version and exit."
    )


root = CommandTable(COMMANDS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: that of the command, or 2 when it could not run."""
    try:
        given = None if arguments is None else list(arguments)
        result: object = root.main(given, PROGRAM, COMPLETE_VARIABLE, standalone_mode=False)
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        return _fail(describe(error))
    except (SettingsError, DataError, StoreError) as error:
        return _fail(str(error))
    except OSError as error:
        if error.filename is None:
            raise  # not about a file that the user has named
        return _fail(f"{error.filename}: {error.strerror}")
    return result if isinstance(result, int) else 0


def _fail(message: str) -> int:
    """Print why the command could not run, in one line."""
    print(f"{PROGRAM}: {' '.join(message.split())}", file=sys.stderr)
    return COULD_NOT_RUN
