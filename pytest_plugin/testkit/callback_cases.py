"""`qwenmock check-callback`: how a program that receives callbacks copes with what a network and strangers send it."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.control.samples import ended_task
from qwenmock.mockserver.net import webhook_signatures
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON

HUGE = 20 * 2**20
OLD_SECONDS = 3600
SLOW = 10.0
"""Seconds after which a provider gives an attempt up."""


@dataclass(frozen=True)
class Case:
    """One callback and what became of it.

    Attributes:
        expects: In words, what a good receiver does.
        status: 0 for none.
        holds: Whether it did; None where that cannot be told from outside.

    """

    name: str
    expects: str
    status: int
    seconds: float
    holds: bool | None
    detail: str = ""


def bodies(provider: Provider) -> tuple[Mapping[str, JSON], Mapping[str, JSON]]:
    """Return the callback of a task that has succeeded, and that of another.

    Raises:
        ValueError: The provider makes no callbacks.

    """
    variants = [v for v in provider.variants.values() if ended_task(provider, v) is not None]
    if provider.callbacks is None or not variants:
        raise ValueError(f"{provider.slug} makes no callbacks")
    sample = ended_task(provider, variants[0])
    assert sample is not None, "just looked for"
    text = json.dumps(sample)
    other = json.loads(text.replace(str(sample["id"]), str(sample["id"])[:-4] + "zzzz"))
    return sample, other


def examine(provider: Provider, url: str, secret: str | None, tell: Callable[[Case], None]) -> list[Case]:
    """Send the callbacks and return what became of each."""
    body, other = bodies(provider)
    plain, second = json.dumps(body).encode(), json.dumps(other).encode()
    earlier = json.dumps({**body, "status": "processing", "progress": 40, "results": []}).encode()
    now = int(time.time())
    accepted, refused = "2xx within 10 s", "4xx: it is not signed by the provider"
    huge = json.dumps({**body, "padding": "x" * HUGE}).encode()
    cases: list[tuple[str, str, bytes, str, int, str | None, bool | None]] = [
        ("first", accepted, plain, "msg_1", now, secret, True),
        ("duplicate", f"{accepted}: it was delivered twice", plain, "msg_1", now, secret, True),
        ("late", f"{accepted}: its task ended an hour ago", second, "msg_2", now, secret, True),
        ("out-of-order", f"{accepted}: an earlier state after the last", earlier, "msg_3", now, secret, True),
        ("huge", f"413 or another 4xx, or 2xx: {HUGE // 2**20} MB", huge, "msg_4", now, secret, None),
        ("no JSON", "4xx", b"{not json", "msg_5", now, secret, False),
    ]
    if secret is not None:
        cases += [
            ("forged", refused, plain, "msg_6", now, "whsec_" + "AAAA" * 8, False),
            ("unsigned", refused, plain, "msg_7", now, None, False),
            ("replayed", "4xx: it was signed an hour ago", plain, "msg_8", now - OLD_SECONDS, secret, False),
        ]
    found: list[Case] = []
    with httpx.Client(timeout=2 * SLOW) as client:
        for name, expects, content, message_id, signed_at, with_secret, is_due in cases:
            headers = {"Content-Type": "application/json", "User-Agent": f"qwenmock/{__version__}"}
            if with_secret is not None:
                headers |= webhook_signatures.headers(with_secret, message_id, signed_at, content)
            case = _sent(client, url, name, expects, content, headers, is_due)
            tell(case)
            found.append(case)
    return found


def _sent(
    client: httpx.Client,
    url: str,
    name: str,
    expects: str,
    content: bytes,
    headers: dict[str, str],
    is_due: bool | None,
) -> Case:
    """Send one callback. Due: True for one to be taken, False for one to be refused, None for either."""
    began = time.perf_counter()
    try:
        status, detail = client.post(url, content=content, headers=headers).status_code, ""
    except httpx.HTTPError as error:
        status, detail = 0, f"{type(error).__name__}: {error}"
    seconds = round(time.perf_counter() - began, 3)
    is_taken, is_refused = 200 <= status < 300 and seconds <= SLOW, 400 <= status < 500
    holds = {True: is_taken, False: is_refused, None: is_taken or is_refused}[is_due]
    return Case(name, expects, status, seconds, holds, detail)
