"""The compiled path: usual requests answered by one flat function, `CompiledEndpoint.answer`.

What it needs is derived from the catalogue and the dialects when the server starts, or with the first request of its
kind. A request that is unusual in any way leaves the function early, before anything has changed, and takes the
general way (`pipeline`). Both give the same answer, headers, charge and journal entry: a property test compares them.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

import orjson

from qwenmock.mockserver.accounts import pricing
from qwenmock.mockserver.accounts.keys import mask
from qwenmock.mockserver.api_error import ApiError
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.calls.generation import SEED_BITS
from qwenmock.mockserver.calls.input_images import may_be_local, unread
from qwenmock.mockserver.calls.sizes import default_size
from qwenmock.mockserver.calls.templates import Fill, success_template
from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.images.links import recipe_of
from qwenmock.mockserver.metrics import Bill
from qwenmock.mockserver.models import Job
from qwenmock.mockserver.money import to_units
from qwenmock.mockserver.store.compact import CompactEntry, Place
from qwenmock.mockserver.store.protocols import InsufficientBalance
from qwenmock.mockserver.store.records import ChargeRow
from qwenmock.schemas.models import Endpoint, Provider, Variant
from qwenmock.schemas.vocabulary import JSON

DIRECTIVE = "[[qwenmock:"
MAX_BODY = 64 * 1024
"""A larger body is not usual: it holds an image, or is refused."""
TERMS = 4096
REMEMBERED = 1024

UNUSUAL = (ApiError, InsufficientBalance, StoreError, orjson.JSONDecodeError)
"""What sends a request the general way, which finds it again and answers it."""


class Terms(NamedTuple):
    """What is the same for all requests of a variant with the same model and numbers of images.

    Attributes:
        cost: In billionths, as `unit_price`, which is None if it is not known.
        amount: The cost as the journal shows it.
        fill: Writes the answer.

    """

    place: Place
    cost: int
    unit_price: int | None
    amount: str
    bill: Bill
    fill: Fill


class SentAnswer(NamedTuple):
    """An answer with status 200 and no headers but the usual ones."""

    request_id: str
    body: bytes


class CompiledEndpoint:
    """An endpoint that makes images at once.

    Args:
        double: The server.
        provider: Its provider.
        endpoint: The endpoint.

    """

    def __init__(self, double: Double, provider: Provider, endpoint: Endpoint) -> None:
        self._double = double
        self._provider = provider
        self._endpoint = endpoint
        self._handlers = {variant.name: double.handlers[provider.slug, variant.name] for variant in endpoint.variants}
        self._unusual_headers = _unusual_headers(provider, endpoint)
        self._terms = lru_cache(maxsize=TERMS)(self._make_terms)

    async def answer(
        self, path: str, headers: Mapping[bytes, bytes], base_url: str, read: Callable[[], Awaitable[bytes | bytearray]]
    ) -> SentAnswer | None:
        """Answer a usual request; return None for another one, of which nothing was noted."""
        began = time.perf_counter()
        double, provider, slug = self._double, self._provider, self._provider.slug
        if double.plan.faults or not self._unusual_headers.isdisjoint(headers):
            return None
        try:
            # Who, and whether a call may be made. The body is read afterwards, as in the general way.
            key, profile, _ = double.caller(slug, headers.get(b"authorization", b"").decode("latin-1"))
            balance = double.store.quick_balance(slug, key)
            if balance is None or profile.always is not None:
                return None
            # What, and whether it is valid.
            data = bytes(await read())
            body = orjson.loads(data)
            variant = self._variant_of(body)
            if variant is None:
                return None
            handler = self._handlers[variant.name]
            if not handler.validator.is_definitely_valid(body):
                return None
            job = handler.extract(body)
            if DIRECTIVE in job.prompt or any(map(may_be_local, job.images)):
                return None
            if variant.unnamed_images(job.prompt, len(job.images)) is not None:
                return None
            # What it costs. The account is asked again when it is charged.
            inputs = [unread(provider, url) for url in job.images]
            size = job.size or default_size(variant.picture, inputs)
            pixels = pricing.equal_pixels(provider, job.model, size)
            terms = self._terms(variant.name, job.model, job.n, len(job.images), pixels)
            if terms is None or balance < terms.cost or balance == 0 or not is_plain(base_url):
                return None
            # The images and the answer. Random numbers are drawn in the order of the general way.
            now, request_id = double.clock.now(), double.new_id()
            seed = double.rng.getrandbits(SEED_BITS) if job.seed is None else job.seed
            expires = int(now) + provider.link_lifetime
            urls = await double.links.make(recipe_of(job, inputs, seed, size, request_id), base_url, expires)
            answer = terms.fill((request_id, int(now), *size, *urls)).encode()
            # The charge and the journal entry, booked together.
            charge_id, seconds = double.new_id(), time.perf_counter() - began
            row = ChargeRow(
                charge_id, request_id, slug, job.model, key, job.n, terms.unit_price, provider.currency, terms.cost, now
            )
            entry = CompactEntry(
                terms.place, key, mask(key), request_id, now, seconds, path, job.model, "", job.prompt,
                job.negative_prompt, data, answer, charge_id, job.n, terms.amount,
                headers,
            )  # fmt: skip
            double.store.sell(row, entry)
        except UNUSUAL:
            return None
        double.metrics.answered(slug, 200, "charge", time.perf_counter() - began, terms.bill)
        double.log(entry)
        return SentAnswer(request_id, answer)

    def _variant_of(self, body: JSON) -> Variant | None:
        """Return the variant whose schema applies to a body; None if there is none."""
        if not isinstance(body, dict):
            return None
        model = body.get("model")
        return self._endpoint.variant_of(model, body) if isinstance(model, str) else None

    def _make_terms(self, name: str, model: str, n: int, images: int, pixels: int) -> Terms | None:
        """Return the terms for images of up to so many pixels; None if the dialect's answers cannot be predicted."""
        provider, endpoint = self._provider, self._endpoint
        variant = provider.variants[name]
        own = self._double.settings.prices
        price = pricing.unit_price(provider, model, own, pixels)
        cost = pricing.cost(price, n, pricing.input_cost(provider, model, own, images))
        job = Job(provider, variant, model, "", "", n, None, None, False, False, ("",) * images, None)
        fill = success_template(self._double.dialect_for(provider, endpoint), job)
        if fill is None:
            return None
        return Terms(
            place=Place(provider.slug, endpoint.name, endpoint.method, variant.name, provider.currency),
            cost=to_units(cost),
            unit_price=None if price is None else to_units(price),
            amount=f"{cost:f}",
            bill=Bill(provider.currency, n, cost),
            fill=fill,
        )


def compile_endpoints(double: Double) -> Mapping[tuple[str, str], CompiledEndpoint]:
    """Return the compiled endpoints by provider slug and endpoint name; none if a setting makes every call unusual."""
    settings = double.settings
    if settings.replay is not None or settings.latency.maximum > 0 or settings.fetch_images:
        return {}
    return {
        (provider.slug, endpoint.name): CompiledEndpoint(double, provider, endpoint)
        for provider in double.catalog
        for endpoint in provider.endpoints.values()
        if endpoint.kind == "create" and endpoint.created_response is None
    }


def _unusual_headers(provider: Provider, endpoint: Endpoint) -> frozenset[bytes]:
    """Return the names of headers that change what is answered, in lower case."""
    required = (each.required_header for each in provider.endpoints.values() if each is not endpoint)
    return frozenset({b"prefer", *(header[0].lower().encode() for header in required if header is not None)})


@lru_cache(maxsize=REMEMBERED)
def is_plain(text: str) -> bool:
    """Return whether a text stands in JSON as it is."""
    return orjson.dumps(text) == f'"{text}"'.encode()
