"""The double: the catalogue, the settings and the state that its calls share."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import NamedTuple

from qwenmock.mockserver.accounts.keys import Caller, authenticate
from qwenmock.mockserver.calls.extraction import extractor
from qwenmock.mockserver.calls.faults import Plan
from qwenmock.mockserver.calls.replay import Replay
from qwenmock.mockserver.calls.validation import BodyValidator
from qwenmock.mockserver.clock import Clock
from qwenmock.mockserver.dialects import dialects_of
from qwenmock.mockserver.dialects.base import Dialect
from qwenmock.mockserver.images.links import Links
from qwenmock.mockserver.metrics import Metrics
from qwenmock.mockserver.models import Job
from qwenmock.mockserver.settings import REDIS_SCHEMES, Settings
from qwenmock.mockserver.store.protocols import Store
from qwenmock.mockserver.store.records import JournalEntry
from qwenmock.mockserver.store.sqlite.store import SqliteStore
from qwenmock.schemas.catalog import Catalog, load
from qwenmock.schemas.vocabulary import JSON

SECRET_BITS = 256
CALLERS = 1024
VERSION_BITS = 0xF << 76 | 0b11 << 62
VERSION_4 = 4 << 76 | 0b10 << 62


class Handler(NamedTuple):
    """What is done with the bodies of a variant: they are held to it, and what they ask for is read."""

    validator: BodyValidator
    extract: Callable[[dict[str, JSON]], Job]


@dataclass
class Double:
    """Everything that one running server works with.

    Attributes:
        rng: The one source of randomness; seeded by `--seed`.
        handlers: By provider and variant.
        caller: Returns who calls, by the provider's slug and the Authorization header; raises as `authenticate` does.
        wake: Called when there is work for the callback_worker.
        log: Told of each journal entry.
        is_stopping: Tells whether the server is about to end.

    """

    settings: Settings
    catalog: Catalog
    store: Store
    clock: Clock
    rng: Random
    links: Links
    plan: Plan
    wake: Callable[[], None] = lambda: None
    log: Callable[[JournalEntry], None] = lambda _entry: None
    is_stopping: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self._is_fresh = False
        self.replay = None if self.settings.replay is None else Replay.of(self.settings.replay)
        self.metrics = Metrics()
        self.dialects: dict[str, Dialect] = dialects_of(self.catalog)
        variants = [(provider, variant) for provider in self.catalog for variant in provider.variants.values()]
        is_local_right = self.settings.allow_local_callbacks
        self.handlers = {
            (p.slug, v.name): Handler(BodyValidator(v.request, allow_local_callbacks=is_local_right), extractor(p, v))
            for p, v in variants
        }
        # The same few call all the time. Who is not known is not remembered.
        self.caller = lru_cache(maxsize=CALLERS)(self._caller)

    def _caller(self, slug: str, authorization: str) -> Caller:
        return authenticate(self.catalog[slug], authorization, self.settings.keys)

    def new_id(self) -> str:
        """Return a fresh UUID (version 4); the same ones in the same order for the same seed."""
        bits = self.rng.getrandbits(128) & ~VERSION_BITS | VERSION_4
        digits = f"{bits:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    async def refresh(self) -> None:
        """Take over what another process that shares the state has changed.

        Once a turn of the event loop is enough: what was sent after the change was made is read in a later turn.
        """
        if not self.store.is_shared or self._is_fresh:
            return
        shared = await self.store.shared()
        self.clock.offset = shared.offset
        if shared.plan != self.plan.version:
            await self.plan.load()
        self._is_fresh = True
        asyncio.get_running_loop().call_soon(self._age)

    def _age(self) -> None:
        self._is_fresh = False


def open_store(settings: Settings) -> Store:
    """Return the store that the settings name.

    Raises:
        StoreError: It cannot be opened.

    """
    if settings.state is not None and settings.state.startswith(REDIS_SCHEMES):
        from qwenmock.mockserver.store.redis.store import RedisStore  # an extra: not everybody has it

        return RedisStore(settings.state, settings.journal_max)
    return SqliteStore(settings.state, settings.journal_max)


def catalog_of(settings: Settings) -> Catalog:
    """Return the catalogue that the settings name, and hold them to it.

    Raises:
        SettingsError: The settings contradict the catalogue.
        CatalogError: The catalogue cannot be loaded.

    """
    catalog = load() if settings.schemas is None else load(settings.schemas)
    settings.check(catalog)
    dialects_of(catalog)  # several workers load the catalogue each: find a wrong dialect before they start
    return catalog


def create_double(settings: Settings | None = None, catalog: Catalog | None = None) -> Double:
    """Create a double. It does not listen on a port: see `create_app` and `running`.

    Args:
        settings: Settings of the double; by default `Settings()`.
        catalog: A catalogue that is already loaded; by default the one that the settings name.

    Returns:
        The double. Its state is empty, or what `settings.state` holds.

    Raises:
        SettingsError: The settings contradict each other or the catalogue.
        StoreError: The state cannot be opened.
        CatalogError: The catalogue cannot be loaded.

    """
    settings = settings or Settings()
    if catalog is None:
        catalog = catalog_of(settings)
    settings.check(catalog)
    store = open_store(settings)
    number = store.register()
    # The first process has the seed itself; others, and later runs on the same state, must not draw the same ids.
    rng = Random(settings.seed if settings.seed is None or number == 0 else f"{settings.seed}/{number}")
    # Kept with the state, so that links made before a restart work after it.
    secret = bytes.fromhex(store.setting("secret", f"{rng.getrandbits(SECRET_BITS):0{SECRET_BITS // 4}x}"))
    return Double(settings, catalog, store, Clock(), rng, Links(secret, store), Plan(rng, store))
