"""What a user can set: by option, by environment variable, in the config file, in this order of precedence."""

import os
import random
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, cast

from qwenmock.mockserver.accounts.keys import STARTING_BALANCE, Profile
from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.money import amount
from qwenmock.mockserver.net.webhook_signatures import key_of
from qwenmock.schemas.catalog import Catalog

ENVIRONMENT = "QWENMOCK_"
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
CURRENCY = re.compile(r"(?<=[0-9.]) *[A-Za-z]+$")
"""What may stand behind a price."""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long it takes to generate an image: a random time in a range.

    Attributes:
        least: Shortest time, in seconds.
        most: Longest time, in seconds.
        is_realistic: Whether tasks take about as long as in production.

    """

    least: float
    most: float
    is_realistic: bool = False

    def draw(self, rng: random.Random) -> float:
        """Return one time in seconds.

        Args:
            rng: Source of randomness.

        """
        return self.least if self.least == self.most else rng.uniform(self.least, self.most)


LATENCIES = {"instant": Latency(0.0, 0.0), "realistic": Latency(5.0, 15.0, is_realistic=True)}


@dataclass(frozen=True)
class Settings:
    """Settings of the double. Each one is also an option of `qwenmock serve`.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        provider: Slug of a provider to serve at the root as well.
        schemas: Folder of the catalogue; None for the one in the package.
        latency: How long it takes to generate an image.
        seed: Makes ids, images and faults reproducible.
        public_url: What image URLs begin with; None for the address that the request was sent to.
        strict: Whether to refuse fields that no document names.
        fetch_images: Whether to fetch input images from public addresses.
        allow_local_callbacks: Whether callbacks may be sent to this machine, also over http.
        callback_secret: Secret to sign callbacks with, as defined by Standard Webhooks; None sends them unsigned.
        state: Path of an SQLite file or URL of a Redis to keep the state in; None keeps it in memory.
        workers: Number of processes that `qwenmock serve` starts.
        replay: Folder of recordings to answer from.
        prices: Price of one image by slug, in the provider's currency, instead of the documented price.
        journal_max: Maximum number of journal entries.
        admin_token: Token that the control API requires; None requires none.
        log_format: `text` or `json`.
        keys: Additional keys, or other profiles for the built-in ones.

    """

    host: str = "127.0.0.1"
    port: int = 4010
    provider: str | None = None
    schemas: Path | None = None
    latency: Latency = LATENCIES["instant"]
    seed: int | None = None
    public_url: str | None = None
    strict: bool = False
    fetch_images: bool = False
    allow_local_callbacks: bool = False
    callback_secret: str | None = None
    state: str | None = None
    workers: int = 1
    replay: Path | None = None
    prices: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    journal_max: int = 1000
    admin_token: str | None = None
    log_format: Literal["text", "json"] = "text"
    keys: dict[str, Profile] = field(default_factory=dict[str, Profile])

    @property
    def is_loopback(self) -> bool:
        """Whether the server can be reached from this machine only."""
        return self.host in LOOPBACK or self.host.startswith("127.")

    def check(self, catalog: Catalog) -> None:
        """Check the settings against the catalogue and against each other.

        Args:
            catalog: The catalogue.

        Raises:
            SettingsError: A slug is unknown, or the server could be reached from other machines without a token.

        """
        known = ", ".join(catalog.providers)
        for slug in (self.provider, *self.prices):
            if slug is not None and slug not in catalog.providers:
                raise SettingsError(f"there is no provider {slug!r}; there are {known}")
        if not self.is_loopback and self.admin_token is None:
            raise SettingsError(
                f"--host {self.host} lets others in: set --admin-token TOKEN, which the control API then demands"
            )


def read(options: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings for some options; what is None among them was not given.

    Raises:
        SettingsError: A value is not one that is accepted, or the config file cannot be read.

    """
    given = dict(os.environ if environment is None else environment)
    known = {each.name: each.name.replace("_", "-") for each in fields(Settings)} | {"prices": "price"}
    config_path = options.get("config") or given.get(f"{ENVIRONMENT}CONFIG")
    table = _config_file(config_path, {*known.values(), "config"}) if config_path else {}
    values: dict[str, Any] = {}
    for name, option in known.items():
        variable = f"{ENVIRONMENT}{option.replace('-', '_').upper()}"
        for where, value in (
            (f"--{option}", options.get(option.replace("-", "_"))),
            (variable, given.get(variable) or None),
            (f"{config_path}: {option}", table.get(option)),
        ):
            if value is not None:
                values[name] = _converted(name, value, where)
                break
    return Settings(**values)


def _config_file(path: str, known: set[str]) -> dict[str, Any]:
    try:
        table = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"--config {path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"--config {path}: {error}") from error
    unknown = table.keys() - known
    if unknown:
        raise SettingsError(
            f"--config {path}: {sorted(unknown)[0]!r} is no setting; there are {', '.join(sorted(known))}"
        )
    return table


def _converted(name: str, value: Any, where: str) -> Any:
    try:
        return _CONVERTERS[name](value)
    except (ValueError, TypeError) as error:
        raise SettingsError(f"{where}: {error}") from error


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"a text is due, got {value!r}")
    return value


def _path(value: Any) -> Path:
    return Path(_text(value))


def _whole(least: int, most: int) -> Any:
    def convert(value: Any) -> int:
        try:
            number = int(str(value))
        except ValueError:
            number = least - 1
        if isinstance(value, bool) or not least <= number <= most:
            raise ValueError(f"a whole number from {least} to {most} is due, got {value!r}")
        return number

    return convert


def whole_number(option: str, value: Any, most: int) -> int:
    """Read an option's whole number, from 0.

    Raises:
        SettingsError: It is none.

    """
    try:
        return _whole(0, most)(value)
    except ValueError as error:
        raise SettingsError(f"{option}: {error}") from error


def _flag(value: Any) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    found = value if isinstance(value, bool) else words.get(str(value).lower())
    if found is None:
        raise ValueError(f"true or false is due, got {value!r}")
    return found


def parse_latency(value: Any) -> Latency:
    """Parse a latency.

    Args:
        value: `instant`, `realistic`, a number of milliseconds, or a range of milliseconds as in `200-800`.

    Returns:
        The latency.

    Raises:
        ValueError: The value is none of these.

    """
    text = str(value)
    if text in LATENCIES:
        return LATENCIES[text]
    least, dash, most = text.partition("-")
    try:
        bounds = float(least), float(most if dash else least)
    except ValueError:
        bounds = (-1.0, -1.0)
    if not 0 <= bounds[0] <= bounds[1] <= 3_600_000:
        raise ValueError(f"instant, realistic, milliseconds or a range as in 200-800 is due, got {text!r}")
    return Latency(bounds[0] / 1000, bounds[1] / 1000)


def _url(value: Any) -> str:
    text = _text(value).rstrip("/")
    if not text.startswith(("http://", "https://")) or any(c.isspace() for c in text) or "?" in text or "#" in text:
        raise ValueError(f"a URL as in https://mock.example.com is due, got {value!r}")
    return text


def _prices(value: Any) -> dict[str, Decimal]:
    """Read `slug=amount`, a list of such, several with commas, or a table; a currency may follow the amount."""
    if isinstance(value, dict):
        pairs = [(slug, str(text)) for slug, text in cast(dict[str, Any], value).items()]
    else:
        texts = [str(item) for item in cast(list[Any], value)] if isinstance(value, list) else str(value).split(",")
        pairs = [(slug.strip(), text) for slug, _, text in (item.partition("=") for item in texts)]
    prices: dict[str, Decimal] = {}
    for slug, text in pairs:
        try:
            prices[slug] = amount(CURRENCY.sub("", text.strip()))
        except ValueError as error:
            raise ValueError(f"SLUG=AMOUNT is due, as in nebula=0.20; {error}") from error
    return prices


def _keys(value: Any) -> dict[str, Profile]:
    """Read `[keys."sk-mock-x"]` tables: `balance`, `requests_per_minute`, `always`."""
    if not isinstance(value, dict):
        raise TypeError('tables as in [keys."sk-mock-small"] are due')
    found: dict[str, Profile] = {}
    for key, table in cast(dict[str, Any], value).items():
        if not isinstance(table, dict):
            raise TypeError(f"{key!r} must be a table")
        entry = cast(dict[str, Any], table)
        unknown = entry.keys() - {"balance", "requests_per_minute", "always"}
        if unknown:
            raise ValueError(f"{key!r}: {sorted(unknown)[0]!r} is none of balance, requests_per_minute, always")
        always = entry.get("always")
        if always not in {None, "unauthorized", "forbidden", "rate_limited", "internal"}:
            raise ValueError(
                f"{key!r}: always is one of unauthorized, forbidden, rate_limited, internal, got {always!r}"
            )
        limit = entry.get("requests_per_minute")
        found[key] = Profile(
            balance=amount(entry.get("balance", STARTING_BALANCE)),
            requests_per_minute=None if limit is None else _whole(0, 1_000_000)(limit),
            always=always,
            about="from the config file",
        )
    return found


def _secret(value: Any) -> str:
    key_of(_text(value))
    return value


def _state(value: Any) -> str:
    """Read a path, as it is or as `sqlite:///path`, or the URL of a Redis."""
    text = _text(value).removeprefix("sqlite:///")
    if "://" in text and not text.startswith(REDIS_SCHEMES):
        raise ValueError(f"a path, sqlite:///path or redis://host:port/number is due, got {value!r}")
    return text


def _log_format(value: Any) -> str:
    if value not in {"text", "json"}:
        raise ValueError(f"text or json is due, got {value!r}")
    return value


_CONVERTERS: dict[str, Any] = {
    "host": _text,
    "port": _whole(0, 65535),
    "provider": _text,
    "schemas": _path,
    "latency": parse_latency,
    "seed": _whole(0, 2**63 - 1),
    "public_url": _url,
    "strict": _flag,
    "fetch_images": _flag,
    "allow_local_callbacks": _flag,
    "callback_secret": _secret,
    "state": _state,
    "workers": _whole(1, 64),
    "replay": _path,
    "prices": _prices,
    "journal_max": _whole(1, 1_000_000),
    "admin_token": _text,
    "log_format": _log_format,
    "keys": _keys,
}
