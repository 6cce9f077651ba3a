"""Journal entries: enough to understand a call, without its key and its images."""

import asyncio
import contextlib
import hashlib
import time

import orjson

from qwenmock.mockserver.accounts.keys import mask
from qwenmock.mockserver.api_error import ApiError
from qwenmock.mockserver.calls.call import Answer, BodyTooLarge, BodyUnfinished, Call, Trace
from qwenmock.mockserver.models import Charge
from qwenmock.mockserver.store.brief import brief
from qwenmock.mockserver.store.headers import answer_headers, request_headers
from qwenmock.mockserver.store.records import NewEntry
from qwenmock.schemas.sources import cited

LARGEST_HASHED = 2**20
"""Bytes of a body that is read only to tell the refused call from others."""
HASH_SECONDS = 2.0


async def fingerprint(call: Call, trace: Trace) -> str:
    """Return a hash of a refused call's key, and of its body if that was not read: they tell it from other calls."""
    digest = _hash_of(call.header("authorization"))
    length = call.header("content-length")
    if trace.body is None and length.isdecimal() and int(length) <= LARGEST_HASHED:
        with contextlib.suppress(BodyTooLarge, BodyUnfinished, TimeoutError):
            async with asyncio.timeout(HASH_SECONDS):
                digest.update(await call.read())
    return digest.hexdigest()


def sender_of(authorization: str) -> str:
    """Return the fingerprint of a refused call whose body was read."""
    return _hash_of(authorization).hexdigest()


def _hash_of(authorization: str) -> "hashlib.blake2b":
    return hashlib.blake2b(authorization.encode(), digest_size=8)


def entry(call: Call, trace: Trace, answer: Answer, charge: Charge | None, error: ApiError | None) -> NewEntry:
    """Return the journal entry of a call that is answered now.

    Args:
        call: The call.
        trace: What is known about it.
        answer: Its body is put into the entry as JSON, without being parsed.
        charge: What is billed for it; None for nothing.
        error: Why it was refused; None if it was not.

    """
    now = time.perf_counter()
    job, rule = trace.job, error.rule if error else None
    masked = mask(trace.key) if trace.key else ""
    return {
        "id": trace.request_id,
        "at": trace.at,
        "provider": call.provider.slug,
        "endpoint": call.endpoint.name,
        "method": call.method,
        "path": call.path,
        "key": masked,
        "status": answer.status,
        "milliseconds": round((now - trace.marks[0][1]) * 1000, 3),
        "microseconds": trace.timings(now),
        "variant": trace.variant,
        "model": job.model if job else "",
        "task": trace.task_id,
        "effective_prompt": brief(job.prompt) if job else "",
        "effective_negative_prompt": brief(job.negative_prompt) if job else "",
        "request": trace.body,
        "answer": orjson.Fragment(answer.body),
        "retry_after": None if error is None else error.headers.get("Retry-After"),
        "refusal": None if error is None else {"kind": error.kind, "detail": error.detail},
        "rule": None
        if rule is None
        else {"id": rule.id, "source": cited(rule.source), "certainty": rule.reject_certainty},
        "advisories": trace.advisories,
        "charge": None
        if charge is None
        else {"id": charge.id, "images": charge.images, "amount": f"{charge.amount:f}", "currency": charge.currency},
        "request_headers": request_headers(call.headers, masked),
        "answer_headers": answer_headers(answer.headers, len(answer.body)),
    }
