"""`qwenmock drift`: compare production's answers with the schemas."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qwenmock.mockserver.commands import parameters as types
from qwenmock.mockserver.commands.base import Command
from qwenmock.mockserver.errors import SettingsError
from qwenmock.pytest_plugin.examiner.defaults import key_variable
from qwenmock.pytest_plugin.options import Options, keys_of, parse_number, parse_report

if TYPE_CHECKING:
    from qwenmock.schemas.models import Provider

NO_DRIFT, DRIFT = 0, 1
FORMATS = (".json", ".html", ".md")
RECORDED = "qwenmock-drift"


@dataclass(frozen=True)
class DriftOptions:
    """What to compare.

    Attributes:
        provider: The provider's slug.
        recorded: Folder of exchanges.
        live: Send requests to the production endpoint.
        live_url: Send requests to this endpoint.
        live_budget: Maximum to spend, in the provider's currency.
        report: Paths of reports.
        propose: Path of a patch of the schemas; None for none.

    """

    provider: str
    recorded: Path | None
    live: bool
    live_url: str | None
    live_budget: Decimal
    report: tuple[Path, ...]
    propose: Path | None


def compare(options: DriftOptions) -> int:
    """Compare, print the differences, and write the reports and the patch."""
    from qwenmock.pytest_plugin.examiner_factory import find_provider
    from qwenmock.pytest_plugin.recording import drift
    from qwenmock.schemas.catalog import HERE as SCHEMAS
    from qwenmock.schemas.recordings import load_recordings

    provider = find_provider(options.provider)
    recordings = load_recordings(_exchanges(provider, options), provider.slug)
    if not recordings:
        raise SettingsError(f"no exchanges with {provider.slug} to compare")
    found = drift.drift(provider, recordings)
    print(drift.as_markdown(found))
    for path in options.report:
        drift.write(found, path)
    if options.propose is not None:
        patch = drift.propose(provider, found, SCHEMAS)
        options.propose.write_text(patch, "utf-8")
        print(f"proposal: {options.propose}, {patch.count(chr(10))} lines")
    return DRIFT if found.is_any else NO_DRIFT


def _exchanges(provider: "Provider", options: DriftOptions) -> Path:
    """Return the folder of exchanges, and first fill it where a live endpoint is compared."""
    import os

    is_live = options.live or options.live_url is not None
    if (options.recorded is None) == (not is_live):
        raise SettingsError("expected either --recorded DIR, or --live or --live-url URL")
    if options.recorded is not None:
        return options.recorded
    if keys_of(provider.slug, os.environ)[0] is None:
        raise SettingsError(f"a live endpoint needs a key: set {key_variable(provider.slug)}")
    folder = Path(RECORDED) / provider.slug
    _record(
        provider,
        Options(
            providers=(provider.slug,),
            url=options.live_url or "",
            budget=options.live_budget,
            profile="smoke",
            record=folder,
        ),
    )
    return folder


def _record(provider: "Provider", options: Options) -> None:
    """Run the checks for the sake of their exchanges; their results do not matter here."""
    from qwenmock.pytest_plugin.examiner.results import CouldNotRun
    from qwenmock.pytest_plugin.examiner.runner import checks_of, run_checks
    from qwenmock.pytest_plugin.examiner_factory import create_examiner

    examiner = create_examiner(provider, options)
    try:
        examiner.preflight()
        for _ in run_checks(examiner, checks_of(provider)):
            pass
    except CouldNotRun as error:
        raise SettingsError(str(error)) from error
    finally:
        examiner.close()


command = Command(
    "drift",
    compare,
    DriftOptions,
    params=[
        click.Option(["--provider"], type=types.SLUG, metavar="SLUG", required=True, help="The provider."),
        click.Option(
            ["--recorded"], type=types.FOLDER, metavar="DIR", help="Exchanges that `proxy` or `--record` has kept."
        ),
        click.Option(
            ["--live"],
            is_flag=True,
            type=types.FLAG,
            help="Send requests to the production endpoint now, with the key in QWENMOCK_<SLUG>_KEY.",
        ),
        click.Option(["--live-url"], type=types.TEXT, metavar="URL", help="Send requests to this endpoint now."),
        click.Option(
            ["--live-budget"],
            type=types.Parsed("number", parse_number),
            metavar="AMOUNT",
            default="0",
            show_default=True,
            help="Maximum to spend, in the provider's currency.",
        ),
        click.Option(
            ["--report"],
            type=types.Parsed("report", parse_report(FORMATS), files="file"),
            metavar="PATH",
            multiple=True,
            help="Write a report: .json, .html or .md (repeatable).",
        ),
        click.Option(
            ["--propose"],
            type=types.FILE,
            metavar="PATH",
            help="Write a patch of the schemas with the differences.",
        ),
    ],
    help="""Compare recorded exchanges, or those with a live endpoint, with the schemas.

    Exit code 0: production answers as documented; 1: it differs; 2: nothing could be compared.
    """,
    example="qwenmock drift --provider nebula --recorded recordings --report drift.html",
)
