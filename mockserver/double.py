"""The double: the catalogue, the settings and the state that its calls share."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from qwenmock.mockserver.accounts import Profile
from qwenmock.mockserver.clock import Clock
from qwenmock.mockserver.dialects import Dialect, dialect_of
from qwenmock.mockserver.extraction import extractor
from qwenmock.mockserver.faults import Plan
from qwenmock.mockserver.job import Job
from qwenmock.mockserver.links import Links
from qwenmock.mockserver.metrics import Metrics
from qwenmock.mockserver.replay import Replay
from qwenmock.mockserver.settings import REDIS_SCHEMES, Settings
from qwenmock.mockserver.store import Opening, Store
from qwenmock.mockserver.store.sqlite import SqliteStore
from qwenmock.mockserver.validation import BodyValidator
from qwenmock.mockserver.verdict import Fetch
from qwenmock.schemas.catalog import Catalog, Provider, Variant, load
from qwenmock.schemas.vocabulary import JSON

SECRET_BITS = 256
FETCHES = 10_000
"""Fetches of pictures that are remembered for the verdict."""
VERSION_BITS = 0xF << 76 | 0b11 << 62
VERSION_4 = 4 << 76 | 0b10 << 62


@dataclass
class Double:
    """Everything that one running server works with.

    Attributes:
        chance: The one source of randomness; seeded by `--seed`.
        wake: Called when there is work for the courier.
        log: Told of each journal entry.
        is_stopping: Tells whether the server is about to end.

    """

    settings: Settings
    catalog: Catalog
    store: Store
    clock: Clock
    chance: Random
    links: Links
    plan: Plan
    wake: Callable[[], None] = lambda: None
    log: Callable[[Mapping[str, JSON]], None] = lambda _entry: None
    is_stopping: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self._is_fresh = False
        self.fetches: deque[Fetch] = deque(maxlen=FETCHES)
        self.replay = None if self.settings.replay is None else Replay.of(self.settings.replay)
        self.metrics = Metrics()
        self.dialects: dict[str, Dialect] = {provider.slug: dialect_of(provider) for provider in self.catalog}
        variants = [(provider, variant) for provider in self.catalog for variant in provider.variants.values()]
        self._validators = {
            (p.slug, v.name): BodyValidator(v.request, allow_local_callbacks=self.settings.allow_local_callbacks)
            for p, v in variants
        }
        self._extractors = {(p.slug, v.name): extractor(p, v) for p, v in variants}

    def validator(self, provider: Provider, variant: Variant) -> BodyValidator:
        """Return what holds bodies to the variant."""
        return self._validators[provider.slug, variant.name]

    def job(self, provider: Provider, variant: Variant, body: dict[str, JSON]) -> Job:
        """Return what a valid body of the variant asks for."""
        return self._extractors[provider.slug, variant.name](body)

    def new_id(self) -> str:
        """Return a fresh UUID (version 4); the same ones in the same order for the same seed."""
        bits = self.chance.getrandbits(128) & ~VERSION_BITS | VERSION_4
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

    def opening(self, provider: Provider, key: str, profile: Profile) -> Opening:
        """Return how the key's account begins."""
        return Opening(provider.slug, key, provider.currency, profile.balance, profile.requests_per_minute)


def open_store(settings: Settings) -> Store:
    """Return the store that the settings name.

    Raises:
        StoreError: It cannot be opened.

    """
    if settings.state is not None and settings.state.startswith(REDIS_SCHEMES):
        from qwenmock.mockserver.store.redis import RedisStore  # an extra: not everybody has it

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
    return catalog


def create_double(settings: Settings | None = None, catalog: Catalog | None = None) -> Double:
    """Return a double with everything at its beginning.

    Raises:
        SettingsError: The settings contradict the catalogue.
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
    chance = Random(settings.seed if settings.seed is None or number == 0 else f"{settings.seed}/{number}")
    # Kept with the state, so that links made before a restart work after it.
    secret = bytes.fromhex(store.setting("secret", f"{chance.getrandbits(SECRET_BITS):0{SECRET_BITS // 4}x}"))
    return Double(settings, catalog, store, Clock(), chance, Links(secret, store), Plan(chance, store))
