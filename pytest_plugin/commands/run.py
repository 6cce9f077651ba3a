"""`qwenmock run`: run a command whose calls to production land on a double."""

import os
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import click

from qwenmock.mockserver.commands import parameters as types
from qwenmock.mockserver.commands.base import Command
from qwenmock.mockserver.commands.options import read_settings
from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.gateway.extra import require_extra
from qwenmock.mockserver.settings import Latency, Settings
from qwenmock.pytest_plugin.options import parse_report

UNMET = 3
STOPPED = 130
"""Exit code where a signal ended runs before they came to an end."""
MOST_AT_ONCE = 64
FORMATS = (".json", ".md", ".html", ".xml")
JOURNAL_MAX = 100_000


@dataclass(frozen=True)
class RunOptions:
    """What to run, and how.

    Attributes:
        command: Program and arguments.
        allow: Hosts to which requests are let through.
        pass_through: Let requests to all other hosts through.
        max_cost: The most that the command may cost in any one currency.
        fail_on_verdict: Fail if the verdict has an error.
        fail_on_uncovered: Fail if something of the contract was never exercised.
        report: Paths of reports.
        scenarios: Names or paths of scenarios, under each of which the command runs once; empty for one run without.
        parallel: How many of these runs there are at once.
        config: Config file of the double.
        seed: Seed of the double.
        latency: How long an image takes.

    """

    command: tuple[str, ...]
    allow: tuple[str, ...]
    pass_through: bool
    max_cost: Decimal | None
    fail_on_verdict: bool
    fail_on_uncovered: bool
    report: tuple[Path, ...]
    scenarios: tuple[str, ...]
    parallel: int
    config: Path | None
    seed: int | None
    latency: Latency | None

    @property
    def settings(self) -> Settings:
        """The settings of the double."""
        own = {"port": 0, "host": "127.0.0.1", "quiet": True, "allow_local_callbacks": True, "journal_max": JOURNAL_MAX}
        return read_settings({**own, "config": self.config, "seed": self.seed, "latency": self.latency})


def run_command(options: RunOptions) -> int:
    """Run a command; return its exit code, or 3 if a condition does not hold."""
    if os.name != "posix":
        raise SettingsError("`qwenmock run` needs Linux or macOS; `qwenmock serve --proxy` runs everywhere")
    require_extra()
    from qwenmock.pytest_plugin.programs import summary
    from qwenmock.pytest_plugin.programs.process import NOT_EXECUTABLE, NOT_FOUND, say
    from qwenmock.pytest_plugin.programs.session import Hosts, run

    hosts = Hosts(options.allow, options.pass_through)
    conditions = summary.Conditions(
        max_cost=options.max_cost, verdict=options.fail_on_verdict, coverage=options.fail_on_uncovered
    )
    runs = _settings_of_runs(options)
    said: list[summary.Summary] = []
    if options.parallel > 1 and len(runs) > 1:
        from qwenmock.pytest_plugin.programs.parallel import Order, run_each

        said = run_each([Order(options.command, each, hosts, conditions) for each in runs], options.parallel)
        if len(said) < len(runs):
            return STOPPED
    else:
        for settings in runs:
            said.append(summary.summary_of(run(options.command, settings, hosts), conditions))
            if said[-1]["exit_code"] in {NOT_FOUND, NOT_EXECUTABLE}:
                break  # it is the same under every scenario
    for line in summary.table_lines(said) if options.scenarios else summary.lines(said[0]):
        say(line)
    for path in options.report:
        summary.write(said, path)
    if any(each["unmet"] for each in said):
        return UNMET
    return next((each["exit_code"] for each in said if each["exit_code"]), 0)


def _settings_of_runs(options: RunOptions) -> list[Settings]:
    """Return the settings of each run. A wrong scenario is found before the first."""
    from qwenmock.mockserver.calls.double import catalog_of
    from qwenmock.mockserver.calls.scenarios import load_scenario, scenario_names

    settings = options.settings
    if not options.scenarios:
        return [settings]
    names = scenario_names() if options.scenarios == ("all",) else options.scenarios
    providers = catalog_of(settings).providers
    for name in names:
        load_scenario(name, providers)
    return [replace(settings, scenario=name) for name in names]


def parse_scenarios(value: object) -> tuple[str, ...]:
    """Read `all`, or names and paths with commas between them."""
    return tuple(str(value).split(",")) if value else ()


def parse_host(value: object) -> str:
    """Read the name or address of a host."""
    from qwenmock.mockserver.net.host_names import host_of

    text = types.parse_text(value)
    host = host_of(text) or host_of(f"[{text}]")
    if host is None or text.lower() not in {host, f"[{host}]"}:
        raise ValueError(f"expected a host such as example.com, got {types.quoted(value)}")
    return text if text.startswith("[") or ":" not in text else f"[{text}]"


command = Command(
    "run",
    run_command,
    RunOptions,
    params=[
        click.Argument(["command"], nargs=-1, required=True, type=types.TEXT, metavar="COMMAND..."),
        click.Option(
            ["--allow"],
            type=types.Parsed("host", parse_host),
            metavar="HOST",
            multiple=True,
            help="Let requests to this host through (repeatable).",
        ),
        click.Option(
            ["--pass-through"], is_flag=True, type=types.FLAG, help="Let requests to all hosts but production through."
        ),
        click.Option(
            ["--max-cost"],
            type=types.AMOUNT,
            metavar="AMOUNT",
            help="Fail if production would cost more than this, in any one currency.",
        ),
        click.Option(
            ["--fail-on-verdict"],
            is_flag=True,
            type=types.FLAG,
            help="Fail if the command behaved wrongly as a client.",
        ),
        click.Option(
            ["--fail-on-uncovered"],
            is_flag=True,
            type=types.FLAG,
            help="Fail if it never met a status, state or outcome of a provider that it called.",
        ),
        click.Option(
            ["--report"],
            type=types.Parsed("report", parse_report(FORMATS), files="file"),
            metavar="PATH",
            multiple=True,
            help="Write a report: .json, .md, .html, or .xml for JUnit (repeatable).",
        ),
        click.Option(
            ["--scenarios"],
            type=types.Parsed("scenarios", parse_scenarios),
            metavar="NAME,NAME|all",
            default="",
            help="Run the command once under each scenario, and print a table.",
        ),
        click.Option(
            ["--parallel"],
            type=types.Parsed("parallel", types.integer(1, MOST_AT_ONCE)),
            metavar="N",
            default=1,
            help="With --scenarios: so many runs at once, which cannot read the terminal.",
        ),
        click.Option(["--config"], type=types.FILE, metavar="FILE", help="Config file of the double, as of `serve`."),
        click.Option(["--seed"], type=types.SEED, metavar="N", help="Make ids, images and faults reproducible."),
        click.Option(
            ["--latency"],
            type=types.LATENCY,
            metavar="instant|realistic|MS|MIN-MAX",
            show_default="instant",
            help="How long an image takes.",
        ),
    ],
    help="""Run a command whose calls to the providers' production hosts land on a double. The command needs no change
    and no other base URL: it gets a proxy, and trusts its certificates, by environment variables. Calls to other hosts
    are refused.

    Exit code: the command's, or 3 if a condition does not hold; 2 if an option is wrong, 127 if there is no command.
    """,
    example="qwenmock run --max-cost 0.50 -- node editor.js",
)
command.allow_interspersed_args = False  # what follows COMMAND is the command's
