"""The options of a contract run and of users' tests. pytest and `qwenmock check` declare them from the same table.

pytest imports this module in every run where the plugin is installed: it must stay light. Its classes are named tuples,
since making a dataclass takes 1 ms.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlsplit

from qwenmock.pytest_plugin.examiner.defaults import PICTURE, key_variable

if TYPE_CHECKING:
    import argparse

    import pytest

PROFILES = ("smoke", "ci", "deep")
REPORTS = (".json", ".html", ".md", ".xml")
USAGE_REPORTS = (".md", ".json")
ALLOWED = ("rate-limit",)
DEEP_SECONDS = "600"
SCHEMAS = "QWENMOCK_SCHEMAS"
ADMIN_TOKEN = "QWENMOCK_ADMIN_TOKEN"
"""The variable with the token of a control API; `qwenmock serve` reads it too."""
PURPOSES = ("expired", "empty", "forbidden", "limited", "throttled", "broken", "other")


class OptionError(Exception):
    """An option has a value that is not accepted, or contradicts another."""


class Options(NamedTuple):
    """The settings of a run.

    Attributes:
        providers: Slugs; empty for all.
        url: Target; None for the double in this process, "" for each provider's production endpoint.
        budget: Maximum to spend on a live target, in the provider's currency. None if none was given: nothing may be
            spent, or anything on a target with a control API.
        control: URL of a live target's control API; None for a target without one.
        ledger: URL of a live target's billing record of a request, with `{request_id}` in it.
        callback_url: Where a live target can call back; None for a receiver of the examiner's own.
        callback_poll: Where the list of those callbacks can be read.
        allow: Checks to run although they may disturb an account.
        assume_limits: Whether a live target must refuse what is beyond a limit that is only documented.
        pace: Seconds between requests.
        image: URL of an image that a live target can fetch.
        timeout: Seconds to wait for an answer.
        reports: Paths of reports, with a suffix of `REPORTS`.
        baseline: An earlier report in JSON, to compare with.
        required: Percentage of a provider's rules that must be examined.
        traceback: Print where an internal error of the examiner was raised.
        seconds: Maximum duration of the run; None for no limit.
        profile: One of `PROFILES`.
        seed: Of the random requests.
        schemas: Folder of the catalogue; None for the one in the package.
        record: Folder for a live target's exchanges; None to keep none.
        max_cost: Maximum simulated cost of users' tests, in any one currency.
        usage_reports: Paths of reports of what they used, with the suffix `.md` or `.json`.
        offline: Refuse connections to other machines.
        scenarios: Names of the scenarios that marked tests run under; `all` for all of them.

    """

    providers: tuple[str, ...] = ()
    url: str | None = None
    budget: Decimal | None = None
    control: str | None = None
    ledger: str | None = None
    callback_url: str | None = None
    callback_poll: str | None = None
    allow: frozenset[str] = frozenset()
    assume_limits: bool = False
    pace: float = 0.0
    image: str = PICTURE
    timeout: float = 45.0
    reports: tuple[Path, ...] = ()
    baseline: Path | None = None
    required: Decimal = Decimal(0)
    traceback: bool = False
    seconds: float | None = None
    profile: str = "ci"
    seed: int = 0
    schemas: Path | None = None
    record: Path | None = None
    max_cost: Decimal | None = None
    usage_reports: tuple[Path, ...] = ()
    offline: bool = False
    scenarios: tuple[str, ...] = ()

    @property
    def live(self) -> bool:
        """Whether the target is outside this process."""
        return self.url is not None

    @property
    def bodies(self) -> Path | None:
        """The folder beside the first report for what does not fit into it; None without a report."""
        return self.reports[0].with_name(f"{self.reports[0].stem}-files") if self.reports else None


class Declaration(NamedTuple):
    """An option on a command line.

    Attributes:
        name: As it is typed.
        help: One line.
        metavar: Stands for the value in the help; None for a flag.
        default: None for none.
        choices: Accepted values; empty for any.
        is_repeatable: Whether the option can be given several times.

    """

    name: str
    help: str
    metavar: str | None = None
    default: str | None = None
    choices: tuple[str, ...] = ()
    is_repeatable: bool = False

    @property
    def is_flag(self) -> bool:
        """Whether the option has no value."""
        return self.metavar is None


LIVE_URL = Declaration("--live-url", "Examine this endpoint, which has the API of --provider.", "URL")
"""`qwenmock check` has the argument URL in its place."""
CONTRACT_OPTIONS = (
    Declaration("--live", "Examine the provider's production endpoint."),
    Declaration("--provider", "Examine this provider (repeatable).", "SLUG", is_repeatable=True),
    Declaration(
        "--live-budget",
        "Maximum to spend, in the provider's currency (default 0: no request that could be billed is sent).",
        "AMOUNT",
    ),
    Declaration(
        "--live-control",
        "URL of the target's control API, if it has the double's: clock, ledger, pictures. Nothing costs money then.",
        "URL",
    ),
    Declaration("--live-ledger", "URL of a request's billing record; contains {request_id}.", "URL"),
    Declaration("--callback-url", "URL of a receiver of callbacks that the provider can reach.", "URL"),
    Declaration("--callback-poll", "URL where that receiver lists the callbacks that came.", "URL"),
    Declaration(
        "--live-allow",
        "Run a check although it may disturb the account: rate-limit.",
        "CHECK",
        choices=ALLOWED,
        is_repeatable=True,
    ),
    Declaration(
        "--assume-documented-limits",
        "Fail a live target that accepts what is beyond a documented limit, also where no document says it is refused.",
    ),
    Declaration("--live-image", "URL of an image that the provider can fetch.", "URL", default=PICTURE),
    Declaration("--live-timeout", "Seconds to wait for an answer (default 45).", "SECONDS", default="45"),
    Declaration("--live-pace", "Seconds between requests (default 0).", "SECONDS", default="0"),
    Declaration(
        "--contract-profile",
        "How much to try: smoke, ci or deep (default ci; with --live: smoke).",
        "PROFILE",
        choices=PROFILES,
    ),
    Declaration("--contract-seed", "Seed of the random requests (default 0).", "N", default="0"),
    Declaration("--contract-seconds", "Stop after this time (default 600 for deep).", "SECONDS"),
    Declaration(
        "--contract-report",
        "Write a report: .json, .html, .md or .xml (JUnit; repeatable).",
        "PATH",
        is_repeatable=True,
    ),
    Declaration("--schemas", "Folder of the contract catalogue (default: the one in the package).", "DIR"),
    Declaration("--contract-baseline", "Say what has changed since an earlier report.", "OLD.json"),
    Declaration("--require-rules", "Fail if fewer of a provider's rules were examined (default 0).", "PERCENT"),
    Declaration("--contract-traceback", "Print where an internal error of the examiner was raised."),
    Declaration("--record", "Keep a live target's exchanges in this folder, scrubbed.", "DIR"),
)
USAGE_OPTIONS = (
    Declaration("--qwenmock-max-cost", "Fail a run whose images would cost more.", "AMOUNT"),
    Declaration(
        "--qwenmock-scenarios", "Run tests with the marker qwenmock_scenarios under each of these.", "NAME,NAME|all"
    ),
    Declaration(
        "--qwenmock-report",
        "Write what the tests used of the double: .md or .json (repeatable).",
        "PATH",
        is_repeatable=True,
    ),
    Declaration("--qwenmock-offline", "Refuse connections to other machines."),
    Declaration(
        "--qwenmock-offline-watch", "The same without a network namespace: other processes' local ports can be reached."
    ),
)


def add_pytest_options(group: "pytest.OptionGroup") -> None:
    """Declare all options in a group of pytest's."""
    for each in (*CONTRACT_OPTIONS, LIVE_URL, *USAGE_OPTIONS):
        if each.is_flag:
            group.addoption(each.name, action="store_true", default=False, help=each.help)
        else:
            group.addoption(
                each.name,
                action="append" if each.is_repeatable else "store",
                default=each.default,
                choices=each.choices or None,
                metavar=each.metavar,
                help=each.help,
            )


class GivenOptions(NamedTuple):
    """The values of the options as they were given; `read_options` checks them. The names are the options'."""

    live: bool = False
    live_url: str | None = None
    provider: Sequence[str] | None = None
    live_budget: str | None = None
    live_control: str | None = None
    live_ledger: str | None = None
    callback_url: str | None = None
    callback_poll: str | None = None
    live_allow: Sequence[str] | None = None
    assume_documented_limits: bool = False
    live_image: str = PICTURE
    live_timeout: str = "45"
    live_pace: str = "0"
    contract_profile: str | None = None
    contract_seed: str = "0"
    contract_seconds: str | None = None
    contract_report: Sequence[str] | None = None
    schemas: str | None = None
    contract_baseline: str | None = None
    require_rules: str | None = None
    contract_traceback: bool = False
    record: str | None = None
    qwenmock_max_cost: str | None = None
    qwenmock_scenarios: str | None = None
    qwenmock_report: Sequence[str] | None = None
    qwenmock_offline: bool = False
    qwenmock_offline_watch: bool = False

    @classmethod
    def from_namespace(cls, namespace: "argparse.Namespace") -> Self:
        """Return the values in pytest's `config.option`."""
        values: dict[str, Any] = {name: getattr(namespace, name) for name in cls._fields}
        return cls(**values)


def is_live_without_paths(namespace: "argparse.Namespace") -> bool:
    """Return whether pytest's command line asks for a live examination, and for no tests by name."""
    return (namespace.live or namespace.live_url is not None) and not namespace.file_or_dir


def read_config(config: "pytest.Config") -> Options:
    """Return the settings for the options of a pytest run.

    Raises:
        pytest.UsageError: A value is not accepted, or two options contradict each other.

    """
    try:
        return read_options(GivenOptions.from_namespace(config.option))
    except OptionError as error:
        import pytest

        raise pytest.UsageError(str(error)) from error


def read_options(given: GivenOptions) -> Options:
    """Return the settings for the options.

    Raises:
        OptionError: A value is not accepted, or two options contradict each other.

    """
    url = given.live_url if given.live_url is not None else ("" if given.live else None)
    providers = tuple(dict.fromkeys(given.provider or ()))
    if given.live_url is not None:
        _address("--live-url", given.live_url, "http://127.0.0.1:4010/nebula")
        if len(providers) != 1:
            raise OptionError("--live-url requires exactly one --provider: the contract to examine the endpoint for")
    if given.live_control is not None:
        _address("--live-control", given.live_control, "http://127.0.0.1:4010/__mock__")
        if given.live_url is None:
            raise OptionError("--live-control needs a URL to examine: a production endpoint has no control API")
    if given.live_ledger is not None and "{request_id}" not in given.live_ledger:
        raise OptionError(
            f"--live-ledger: expected a URL that contains {{request_id}}, got {_quoted(given.live_ledger)}"
        )
    _check_receiver(given, is_live=url is not None)
    if given.record is not None and url is None:
        raise OptionError("--record needs --live or --live-url: the double's answers are not recorded")
    profile = given.contract_profile or ("smoke" if given.live else "ci")
    seconds = given.contract_seconds or (DEEP_SECONDS if profile == "deep" else None)
    schemas = given.schemas or os.environ.get(SCHEMAS)
    return Options(
        providers=providers,
        url=url,
        budget=None if given.live_budget is None else number("--live-budget", given.live_budget),
        control=None if given.live_control is None else given.live_control.rstrip("/"),
        ledger=given.live_ledger,
        callback_url=given.callback_url,
        callback_poll=given.callback_poll,
        allow=frozenset(given.live_allow or ()),
        assume_limits=given.assume_documented_limits,
        pace=float(number("--live-pace", given.live_pace)),
        image=_address("--live-image", given.live_image, PICTURE),
        timeout=float(number("--live-timeout", given.live_timeout)),
        reports=_paths("--contract-report", given.contract_report, REPORTS),
        baseline=None if given.contract_baseline is None else Path(given.contract_baseline),
        required=_percentage("--require-rules", given.require_rules or "0"),
        traceback=given.contract_traceback,
        seconds=None if seconds is None else float(number("--contract-seconds", seconds)),
        profile=profile,
        seed=_integer("--contract-seed", given.contract_seed),
        schemas=Path(schemas) if schemas else None,
        record=None if given.record is None else Path(given.record),
        max_cost=None if given.qwenmock_max_cost is None else number("--qwenmock-max-cost", given.qwenmock_max_cost),
        usage_reports=_paths("--qwenmock-report", given.qwenmock_report, USAGE_REPORTS),
        offline=given.qwenmock_offline or given.qwenmock_offline_watch,
        scenarios=tuple(given.qwenmock_scenarios.split(",")) if given.qwenmock_scenarios else (),
    )


def _check_receiver(given: GivenOptions, *, is_live: bool) -> None:
    if (given.callback_url is None) != (given.callback_poll is None):
        raise OptionError("--callback-url and --callback-poll need each other: a receiver, and the list of what came")
    if given.callback_url is None or given.callback_poll is None:
        return
    if not is_live:
        raise OptionError("--callback-url needs --live or a URL: the double's callbacks are received in this process")
    _address("--callback-url", given.callback_url, "https://hooks.example.com/")
    _address("--callback-poll", given.callback_poll, "http://127.0.0.1:4011/")


def _address(option: str, text: str, example: str) -> str:
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # brackets or a port that are none
        raise OptionError(f"{option}: expected a URL such as {example}, got {_quoted(text)}") from None
    if parts.username is not None or parts.password is not None:
        raise OptionError(f"{option}: expected a URL without a user and a password")
    if not is_url:
        raise OptionError(f"{option}: expected a URL such as {example}, got {_quoted(text)}")
    return text


def _paths(option: str, texts: Sequence[str] | None, suffixes: tuple[str, ...]) -> tuple[Path, ...]:
    try:
        return tuple(map(parse_report(suffixes), texts or ()))
    except ValueError as error:
        raise OptionError(f"{option}: {error}") from error


def parse_report(suffixes: tuple[str, ...]) -> Callable[[object], Path]:
    """Return a function that reads the path of a report, and raises ValueError where none can be written."""

    def parse(value: object) -> Path:
        path = Path(str(value))
        if path.suffix not in suffixes:
            endings = f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
            raise ValueError(f"expected a path that ends in {endings}, got {_quoted(value)}")
        if not path.absolute().parent.is_dir():
            raise ValueError(f"no folder {path.absolute().parent}")
        if path.is_dir() or not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
            raise ValueError(f"{path} cannot be written")
        return path

    return parse


def number(option: str, text: str) -> Decimal:
    """Read the number of an option.

    Raises:
        OptionError: It is not a number of at least 0.

    """
    try:
        return parse_number(text)
    except ValueError as error:
        raise OptionError(f"{option}: {error}") from error


def _integer(option: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise OptionError(f"{option}: expected an integer of at least 0, got {_quoted(text)}")
    return int(text)


def _percentage(option: str, text: str) -> Decimal:
    value = number(option, text.removesuffix("%"))
    if value > 100:
        raise OptionError(f"{option}: expected a percentage from 0 to 100, got {_quoted(text)}")
    return value


def parse_number(text: object) -> Decimal:
    """Read a number.

    Raises:
        ValueError: It is not a number of at least 0.

    """
    written = str(text)
    try:
        value = Decimal(written)
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or value < 0 or "_" in written:
        raise ValueError(f"expected a number of at least 0, got {_quoted(text)}")
    return value


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def keys_of(slug: str, environment: Mapping[str, str]) -> tuple[str | None, dict[str, str]]:
    """Return the key for a live target and its special keys, from the environment, without blanks around them."""
    key, *special = (environment.get(key_variable(slug, purpose), "").strip() for purpose in ("", *PURPOSES))
    return key or None, {purpose: key for purpose, key in zip(PURPOSES, special, strict=True) if key}
