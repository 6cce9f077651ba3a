"""The settings of the double. `commands.options` reads them from options, the environment and the config file."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from qwenmock.mockserver.accounts.profiles import Profile
from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.money import MAX_PRICE
from qwenmock.mockserver.net.public_addresses import is_loopback_host

if TYPE_CHECKING:  # the command line's help shows the defaults, and must not wait for the catalogue's imports
    from qwenmock.schemas.catalog import Catalog

REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Latency:
    """How long generating takes: a random number of seconds between `minimum` and `maximum`.

    Attributes:
        minimum: Shortest time, in seconds.
        maximum: Longest time, in seconds.
        is_realistic: Whether tasks take about as long as in production.

    """

    minimum: float
    maximum: float
    is_realistic: bool = False

    def draw(self, rng: random.Random) -> float:
        """Return one duration."""
        return self.minimum if self.minimum == self.maximum else rng.uniform(self.minimum, self.maximum)


LATENCIES = {"instant": Latency(0.0, 0.0), "realistic": Latency(5.0, 15.0, is_realistic=True)}


@dataclass(frozen=True)
class Settings:
    """All settings, with their defaults.

    Attributes:
        host: Address to listen on.
        port: Port; 0 selects a free one.
        provider: Slug of the provider that is also served at the root.
        schemas: Folder of the catalogue; None for the one in the package.
        latency: How long an image takes.
        seed: Seed that makes ids, images and faults reproducible.
        public_url: Start of image URLs; None for the address that the request was sent to.
        strict: Refuse fields that the documents do not name.
        fetch_images: Fetch input images from URLs, from public addresses only.
        allow_local_callbacks: Allow callbacks to this machine, over http too.
        callback_secret: Secret that signs callbacks, as in Standard Webhooks.
        state: File or Redis URL that keeps the state; None for memory.
        workers: Number of processes.
        replay: Folder of recordings to answer from.
        prices: Price of one image by slug, instead of the documents' price.
        journal_max: Maximum number of journal entries.
        admin_token: Token that the control API requires; None for none.
        log_format: `text` or `json`.
        quiet: Log no requests.
        scenario: Name or path of the scenario to start with; None for none.
        proxy: Serve a forward proxy beside the double.
        proxy_port: Port of the proxy; 0 selects a free one.
        keys: Additional keys, or other behaviour for the known ones.

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
    quiet: bool = False
    scenario: str | None = None
    proxy: bool = False
    proxy_port: int = 4013
    keys: dict[str, Profile] = field(default_factory=dict[str, Profile])

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback_host(self.host)

    def check(self, catalog: "Catalog") -> None:
        """Check the settings against the catalogue and against each other.

        Raises:
            SettingsError: A slug is unknown, a price too large, several processes would need one proxy, or the server
                would be open to others without a token.

        """
        for slug in (self.provider, *self.prices):
            if slug is not None and slug not in catalog.providers:
                raise SettingsError(unknown("provider", slug, catalog.providers))
        for slug, price in self.prices.items():
            if price > MAX_PRICE:
                raise SettingsError(f"--price {slug}: expected a price from 0 to {MAX_PRICE}, got {price}")
        if self.proxy and self.workers > 1:
            raise SettingsError(f"--proxy: expected --workers 1, got {self.workers}")
        if not self.is_loopback and self.admin_token is None:
            raise SettingsError(
                f"--host {self.host} is reachable from other machines: "
                "set --admin-token TOKEN, which the control API then requires"
            )


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message for an unknown name, with the closest accepted one and all of them.

    Args:
        kind: What the name is for, as `setting`.
        name: What was given.
        known: The accepted names.

    """
    names = list(known)
    return f"unknown {kind} '{name}'{suggestion(name, names)}: expected one of {', '.join(names)}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean x?)` with the closest known name, or nothing where none is close."""
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), 1)
    return f" (did you mean {close[0]}?)" if close else ""
