"""The plugin's options, and what follows from them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

PROFILES = ("smoke", "ci", "deep")
REPORTS = (".json", ".html", ".md")
USAGE_REPORTS = (".md", ".json")
ALLOWED = ("rate-limit",)
DEEP_SECONDS = "600"
SCHEMAS = "QWENMOCK_SCHEMAS"
PICTURE = "https://dashscope.oss-cn-beijing.aliyuncs.com/images/dog_and_girl.jpeg"
"""A picture that providers can fetch: the one that seed 002 prints."""
PURPOSES = ("expired", "empty", "forbidden", "limited", "throttled", "broken", "other")


class OptionError(Exception):
    """Options that contradict each other, or say what cannot be done."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a contract run is to do.

    Attributes:
        providers: Slugs; empty for all.
        url: What to examine; None for the double in this process, "" for each provider's production endpoint.
        budget: What may be spent on a live target, in the provider's currency.
        ledger: Where a live target's billing record of a request is, with `{request_id}` in it.
        allow: What may be done that could disturb an account.
        pace: Seconds between requests.
        image: Address of a picture that a live target can fetch.
        timeout: Seconds that an answer may take.
        reports: Where to write reports, by their endings `.json`, `.html` or `.md`.
        seconds: How long the run may take; None for as long as it needs.
        profile: How much is tried.
        schemas: Folder of the catalogue; None for the one that ships.
        record: Where to keep a live target's exchanges; None for nowhere.
        max_cost: What users' tests may cost in simulated money, in any one currency.
        usage_reports: Where to write what they used, by their endings `.md` or `.json`.
        offline: Whether no connection may leave this machine.

    """

    providers: tuple[str, ...] = ()
    url: str | None = None
    budget: Decimal = Decimal(0)
    ledger: str | None = None
    allow: frozenset[str] = frozenset()
    pace: float = 0.0
    image: str = PICTURE
    timeout: float = 45.0
    reports: tuple[Path, ...] = ()
    seconds: float | None = None
    profile: str = "ci"
    schemas: Path | None = None
    record: Path | None = None
    max_cost: Decimal | None = None
    usage_reports: tuple[Path, ...] = ()
    offline: bool = False

    @property
    def live(self) -> bool:
        """Whether requests leave this process."""
        return self.url is not None


def add_options(add: Any, *, with_url: bool = True) -> None:
    """Declare the options with `add(name, **settings)`, which pytest's groups and argparse both have."""
    add("--live", action="store_true", default=False, help="examine the provider's production endpoint")
    if with_url:
        add("--live-url", metavar="URL", default=None, help="examine this endpoint, which speaks --provider")
    add("--provider", metavar="SLUG", action="append", default=None, help="examine this provider (repeatable)")
    add(
        "--live-budget",
        metavar="AMOUNT",
        default="0",
        help="what may be spent, in the provider's currency (default 0: no request that could be billed is sent)",
    )
    add("--live-ledger", metavar="URL", default=None, help="where a request's billing record is; holds {request_id}")
    add(
        "--live-allow", action="append", choices=ALLOWED, default=None, help="what may be done that disturbs an account"
    )
    add("--live-image", metavar="URL", default=PICTURE, help="a picture that the provider can fetch")
    add("--live-timeout", metavar="SECONDS", default="45", help="how long an answer may take (default 45)")
    add("--live-pace", metavar="SECONDS", default="0", help="pause between requests")
    add("--contract-profile", choices=PROFILES, default="ci", help="how much is tried (default ci)")
    add("--contract-seconds", metavar="SECONDS", default=None, help="stop after this long (default 600 for deep)")
    add(
        "--contract-report",
        metavar="PATH",
        action="append",
        default=None,
        help="write a report; its ending decides: .json, .html or .md (repeatable)",
    )
    add("--record", metavar="DIR", default=None, help="keep a live target's exchanges here, scrubbed")


def add_usage_options(add: Any) -> None:
    """Declare the options for users' own tests against the double."""
    add("--qwenmock-max-cost", metavar="AMOUNT", default=None, help="fail a run whose images would cost more")
    add(
        "--qwenmock-report",
        metavar="PATH",
        action="append",
        default=None,
        help="write what the tests used of the double: .md or .json (repeatable)",
    )
    add("--qwenmock-offline", action="store_true", default=False, help="refuse connections off this machine")


def read_options(values: Mapping[str, Any]) -> Options:
    """Return the options for some values, by their names with underscores.

    Raises:
        OptionError: They contradict each other, or one is no number.

    """
    url = values["live_url"] if values["live_url"] is not None else ("" if values["live"] else None)
    providers = tuple(dict.fromkeys(values["provider"] or ()))
    if values["live_url"] is not None:
        _address("--live-url", values["live_url"], "http://127.0.0.1:4010/nebula")
        if len(providers) != 1:
            raise OptionError("--live-url needs exactly one --provider: the contract that the endpoint is held to")
    if values["live_ledger"] is not None and "{request_id}" not in values["live_ledger"]:
        raise OptionError("--live-ledger must hold {request_id}")
    if values["record"] is not None and url is None:
        raise OptionError("--record needs --live or --live-url: only what a real endpoint answers is worth keeping")
    max_cost = values.get("qwenmock_max_cost")
    seconds = values["contract_seconds"] or (DEEP_SECONDS if values["contract_profile"] == "deep" else None)
    schemas = os.environ.get(SCHEMAS)
    return Options(
        providers=providers,
        url=url,
        budget=number("--live-budget", values["live_budget"]),
        ledger=values["live_ledger"],
        allow=frozenset(values["live_allow"] or ()),
        pace=float(number("--live-pace", values["live_pace"])),
        image=_address("--live-image", values["live_image"], PICTURE),
        timeout=float(number("--live-timeout", values["live_timeout"])),
        reports=_paths("--contract-report", values["contract_report"], REPORTS),
        seconds=None if seconds is None else float(number("--contract-seconds", seconds)),
        profile=values["contract_profile"],
        schemas=Path(schemas) if schemas else None,
        record=None if values["record"] is None else Path(values["record"]),
        max_cost=None if max_cost is None else number("--qwenmock-max-cost", max_cost),
        usage_reports=_paths("--qwenmock-report", values.get("qwenmock_report"), USAGE_REPORTS),
        offline=bool(values.get("qwenmock_offline")),
    )


def _address(option: str, text: str, like: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise OptionError(f"{option}: a URL as in {like} is due, got {text!r}")
    return text


def _paths(option: str, texts: Sequence[str] | None, endings: tuple[str, ...]) -> tuple[Path, ...]:
    paths = tuple(Path(text) for text in texts or ())
    for path in paths:
        if path.suffix not in endings:
            raise OptionError(f"{option}: {path} must end in {', '.join(endings)}")
        if not path.absolute().parent.is_dir():
            raise OptionError(f"{option}: there is no folder {path.absolute().parent}")
    return paths


def number(option: str, text: str) -> Decimal:
    """Read an option's number, from 0.

    Raises:
        OptionError: It is none.

    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or value < 0:
        raise OptionError(f"{option}: a number of at least 0 is due, got {text!r}")
    return value


def key_variable(slug: str, purpose: str = "") -> str:
    """Return the environment variable of a provider's key, or of its key that runs into something."""
    return f"QWENMOCK_{slug.upper().replace('-', '_')}_KEY{purpose and '_'}{purpose.upper()}"


def keys_of(slug: str, environment: Mapping[str, str]) -> tuple[str | None, dict[str, str]]:
    """Return the key for a live target and its special keys, from the environment."""
    special = {purpose: environment.get(key_variable(slug, purpose), "") for purpose in PURPOSES}
    return environment.get(key_variable(slug)) or None, {purpose: key for purpose, key in special.items() if key}
