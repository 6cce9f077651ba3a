"""The double: the services of one server, and the handlers that its calls share."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import NamedTuple

from qwenmock.mockserver.accounts.keys import Caller, authenticate
from qwenmock.mockserver.calls.extraction import extractor
from qwenmock.mockserver.calls.faults import Plan
from qwenmock.mockserver.calls.journal_feed import JournalFeed
from qwenmock.mockserver.calls.replay import Replay
from qwenmock.mockserver.calls.scenarios import Scenario, load_scenario
from qwenmock.mockserver.calls.validation import BodyValidator
from qwenmock.mockserver.clock import Clock
from qwenmock.mockserver.dialects import dialect_key, dialects_of
from qwenmock.mockserver.dialects.base import Dialect
from qwenmock.mockserver.images.files import Files
from qwenmock.mockserver.images.links import Links
from qwenmock.mockserver.images.uploads import Uploads
from qwenmock.mockserver.models import Job
from qwenmock.mockserver.services import Services
from qwenmock.mockserver.settings import REDIS_SCHEMES, Settings
from qwenmock.mockserver.store.protocols import Store
from qwenmock.mockserver.store.sqlite.store import SqliteStore
from qwenmock.schemas.catalog import Catalog, load
from qwenmock.schemas.models import Endpoint, Provider, Variant
from qwenmock.schemas.vocabulary import JSON

SECRET_BITS = 256
CALLERS = 1024
HANDLERS = 128
"""How many are remembered for the next server in this process, for instance that of another test: 2 ms each."""
LONGEST_REMEMBERED = 500
"""Characters of an Authorization header; a longer one, with spaces before its key, is read each time."""


class Handler(NamedTuple):
    """Validates and reads the bodies of one variant; compiled once, when the first server starts."""

    validator: BodyValidator
    extract: Callable[[dict[str, JSON]], Job]


@dataclass(kw_only=True)
class Double(Services):
    """One running server: the shared services, and what answers calls.

    Attributes:
        links: Makes and checks signed links.
        plan: The fault plan.
        dialects: By provider slug.
        handlers: By provider slug and variant name.
        files: The image files behind links.
        uploads: Files that SDKs upload.
        journal_feed: The newest journal entries, for event streams.
        replay: Recorded answers; None without `--replay`.
        is_stopping: Whether the server is about to stop.
        scenario: What the fault plan starts with; None for nothing.
        ca_certificate: What clients of the proxy must trust, as PEM; None without a proxy.
        waits_are_real: Whether time passes for the client as it does here. False where a test in this process has
            replaced the clock or `sleep`: the client's waits then cannot be judged.

    """

    links: Links
    plan: Plan
    is_stopping: Callable[[], bool] = lambda: False
    ca_certificate: bytes | None = None
    scenario: Scenario | None = None
    waits_are_real: Callable[[], bool] = lambda: True

    def __post_init__(self) -> None:
        self._is_fresh = False
        self.dialects: dict[str, Dialect] = dialects_of(self.catalog)
        self.handlers = _handlers(self.catalog, allow_local_callbacks=self.settings.allow_local_callbacks)
        self.replay = None if self.settings.replay is None else Replay.of(self.settings.replay)
        self.journal_feed = JournalFeed(self.store)
        self.uploads = Uploads(self.store, self.clock, self.links, self.new_id)
        self.files = Files(
            store=self.store,
            clock=self.clock,
            links=self.links,
            public_url=self.settings.public_url,
            upload_seconds=max(provider.link_lifetime for provider in self.catalog),
        )
        # A few callers send most requests: 0.05 µs instead of 0.7 µs. A refusal is not remembered.
        self._remembered_caller = lru_cache(maxsize=CALLERS)(self._caller)

    def caller(self, slug: str, authorization: str) -> Caller:
        """Return the caller for a provider slug and an Authorization header; raise as `authenticate` does."""
        is_short = len(authorization) <= LONGEST_REMEMBERED
        return (self._remembered_caller if is_short else self._caller)(slug, authorization)

    def _caller(self, slug: str, authorization: str) -> Caller:
        return authenticate(self.catalog[slug], authorization, self.settings.keys)

    def dialect_for(self, provider: Provider, endpoint: Endpoint) -> Dialect:
        """Return the dialect that an endpoint's answers are written in."""
        return self.dialects[dialect_key(provider, endpoint)]

    async def refresh(self) -> None:
        """Load what another process that shares the state has changed.

        Once per turn of the event loop is enough: a request that was sent after the change is read in a later turn.
        """
        if not self.store.is_shared or self._is_fresh:
            return
        shared = await self.store.shared()
        self.clock.offset = shared.offset
        if shared.plan != self.plan.version:
            await self.plan.load()
        self._is_fresh = True
        asyncio.get_running_loop().call_soon(self._expire)

    def _expire(self) -> None:
        self._is_fresh = False


def _handlers(catalog: Catalog, *, allow_local_callbacks: bool) -> dict[tuple[str, str], Handler]:
    return {
        (provider.slug, variant.name): _handler(provider, variant, allow_local_callbacks)
        for provider in catalog
        for variant in provider.variants.values()
    }


@lru_cache(maxsize=HANDLERS)
def _handler(provider: Provider, variant: Variant, allow_local_callbacks: bool) -> Handler:
    validator = BodyValidator(variant.request, allow_local_callbacks=allow_local_callbacks)
    return Handler(validator, extractor(provider, variant))


def open_store(settings: Settings) -> Store:
    """Return the store that the settings name.

    Raises:
        StoreError: It cannot be opened.

    """
    if settings.state is not None and settings.state.startswith(REDIS_SCHEMES):
        from qwenmock.mockserver.store.redis.store import RedisStore  # an optional dependency

        return RedisStore(settings.state, settings.journal_max)
    return SqliteStore(settings.state, settings.journal_max)


def catalog_of(settings: Settings) -> Catalog:
    """Load the catalogue that the settings name, and check the settings against it.

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
    clock = Clock()
    number = store.register()
    # Only the first process uses the seed itself: others, and later runs on the same state, must not repeat its ids.
    rng = Random(settings.seed if settings.seed is None or number == 0 else f"{settings.seed}/{number}")
    # Kept with the state, so that links made before a restart work after it.
    secret = bytes.fromhex(store.setting("secret", f"{rng.getrandbits(SECRET_BITS):0{SECRET_BITS // 4}x}"))
    return Double(
        settings=settings,
        catalog=catalog,
        store=store,
        clock=clock,
        rng=rng,
        links=Links(secret, store),
        plan=Plan(rng, store, clock),
        scenario=None if settings.scenario is None else load_scenario(settings.scenario, catalog.providers),
    )
