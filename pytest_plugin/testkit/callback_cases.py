"""`qwenmock check-callback`: test how a callback receiver handles duplicate, late, forged and oversized callbacks."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import httpx

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.control.samples import ended_task, running_task
from qwenmock.mockserver.net import webhook_signatures
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON

HUGE_BYTES = 20 * 2**20
OLD_SECONDS = 3600
TIMEOUT_SECONDS = 10.0
"""Time after which a provider gives up an attempt."""
FOREIGN_SECRET = "whsec_" + "AAAA" * 8
ACCEPTED = f"2xx within {TIMEOUT_SECONDS:g} s"
NOT_SIGNED_BY_PROVIDER = "4xx: it is not signed by the provider"


@dataclass(frozen=True)
class Case:
    """A callback that was sent, and how the receiver handled it.

    Attributes:
        name: For example `duplicate`.
        expects: What a correct receiver answers, in words.
        status: HTTP status of the answer; 0 if there was none.
        seconds: Time to the answer.
        holds: Whether the answer is as expected.
        detail: Why there was no answer; "" if there was one.

    """

    name: str
    expects: str
    status: int
    seconds: float
    holds: bool
    detail: str = ""


@dataclass(frozen=True)
class _Callback:
    """A callback to send.

    Attributes:
        signed_at: Unix time in the signature.
        secret: Secret to sign with; None for no signature.
        outcome: What a correct receiver does.

    """

    name: str
    expects: str
    content: bytes
    message_id: str
    signed_at: int
    secret: str | None
    outcome: Literal["accept", "refuse", "either"] = "accept"

    def headers(self) -> dict[str, str]:
        plain = {"Content-Type": "application/json", "User-Agent": f"qwenmock/{__version__}"}
        if self.secret is None:
            return plain
        return plain | webhook_signatures.headers(self.secret, self.message_id, self.signed_at, self.content)


@dataclass(frozen=True)
class _Bodies:
    """Callback bodies of a provider: two tasks that succeeded, and the first of them while it was running."""

    ended: Mapping[str, JSON]
    running: Mapping[str, JSON]
    other: Mapping[str, JSON]


def examine(provider: Provider, url: str, secret: str | None, report: Callable[[Case], None]) -> list[Case]:
    """Send callbacks to a receiver.

    Args:
        provider: The provider whose callbacks are sent.
        url: Where the receiver listens.
        secret: Secret (`whsec_…`) that the receiver verifies signatures with; None sends unsigned callbacks.
        report: Called with each case as soon as it is known.

    Returns:
        All cases.

    Raises:
        ValueError: The provider documents no callbacks.

    """
    cases: list[Case] = []
    callbacks = _callbacks(_bodies(provider), secret, int(time.time()))
    with httpx.Client(timeout=2 * TIMEOUT_SECONDS) as client:
        for callback in callbacks:
            case = _send(client, url, callback)
            report(case)
            cases.append(case)
    return cases


def _bodies(provider: Provider) -> _Bodies:
    variants = [v for v in provider.variants.values() if ended_task(provider, v) is not None]
    if provider.callbacks is None or not variants:
        raise ValueError(f"{provider.slug} makes no callbacks")
    variant = variants[0]
    ended, running = ended_task(provider, variant), running_task(provider, variant)
    other = ended_task(provider, variant, seed=1)
    assert ended is not None, "the variant was selected by it"
    assert running is not None, "what has an ended task has a running one"
    assert other is not None, "the seed only changes the id"
    return _Bodies(ended=ended, running=running, other=other)


def _callbacks(bodies: _Bodies, secret: str | None, now: int) -> list[_Callback]:
    """Return the callbacks to send, in order; those about signatures only if there is a secret."""
    first = _Callback("first", ACCEPTED, _encode(bodies.ended), "msg_1", now, secret)
    huge = _encode({**bodies.ended, "padding": "x" * HUGE_BYTES})
    callbacks = [
        first,
        replace(first, name="duplicate", expects=f"{ACCEPTED}: it was delivered twice"),
        replace(
            first,
            name="late",
            expects=f"{ACCEPTED}: its task ended an hour ago",
            content=_encode(bodies.other),
            message_id="msg_2",
        ),
        replace(
            first,
            name="out-of-order",
            expects=f"{ACCEPTED}: an earlier state after the last",
            content=_encode(bodies.running),
            message_id="msg_3",
        ),
        replace(
            first,
            name="huge",
            expects=f"413 or another 4xx, or 2xx: {HUGE_BYTES // 2**20} MB",
            content=huge,
            message_id="msg_4",
            outcome="either",
        ),
        replace(first, name="invalid-json", expects="4xx", content=b"{not json", message_id="msg_5", outcome="refuse"),
    ]
    if secret is None:
        return callbacks
    refused = replace(first, expects=NOT_SIGNED_BY_PROVIDER, outcome="refuse")
    replayed = "4xx: it was signed an hour ago"
    return [
        *callbacks,
        replace(refused, name="forged", message_id="msg_6", secret=FOREIGN_SECRET),
        replace(refused, name="unsigned", message_id="msg_7", secret=None),
        replace(refused, name="replayed", message_id="msg_8", expects=replayed, signed_at=now - OLD_SECONDS),
    ]


def _encode(body: Mapping[str, JSON]) -> bytes:
    return json.dumps(body).encode()


def _send(client: httpx.Client, url: str, callback: _Callback) -> Case:
    started = time.perf_counter()
    try:
        status, detail = client.post(url, content=callback.content, headers=callback.headers()).status_code, ""
    except httpx.HTTPError as error:
        status, detail = 0, f"{type(error).__name__}: {error}"
    seconds = round(time.perf_counter() - started, 3)
    is_accepted, is_refused = 200 <= status < 300 and seconds <= TIMEOUT_SECONDS, 400 <= status < 500
    holds = {"accept": is_accepted, "refuse": is_refused, "either": is_accepted or is_refused}[callback.outcome]
    return Case(callback.name, callback.expects, status, seconds, holds, detail)
