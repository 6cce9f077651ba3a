"""What all commands share: a command that gets its options as one dataclass, and errors in one line."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import click
from click.core import ParameterSource

from qwenmock.mockserver.settings import suggestion

T = TypeVar("T")
PROGRAM = "qwenmock"
COMPLETE_VARIABLE = "_QWENMOCK_COMPLETE"
"""The environment variable with which a shell asks for completions."""
CONFIG_FILE = "qwenmock.config"
"""Key in a context's `meta`: the config file's path, by the names of the parameters whose values it has."""


class WithExample(click.Command):
    """A command whose help ends with an example."""

    example = ""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example below the options."""
        del ctx
        if self.example:
            with formatter.section("Example"):
                formatter.write(f"{'':{formatter.current_indent}}{self.example}\n")


class Command(WithExample, Generic[T]):
    """A command that gets its parameters as one value, and returns the exit code.

    Attributes:
        example: One command line that works as it stands.
        run: Does the work.
        options: Makes one value of the parameters, which it gets by name.

    """

    def __init__(
        self,
        name: str,
        run: Callable[[T], int],
        options: Callable[..., T],
        *,
        params: Sequence[click.Parameter],
        help: str,  # noqa: A002, it is click's name
        example: str,
        environment: str | None = None,
    ) -> None:
        """Declare a command.

        Args:
            name: What is typed.
            run: Does the work.
            options: Makes one value of the parameters, which it gets by name.
            params: The parameters.
            help: What the command does.
            example: One command line.
            environment: Start of the environment variables' names; None where no option has one.

        """
        names: dict[str, object] = {"help_option_names": ["-h", "--help"]}
        prefix: dict[str, object] = {"auto_envvar_prefix": environment} if environment else {}
        super().__init__(name, params=list(params), help=help, context_settings={**names, **prefix})
        self.example = example
        self.run = run
        self.options = options

    def invoke(self, ctx: click.Context) -> int:
        """Run the command and return its exit code."""
        return self.run(self.options(**ctx.params))


class Group(WithExample, click.Group):
    """A command with commands below it, as `har export`. It suggests one for a mistyped name."""

    def __init__(
        self,
        name: str,
        commands: Sequence[click.Command] = (),
        *,
        params: Sequence[click.Parameter] = (),
        help: str,  # noqa: A002, it is click's name
        example: str = "",
        metavar: str = "COMMAND",
    ) -> None:
        """Declare a group.

        Args:
            name: What is typed.
            commands: The commands below it.
            params: Options of the group itself.
            help: What the commands have in common.
            example: One command line.
            metavar: Stands for a command in the help.

        """
        super().__init__(
            name,
            commands=commands,
            params=list(params),
            help=help,
            no_args_is_help=False,
            subcommand_metavar=f"{metavar} ...",
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        self.example = example

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first argument names."""
        names = self.list_commands(ctx)
        if args[0] not in names and not ctx.resilient_parsing:
            ctx.fail(f"unknown command '{args[0]}'{suggestion(args[0], names)}")
        return super().resolve_command(ctx, args)


def describe(error: click.ClickException) -> str:
    """Return one line for an error of the command line."""
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    see = f"; see `{ctx.command_path} --help`" if ctx is not None else ""
    if isinstance(error, click.NoSuchOption):
        return f"unknown option {error.option_name}{suggestion(error.option_name, error.possibilities or ())}{see}"
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return f"missing {usage_of(error.param)}{see}"
    if isinstance(error, click.BadParameter) and error.ctx is not None and error.param is not None:
        return f"{source_of(error.ctx, error.param)}: {error.message}"
    message = error.format_message().rstrip(".")
    return f"{message[:1].lower()}{message[1:]}{see}"


def usage_of(param: click.Parameter) -> str:
    """Return how a parameter is typed, as `--provider SLUG`."""
    if isinstance(param, click.Argument):
        return str(param.metavar)
    return " ".join(filter(None, (max(param.opts, key=len), param.metavar)))


def source_of(ctx: click.Context, param: click.Parameter) -> str:
    """Return where a parameter's value comes from: an option, an environment variable, or a line of a config file."""
    if isinstance(param, click.Argument):
        return str(param.metavar).strip("[]")
    source = ctx.get_parameter_source(str(param.name))
    name = max(param.opts, key=len)
    if source is ParameterSource.ENVIRONMENT:
        return f"{ctx.auto_envvar_prefix}_{str(param.name).upper()}"
    if source is ParameterSource.DEFAULT_MAP and param.name in ctx.meta.get(CONFIG_FILE, {}):
        return f"{ctx.meta[CONFIG_FILE][param.name]}: {name.removeprefix('--')}"
    return name
