"""The way of one call through the server, in one direction.

`serve` dispatches a call to the stages of its kind, each of which hands a new value to the next:

    making images  receive -> ReceivedRequest -> accept -> AcceptedRequest -> generate | create_task -> Outcome
    a query        answer_query -> Outcome
    a recording    as_recorded -> Outcome

Then it books the charge and writes the journal. A stage raises `ApiError` to refuse the call; nothing is billed
before its images exist.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Literal, NamedTuple

import orjson

from qwenmock.mockserver.api_error import ApiError
from qwenmock.mockserver.calls import journal, misspelt
from qwenmock.mockserver.calls.acceptance import accept, receive
from qwenmock.mockserver.calls.call import Answer, Call, Trace
from qwenmock.mockserver.calls.client_behaviour import UNREAL_WAITS
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.calls.effects import NO_EFFECTS, Effects, preferences
from qwenmock.mockserver.calls.generation import create_task, generate
from qwenmock.mockserver.calls.queries import answer_query
from qwenmock.mockserver.calls.replay import with_links
from qwenmock.mockserver.calls.responses import headers, refusal, to_api_error
from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.images.links import Recipe
from qwenmock.mockserver.metrics import Bill
from qwenmock.mockserver.models import Charge
from qwenmock.mockserver.store.protocols import InsufficientBalance, NoReservation
from qwenmock.mockserver.store.records import NewEntry
from qwenmock.schemas.recordings import Recording
from qwenmock.schemas.vocabulary import JSON

RECORDED_SIZE = (1024, 1024)
MAX_LINKS = 16
"""Pictures in one recorded answer."""


class Outcome(NamedTuple):
    """What a call came to, before it is booked and sent.

    Attributes:
        charge: To be booked with the journal entry; None if nothing is billed.
        drop: Where the connection is to be cut.
        is_malformed: Whether the JSON that is sent ends in the middle.
        headers: Additional headers by lower-case name; None for none.

    """

    body: JSON
    charge: Charge | None = None
    drop: Literal["before", "mid-body"] | None = None
    status: int = 200
    headers: Mapping[str, str] | None = None
    is_malformed: bool = False


async def serve(double: Double, call: Call) -> Answer:
    """Answer a call to a provider, book its charge and write its journal entry."""
    trace = Trace(call.request_id, double.clock.now())
    if not double.waits_are_real():
        trace.advisories.append(UNREAL_WAITS)
    trace.enter("authenticate")
    charge = drop = None
    is_malformed = False
    try:
        outcome = await dispatch(double, call, trace)
        charge, drop, is_malformed = outcome.charge, outcome.drop, outcome.is_malformed
        answer = Answer(outcome.status, orjson.dumps(outcome.body), headers(trace, more=outcome.headers))
        entry = journal.entry(call, trace, answer, charge, None)
        if charge is None:
            await record(double, entry, trace.key)
        else:
            # Booked together with the journal entry; the answer must not be sent before.
            await book(double, call, charge, entry, is_held=trace.is_held)
    except BaseException as failure:
        if trace.is_held:
            await release_hold(double, call, trace)
        if not isinstance(failure, Exception):
            raise
        charge, is_malformed = None, False
        answer, entry = await refuse(double, call, trace, to_api_error(failure))
    seconds = time.perf_counter() - trace.marks[0][1]
    bill = None if charge is None else Bill(charge.currency, charge.images, charge.amount)
    double.metrics.answered(call.provider.slug, answer.status, trace.stage, seconds, bill)
    double.log(entry)
    if is_malformed:
        answer = answer._replace(body=answer.body[: len(answer.body) // 2])
    return answer if drop is None else answer._replace(drop=drop)


async def book(double: Double, call: Call, charge: Charge, entry: NewEntry, *, is_held: bool) -> None:
    """Book a charge with the journal entry of its request."""
    try:
        await double.store.charge(charge, entry, is_held=is_held)
    except (InsufficientBalance, NoReservation):
        # A reset may have removed the account, or the reservation, since the request was accepted.
        await double.store.account(double.caller(call.provider.slug, call.header("authorization")).defaults)
        await double.store.charge(charge, entry, is_held=False)


async def dispatch(double: Double, call: Call, trace: Trace) -> Outcome:
    """Take a call through the stages of its kind."""
    preferred = preferences(call.provider, call.header("prefer"))
    trace.advisories += misspelt.on_preferences(call.provider, call.header("prefer"))
    if preferred is not NO_EFFECTS:
        trace.applied = preferred.applied
        await apply_preferences(preferred)
    if not call.endpoint.variants:
        recording = find_recording(double, call, call.endpoint.path.replace("{task_id}", call.task_id), None)
        if recording is not None:
            return await as_recorded(double, call, trace, recording)
        return Outcome(await answer_query(double, call, trace))
    received = await receive(double, call, trace)
    recording = find_recording(double, call, call.endpoint.path, received.body)
    if recording is not None:
        return await as_recorded(double, call, trace, recording)
    request = await accept(double, call, received, trace)
    dialect = double.dialect_for(call.provider, call.endpoint)
    effects = request.effects
    if call.endpoint.created_response is None:
        result, charge = await generate(double, call, request, trace)
        return Outcome(dialect.success(result), charge, effects.drop, is_malformed=effects.is_malformed)
    task = await create_task(double, call, request, trace)
    return Outcome(dialect.created(call.provider, task), drop=effects.drop, is_malformed=effects.is_malformed)


async def apply_preferences(preferred: Effects) -> None:
    """Wait or fail as a `Prefer` header requests, before anything else happens."""
    if preferred.wait:
        await asyncio.sleep(preferred.wait)
    if preferred.error is not None:
        raise ApiError(preferred.error, "requested by the Prefer header")


def find_recording(double: Double, call: Call, path: str, body: JSON) -> Recording | None:
    """Return the recording of a request; None if there is none or nothing is replayed."""
    return None if double.replay is None else double.replay.find(call.provider.slug, path, body)


async def as_recorded(double: Double, call: Call, trace: Trace, recording: Recording) -> Outcome:
    """Answer as recorded, with new links for expired ones. Nothing is billed."""
    trace.enter("replay")
    width, height = RECORDED_SIZE
    recipe = Recipe(
        model="recorded",
        prompt="",
        negative_prompt="",
        seed=0,
        width=width,
        height=height,
        images=MAX_LINKS,
        watermark="",
        request_id=trace.request_id,
        inputs=(),
    )
    base_url = double.settings.public_url or call.base_url
    links = await double.links.make(recipe, base_url, int(double.clock.now()) + call.provider.link_lifetime)
    trace.advisories.append("answered as recorded")
    return Outcome(
        body=with_links(recording.answer, links, call.provider.link_names),
        status=recording.status,
        headers={n.lower(): v for n, v in recording.headers.items() if n.lower() != "content-type"},
    )


async def release_hold(double: Double, call: Call, trace: Trace) -> None:
    """Release the hold of a request that failed. If the store fails too, the hold ends with its term."""
    with contextlib.suppress(StoreError):
        await double.store.release(call.provider.slug, trace.key, trace.request_id)


async def refuse(double: Double, call: Call, trace: Trace, error: ApiError) -> tuple[Answer, NewEntry]:
    """Write the refusal of a call and its journal entry."""
    if error.kind == "rate_limited":
        error.headers.setdefault("Retry-After", str(call.provider.retry_after))
    answer = refusal(double.dialect_for(call.provider, call.endpoint), call, error, trace)
    entry = journal.entry(call, trace, answer, None, error)
    entry["fingerprint"] = await journal.fingerprint(call, trace)
    await record(double, entry, trace.key)
    return answer, entry


async def record(double: Double, entry: NewEntry, key: str) -> None:
    """Write an entry into the journal. If that fails, the answer is still right and is sent."""
    try:
        await double.store.record(entry, key)
    except StoreError as error:
        entry["advisories"].append(f"not in the journal: {error}")
