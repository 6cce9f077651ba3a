"""The plugin's options, and what follows from them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

PROFILES = ("smoke", "ci", "deep")
SCHEMAS = "QWENMOCK_SCHEMAS"
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
        pace: Seconds between requests.
        profile: How much is tried.
        schemas: Folder of the catalogue; None for the one that ships.

    """

    providers: tuple[str, ...] = ()
    url: str | None = None
    budget: Decimal = Decimal(0)
    ledger: str | None = None
    pace: float = 0.0
    profile: str = "ci"
    schemas: Path | None = None

    @property
    def live(self) -> bool:
        """Whether requests leave this process."""
        return self.url is not None


def add_options(add: Any) -> None:
    """Declare the options with `add(name, **settings)`, which pytest's groups and argparse both have."""
    add("--live", action="store_true", default=False, help="examine the provider's production endpoint")
    add("--live-url", metavar="URL", default=None, help="examine this endpoint, which speaks --provider")
    add("--provider", metavar="SLUG", action="append", default=None, help="examine this provider (repeatable)")
    add(
        "--live-budget",
        metavar="AMOUNT",
        default="0",
        help="what may be spent, in the provider's currency (default 0: no request that could be billed is sent)",
    )
    add("--live-ledger", metavar="URL", default=None, help="where a request's billing record is; holds {request_id}")
    add("--live-pace", metavar="SECONDS", default="0", help="pause between requests")
    add("--contract-profile", choices=PROFILES, default="ci", help="how much is tried (default ci)")


def read_options(values: Mapping[str, Any]) -> Options:
    """Return the options for some values, by their names with underscores.

    Raises:
        OptionError: They contradict each other, or one is no number.

    """
    url = values["live_url"] if values["live_url"] is not None else ("" if values["live"] else None)
    providers = tuple(dict.fromkeys(values["provider"] or ()))
    if values["live_url"] is not None:
        if not values["live_url"].startswith(("http://", "https://")):
            raise OptionError(
                f"--live-url: a URL as in http://127.0.0.1:4010/nebula is due, got {values['live_url']!r}"
            )
        if len(providers) != 1:
            raise OptionError("--live-url needs exactly one --provider: the contract that the endpoint is held to")
    if values["live_ledger"] is not None and "{request_id}" not in values["live_ledger"]:
        raise OptionError("--live-ledger must hold {request_id}")
    schemas = os.environ.get(SCHEMAS)
    return Options(
        providers=providers,
        url=url,
        budget=_number("--live-budget", values["live_budget"]),
        ledger=values["live_ledger"],
        pace=float(_number("--live-pace", values["live_pace"])),
        profile=values["contract_profile"],
        schemas=Path(schemas) if schemas else None,
    )


def _number(option: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or value < 0:
        raise OptionError(f"{option}: a number of at least 0 is due, got {text!r}")
    return value


def keys_of(slug: str, environment: Mapping[str, str]) -> tuple[str | None, dict[str, str]]:
    """Return the key for a live target and its special keys, from `QWENMOCK_<SLUG>_KEY` and `…_KEY_<PURPOSE>`."""
    name = f"QWENMOCK_{slug.upper().replace('-', '_')}_KEY"
    special = {purpose: environment.get(f"{name}_{purpose.upper()}", "") for purpose in PURPOSES}
    return environment.get(name) or None, {purpose: key for purpose, key in special.items() if key}
