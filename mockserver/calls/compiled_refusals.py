"""The compiled path of a refusal: what it answers, and what the journal says, for a body that breaks a rule."""

import time
from collections.abc import Mapping
from typing import NamedTuple

from qwenmock.mockserver.accounts.keys import mask
from qwenmock.mockserver.api_error import ApiError
from qwenmock.mockserver.calls.call import Answer, Call
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.calls.journal import sender_of
from qwenmock.mockserver.calls.responses import error_headers, refusal_body
from qwenmock.mockserver.store.compact import CompactEntry, CompactRefusal, Place
from qwenmock.mockserver.store.protocols import QuickStore
from qwenmock.schemas.models import Endpoint, Provider, Rule, Variant
from qwenmock.schemas.sources import cited
from qwenmock.schemas.vocabulary import JSON

LARGEST = 4000
"""Bytes of a body that the journal keeps as it is until it is read. A larger one, which may hold an image, does not
stay in memory: it takes the general way.
"""


class Received(NamedTuple):
    """A call whose sender is known, and its body.

    Attributes:
        began: The performance counter when it came.

    """

    call: Call
    key: str
    data: bytes
    body: JSON
    began: float


class CompiledRefusals:
    """Refuses the bodies of one endpoint that break a rule of their variant's schema.

    Args:
        double: The server.
        store: Its store.
        provider: Its provider.
        endpoint: The endpoint.

    """

    def __init__(self, double: Double, store: QuickStore, provider: Provider, endpoint: Endpoint) -> None:
        self._double = double
        self._store = store
        self._dialect = double.dialect_for(provider, endpoint)
        self._handlers = {variant.name: double.handlers[provider.slug, variant.name] for variant in endpoint.variants}
        self._places: Mapping[str, Place] = {
            variant.name: Place(provider.slug, endpoint.name, endpoint.method, variant.name, provider.currency)
            for variant in endpoint.variants
        }

    async def refuse(self, received: Received, variant: Variant) -> Answer | None:
        """Refuse a body that breaks a rule; None for one that breaks none, or is unusual: nothing was noted then."""
        call, key, data, body, began = received
        if len(data) > LARGEST:
            return None
        violation = self._handlers[variant.name].validator.explain(variant.request.unwrapped(body))
        if violation is None:
            return None
        double, rule = self._double, violation.rule
        error = ApiError(rule.error, violation.detail, rule)
        now = double.clock.now()
        status, answer = refusal_body(self._dialect, call, error, model="")
        headers = {"x-request-id": call.request_id, **error_headers(error)}
        entry = CompactEntry(
            self._places[variant.name], key, mask(key), call.request_id, now, time.perf_counter() - began, call.path,
            "", "", "", "", data, answer, False, 0, "", call.headers, _told(status, error, rule, call, headers),
        )  # fmt: skip
        committed = self._store.note(entry)
        if committed is not None:
            await committed
        double.metrics.answered(call.provider.slug, status, "validate", time.perf_counter() - began, None)
        double.log(entry)
        return Answer(status, answer, headers)


def _told(status: int, error: ApiError, rule: Rule, call: Call, headers: Mapping[str, str]) -> CompactRefusal:
    sender = sender_of(call.header("authorization"))
    return CompactRefusal(
        status, error.kind, error.detail, rule.id, cited(rule.source), rule.reject_certainty, sender, headers
    )
