"""Create examiners from options. The one place where the plugin joins an examiner and the server that it examines."""

import os
import time
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from qwenmock.mockserver.calls.double import Double, create_double
from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.http.app import Application
from qwenmock.mockserver.net.guarded_client import OutboundError, Poster
from qwenmock.mockserver.net.public_addresses import is_loopback_host
from qwenmock.mockserver.settings import Settings, unknown
from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.examiner.connection.callbacks import (
    CallbackInbox,
    EmbeddedInbox,
    LocalInbox,
    PolledInbox,
)
from qwenmock.pytest_plugin.examiner.connection.credentials import Credentials
from qwenmock.pytest_plugin.examiner.results import CouldNotRun
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.settings import SessionSettings
from qwenmock.pytest_plugin.examiner.target import ORIGIN, ControlledTarget, EmbeddedTarget, HttpTarget, Target
from qwenmock.pytest_plugin.options import ADMIN_TOKEN, PURPOSES, OptionError, Options, key_variable, keys_of
from qwenmock.pytest_plugin.recording.recorder import Recorder
from qwenmock.schemas.catalog import Catalog, load
from qwenmock.schemas.models import Provider

EMBEDDED_KEY = "sk-mock"
CONTROLLED_KEY = "sk-mock.examiner"
"""For a running double, if no key is set: it has an account of its own."""
EMBEDDED_KEYS = {purpose: f"sk-mock-{purpose}" for purpose in PURPOSES} | {"other": "sk-mock.other"}
CONTROL = f"{ORIGIN}/__mock__"
LEDGER = f"{CONTROL}/ledger?request_id={{request_id}}"


def choose_providers(options: Options) -> list[Provider]:
    """Return the providers to examine: the chosen ones, or all; of production endpoints those with a key.

    Raises:
        OptionError: A slug is unknown.
        CatalogError: The catalogue cannot be loaded.
        CouldNotRun: A live target needs a key, and none is set.

    """
    catalog = load() if options.schemas is None else load(options.schemas)
    for slug in options.providers:
        if slug not in catalog.providers:
            raise OptionError(unknown("provider", slug, catalog.providers))
    slugs = list(options.providers or catalog.providers)
    if options.live:
        with_key = [slug for slug in slugs if _keys(slug, options)[0] is not None]
        missing = [key_variable(slug) for slug in slugs if slug not in with_key]
        if options.providers and missing:
            raise CouldNotRun(f"a live endpoint needs a key: set {' and '.join(missing)}")
        if not with_key:
            raise CouldNotRun(f"a live endpoint needs a key: set {', '.join(missing[:-1])} or {missing[-1]}")
        slugs = with_key
    return [catalog[slug] for slug in slugs]


def _keys(slug: str, options: Options) -> tuple[str | None, dict[str, str]]:
    """Return the key of a live target and its special keys; for a double without one, a key of the examiner's own.

    Raises:
        CouldNotRun: A key has a character that no HTTP header can have.

    """
    key, special = keys_of(slug, os.environ)
    for name, value in (("", key or ""), *special.items()):
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise CouldNotRun(f"{key_variable(slug, name)}: expected printable ASCII characters without blanks")
    if options.control is None:
        return key, special
    key = key or CONTROLLED_KEY
    return key, {**(EMBEDDED_KEYS if _is_double_key(key) else {}), **special}


def find_provider(slug: str) -> Provider:
    """Return a provider of the catalogue in the package.

    Raises:
        SettingsError: It is unknown.

    """
    try:
        return choose_providers(Options(providers=(slug,)))[0]
    except OptionError as error:
        raise SettingsError(str(error)) from error


def create_examiner(provider: Provider, options: Options, shared: str | None = None) -> Examiner:
    """Return the examiner of a provider, connected to its target.

    Args:
        provider: The provider.
        options: The options of the run.
        shared: File of the budget, for several processes that spend it; None for one process.

    """
    deadline = None if options.seconds is None else time.monotonic() + options.seconds
    if options.url is None:
        return _embedded(provider, options, deadline)
    return _live(provider, options, deadline, shared)


def _live(provider: Provider, options: Options, deadline: float | None, shared: str | None) -> Examiner:
    key, special = _keys(provider.slug, options)
    target: Target = HttpTarget(options.url or provider.base_url, options.timeout)
    control, token = options.control, os.environ.get(ADMIN_TOKEN)
    ledger, budget = options.ledger, options.budget
    if control is None:
        budget = budget or Decimal(0)
    else:
        target = ControlledTarget(target, control, token) if token else target
        ledger = ledger or f"{control}/ledger?request_id={{request_id}}"
    inbox = _inbox(provider, options, target)
    if options.record is not None:
        secrets = tuple(secret for secret in (key, *special.values()) if secret)
        target = Recorder(target, provider, options.record, secrets)
    may_limit_rate = control is not None or "rate-limit" in options.allow
    return Examiner(
        provider=provider,
        target=target,
        credentials=Credentials(provider.slug, key, special, may_limit_rate=may_limit_rate),
        budget=Budget(budget, provider.currency, shared, provider.slug),
        settings=SessionSettings(
            ledger=ledger,
            control=control,
            live=control is None,
            assume_limits=options.assume_limits,
            pace=options.pace,
            image=options.image,
            profile=options.profile,
            seed=options.seed,
            deadline=deadline,
            bodies=options.bodies,
        ),
        inbox=inbox,
    )


def _inbox(provider: Provider, options: Options, target: Target) -> CallbackInbox | None:
    """Return what receives a live target's callbacks; None if it cannot reach a receiver."""
    if provider.callbacks is None:
        return None
    if options.callback_url is not None and options.callback_poll is not None:
        return PolledInbox(options.callback_url, options.callback_poll, HttpTarget(options.callback_poll))
    is_local = is_loopback_host(urlsplit(target.base_url).hostname or "")
    return LocalInbox(target) if is_local else None


def _is_double_key(key: str) -> bool:
    return key.partition(".")[0] == EMBEDDED_KEY


def embedded_credentials(slug: str) -> Credentials:
    """Return the keys that the embedded double knows."""
    return Credentials(slug, EMBEDDED_KEY, EMBEDDED_KEYS)


def _embedded(provider: Provider, options: Options, deadline: float | None) -> Examiner:
    double = create_double(Settings(seed=0), Catalog({provider.slug: provider}))
    target, inbox = connect(double, provider.slug)
    return Examiner(
        provider=provider,
        target=target,
        credentials=embedded_credentials(provider.slug),
        budget=Budget(None, provider.currency),
        settings=SessionSettings(
            ledger=LEDGER,
            control=CONTROL,
            profile=options.profile,
            seed=options.seed,
            deadline=deadline,
            bodies=options.bodies,
        ),
        now=double.clock.now,
        inbox=inbox,
    )


def connect(
    double: Double,
    slug: str,
    around: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    between: Callable[[Poster], Poster] = lambda poster: poster,
) -> tuple[EmbeddedTarget, EmbeddedInbox]:
    """Return a double in this process as a target, and what receives its callbacks.

    Args:
        around: Returns the application that answers, from the double's own.
        between: Returns what sends the callbacks, from what hands them to the receiver.

    """
    inbox = EmbeddedInbox(double.clock.now)
    app = Application(double, calls_out=False, poster=between(_Handover(double, inbox)))
    target = EmbeddedTarget(around(app), slug)

    async def let_pass(seconds: float) -> None:
        await _move(double, seconds)
        await app.callback_worker.deliver_due()

    inbox.connect(target, let_pass)
    return target, inbox


async def _move(double: Double, seconds: float) -> None:
    double.clock.offset = await double.store.move_clock(seconds)


class _Handover:
    """Hands callbacks to a receiver in this process. One without an answer ends by the double's clock."""

    def __init__(self, double: Double, inbox: EmbeddedInbox) -> None:
        self._double = double
        self._inbox = inbox

    async def post(self, url: str, headers: dict[str, str], body: bytes, seconds: float) -> int:
        """Hand a callback over and return the answer."""
        status = await self._inbox.take(url, headers, body, seconds)
        if status is None:
            await _move(self._double, seconds)
            raise OutboundError(f"no answer within {seconds:g} s")
        return status
