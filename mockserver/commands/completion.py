"""`qwenmock completion`: print the shell's completion script."""

from dataclasses import dataclass

import click
from click.shell_completion import ShellComplete, get_completion_class

from qwenmock.mockserver.commands import parameters as types
from qwenmock.mockserver.commands.base import COMPLETE_VARIABLE, PROGRAM, Command

SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True)
class CompletionOptions:
    """Which script to print.

    Attributes:
        shell: One of `SHELLS`.

    """

    shell: str


def print_completion(options: CompletionOptions) -> int:
    """Print the script, which calls the program back for each completion."""
    shell = get_completion_class(options.shell)
    assert shell is not None, "click has all of SHELLS"
    # Not the shell's own `source`, which looks for the installed bash: the script may be for another machine.
    print(ShellComplete.source(shell(click.Command(PROGRAM), {}, PROGRAM, COMPLETE_VARIABLE)))
    return 0


command = Command(
    "completion",
    print_completion,
    CompletionOptions,
    params=[click.Argument(["shell"], metavar="SHELL", type=types.Parsed("shell", types.one_of(*SHELLS), SHELLS))],
    help="""Print the completion script of SHELL: bash, zsh or fish.

    \b
    bash: add to ~/.bashrc   eval "$(qwenmock completion bash)"
    zsh:  add to ~/.zshrc    eval "$(qwenmock completion zsh)"
    fish: write it to        ~/.config/fish/completions/qwenmock.fish
    """,
    example="qwenmock completion fish > ~/.config/fish/completions/qwenmock.fish",
)
