"""The double: the catalogue, the settings and the state that its calls share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from uuid import UUID

from qwenmock.mockserver.accounts import Profile
from qwenmock.mockserver.clock import Clock
from qwenmock.mockserver.dialects import Dialect, dialect_of
from qwenmock.mockserver.extraction import Asked, extractor
from qwenmock.mockserver.faults import Plan
from qwenmock.mockserver.links import Links
from qwenmock.mockserver.settings import Settings
from qwenmock.mockserver.store import Opening, Store
from qwenmock.mockserver.store.sqlite import SqliteStore
from qwenmock.mockserver.validation import BodyValidator
from qwenmock.schemas.catalog import Catalog, Provider, Variant, load
from qwenmock.schemas.vocabulary import JSON

SECRET_BITS = 256


@dataclass
class Double:
    """Everything that one running server works with.

    Attributes:
        chance: The one source of randomness; seeded by `--seed`.
        wake: Called when there is work for the courier.
        log: Told of each journal entry.

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

    def __post_init__(self) -> None:
        self.dialects: dict[str, Dialect] = {provider.slug: dialect_of(provider) for provider in self.catalog}
        variants = [(provider.slug, variant) for provider in self.catalog for variant in provider.variants.values()]
        self._validators = {
            (slug, v.name): BodyValidator(v.request, allow_local_callbacks=self.settings.allow_local_callbacks)
            for slug, v in variants
        }
        self._extractors = {(slug, v.name): extractor(v) for slug, v in variants}

    def validator(self, provider: Provider, variant: Variant) -> BodyValidator:
        """Return what holds bodies to the variant."""
        return self._validators[provider.slug, variant.name]

    def asked(self, provider: Provider, variant: Variant, body: JSON) -> Asked:
        """Return what a valid body of the variant asks for."""
        return self._extractors[provider.slug, variant.name](body)

    def new_id(self) -> str:
        """Return a fresh UUID; the same ones in the same order for the same seed."""
        return str(UUID(int=self.chance.getrandbits(128), version=4))

    def opening(self, provider: Provider, key: str, profile: Profile) -> Opening:
        """Return how the key's account begins."""
        return Opening(provider.slug, key, provider.currency, profile.balance, profile.requests_per_minute)


def create_double(settings: Settings | None = None, catalog: Catalog | None = None) -> Double:
    """Return a double with everything at its beginning.

    Raises:
        SettingsError: The settings contradict the catalogue.
        CatalogError: The catalogue cannot be loaded.

    """
    settings = settings or Settings()
    if catalog is None:
        catalog = load() if settings.schemas is None else load(settings.schemas)
    settings.check(catalog)
    chance = Random(settings.seed)
    store = SqliteStore(settings.state, settings.journal_max)
    # Kept with the state, so that links made before a restart work after it.
    secret = bytes.fromhex(store.setting("secret", f"{chance.getrandbits(SECRET_BITS):0{SECRET_BITS // 4}x}"))
    return Double(settings, catalog, store, Clock(), chance, Links(secret, store), Plan(chance))
