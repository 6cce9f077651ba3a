"""`qwenmock check-callback`: examine a program that receives callbacks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from qwenmock.mockserver.commands import parameters as types
from qwenmock.mockserver.commands.base import Command
from qwenmock.mockserver.errors import SettingsError

if TYPE_CHECKING:
    from qwenmock.pytest_plugin.testkit.callback_cases import Case

CONFORMS, DIFFERS = 0, 1


@dataclass(frozen=True)
class CheckCallbackOptions:
    """Which receiver to examine.

    Attributes:
        url: URL of the receiver.
        provider: Slug of the provider whose callbacks are sent.
        secret: Secret that the receiver verifies signatures with; None where it does not.

    """

    url: str
    provider: str
    secret: str | None


def check_callback(options: CheckCallbackOptions) -> int:
    """Examine a receiver."""
    from qwenmock.pytest_plugin.examiner_factory import find_provider
    from qwenmock.pytest_plugin.testkit.callback_cases import examine

    provider = find_provider(options.provider)
    if not options.url.startswith(("http://", "https://")):
        url = types.quoted(options.url)
        raise SettingsError(f"URL: expected a URL such as http://127.0.0.1:4011/, got {url}")
    try:
        cases = examine(provider, options.url, options.secret, _print_case)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    if all(case.status == 0 for case in cases):
        raise SettingsError(f"{options.url} does not answer: {cases[0].detail}")
    return CONFORMS if all(case.holds for case in cases) else DIFFERS


def _print_case(case: "Case") -> None:
    mark = "ok  " if case.holds else "FAIL"
    answer = str(case.status) if case.status else case.detail
    print(f"{mark} {case.name:12} {answer} after {case.seconds:.2f} s; expected {case.expects}")


command = Command(
    "check-callback",
    check_callback,
    CheckCallbackOptions,
    params=[
        click.Argument(["url"], type=types.TEXT, metavar="URL"),
        click.Option(
            ["--provider"],
            type=types.SLUG,
            metavar="SLUG",
            default="evolink",
            show_default=True,
            help="Provider whose callbacks to send.",
        ),
        click.Option(
            ["--secret"],
            type=types.SECRET,
            metavar="SECRET",
            help="The whsec_… secret with which the receiver verifies signatures.",
        ),
    ],
    help="""Send duplicate, late, out-of-order, forged and huge callbacks to the receiver at URL.

    Exit code 0: it handled all of them; 1: it did not; 2: it does not answer.
    """,
    example="qwenmock check-callback http://127.0.0.1:4011/ --secret whsec_c2VjcmV0",
)
