"""A call's way through the double, in one direction.

Authenticate, limit, parse, validate, inspect the images, permit, reserve, generate, charge, render, journal. Each
step takes plain values and raises `ApiError`; nothing is billed before its images exist.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, cast
from urllib.parse import quote

import orjson

from qwenmock.mockserver.accounts import pricing
from qwenmock.mockserver.accounts.keys import Caller, Profile
from qwenmock.mockserver.calls import journal
from qwenmock.mockserver.calls.call import Answer, BodyTooLarge, Call, Trace
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.calls.faults import Effects, directives, preferences
from qwenmock.mockserver.calls.input_images import inspect
from qwenmock.mockserver.calls.queries import answer_query
from qwenmock.mockserver.calls.replay import with_links
from qwenmock.mockserver.calls.validation import BodyValidator, format_value
from qwenmock.mockserver.errors import ApiError, Dropped, StoreError
from qwenmock.mockserver.images.links import Recipe, recipe_of
from qwenmock.mockserver.models import Charge, Input, Job, Refused, Result, Task
from qwenmock.mockserver.store.protocols import InsufficientBalance, TooManyRequests
from qwenmock.mockserver.tasks.lifecycle import new_id as new_task_id
from qwenmock.mockserver.tasks.lifecycle import settle_finished
from qwenmock.mockserver.tasks.lifecycle import times as task_times
from qwenmock.schemas.models import Provider, Variant
from qwenmock.schemas.recordings import Recording
from qwenmock.schemas.vocabulary import JSON

logger = logging.getLogger("qwenmock")
JSON_TYPE = "application/json"
SEED_BITS = 31
REPLAYED_SIZE = (1024, 1024)
MOST_LINKS = 16
"""Pictures that one recorded answer may hold."""
HOLD_GRACE = 5.0
"""Seconds that a hold outlives the time its request should take: after that its process must have died."""


class Order(NamedTuple):
    """A valid request that may be carried out: what is asked for, who pays, what it costs, what is to go wrong."""

    job: Job
    inputs: tuple[Input, ...]
    caller: Caller
    price: Decimal | None
    effects: Effects


async def serve(double: Double, call: Call) -> Answer:
    """Answer a call to a provider, and put it into the journal.

    Raises:
        Dropped: A fault cuts the connection.

    """
    trace = Trace(double.new_id(), double.clock.now())
    trace.enter("authenticate")
    effects = preferences(call.provider, call.header("prefer"))
    try:
        body, effects = await carry_out(double, call, trace, effects)
        answer = Answer(200, orjson.dumps(body), _headers(trace, None))
        entry = journal.entry(call, trace, answer, None, time.perf_counter())
        if trace.charge is None:
            await record(double, entry, trace.key)
        else:
            # Booked together with the journal's entry; the answer must not leave before.
            await double.store.charge(trace.charge, entry, is_held=trace.is_held)
            trace.is_held = False
    except Replayed as found:
        answer, entry = await replayed(double, call, trace, found.recording)
    except BaseException as failure:
        if trace.is_held:
            await give_back(double, call, trace)
        if not isinstance(failure, Exception):
            raise
        error = failure if isinstance(failure, ApiError) else explained(failure)
        trace.charge = None
        if error.kind == "rate_limited":
            error.headers.setdefault("Retry-After", str(call.provider.retry_after))
        status, body = refused(double, call, error, trace)
        answer = Answer(status, orjson.dumps(body), _headers(trace, error))
        entry = journal.entry(call, trace, answer, error, time.perf_counter())
        await record(double, entry, trace.key)
    seconds = time.perf_counter() - trace.marks[0][1]
    double.metrics.answered(call.provider.slug, answer.status, trace.stage, seconds, trace.charge)
    double.log(entry)
    if effects.drop == "before":
        raise Dropped
    if effects.drop == "mid-body":
        raise Dropped(answer.body[: len(answer.body) // 2], len(answer.body))
    return answer


class Replayed(Exception):  # noqa: N818, a way out of the pipeline, no failure
    """The request was recorded: its answer is known."""

    def __init__(self, recording: Recording) -> None:
        super().__init__("recorded")
        self.recording = recording


def replay(double: Double, call: Call, path: str, body: JSON) -> None:
    """Leave the pipeline where the call was recorded."""
    if double.replay is not None:
        recording = double.replay.find(call.provider.slug, path, body)
        if recording is not None:
            raise Replayed(recording)


async def replayed(double: Double, call: Call, trace: Trace, recording: Recording) -> tuple[Answer, dict[str, JSON]]:
    """Answer as was recorded. Links that have ended become new ones to drawn pictures; nothing is billed."""
    trace.enter("replay")
    now = double.clock.now()
    recipe = Recipe("recorded", "", "", 0, *REPLAYED_SIZE, MOST_LINKS, "", trace.request_id, ())
    base_url = double.settings.public_url or call.base_url
    links = await double.links.make(recipe, base_url, int(now) + call.provider.link_lifetime)
    body = with_links(recording.answer, links, call.provider.link_names)
    trace.advisories.append("answered as recorded")
    answer = Answer(
        recording.status,
        orjson.dumps(body),
        _headers(trace, None) | {n.lower(): v for n, v in recording.headers.items() if n.lower() != "content-type"},
    )
    entry = journal.entry(call, trace, answer, None, time.perf_counter())
    await record(double, entry, trace.key)
    return answer, entry


def explained(failure: Exception) -> ApiError:
    """Return what the client is told of something that is no refusal by itself."""
    if isinstance(failure, InsufficientBalance):
        # The balance was enough when it was asked for: another request was faster.
        return ApiError("insufficient_balance", "the account has less than is due")
    if isinstance(failure, StoreError):
        return ApiError("internal", f"the store failed: {failure}")
    # A mistake of our own: the client gets the documented 500, and whoever runs the double reads what it was.
    logger.error("the double itself failed", exc_info=failure)
    return ApiError("internal", f"the double itself failed: {type(failure).__name__}: {failure}")


async def give_back(double: Double, call: Call, trace: Trace) -> None:
    """End the hold of a request that came to nothing. Where the store fails too, the hold ends with its term."""
    trace.is_held = False
    with contextlib.suppress(StoreError):
        await double.store.release(call.provider.slug, trace.key, trace.request_id)


async def carry_out(double: Double, call: Call, trace: Trace, effects: Effects) -> tuple[JSON, Effects]:
    """Return the body that answers a call, and what was asked to go wrong with it."""
    trace.applied = effects.applied
    if effects.wait:
        await asyncio.sleep(effects.wait)
        effects = replace(effects, wait=0.0)
    if effects.error is not None:
        raise ApiError(effects.error, "asked for by the Prefer header")
    if not call.endpoint.variants:
        replay(double, call, call.endpoint.path.replace("{task_id}", call.task_id), None)
        return await answer_query(double, call, trace), effects
    order = await take(double, call, trace, effects)
    dialect = double.dialects[call.provider.slug]
    if call.endpoint.created_response is None:
        return dialect.success(await make(double, call, order, trace)), order.effects
    return dialect.created(call.provider, await schedule(double, call, order, trace)), order.effects


async def take(double: Double, call: Call, trace: Trace, effects: Effects) -> Order:
    """Take a request through every step up to the reservation of what it may cost."""
    provider = call.provider
    caller = double.caller(provider.slug, call.header("authorization"))
    trace.key = caller.key
    trace.enter("limit")
    balance = await limit(double, caller, trace.at)
    trace.enter("parse")
    body = await parse(call, trace)
    replay(double, call, call.endpoint.path, body)
    trace.enter("validate")
    variant = choose(call, body)
    trace.variant = variant.name
    form = double.handlers[provider.slug, variant.name]
    validate(form.validator, body, trace, is_strict=double.settings.strict)
    trace.job = job = form.extract(body)
    trace.enter("inspect")
    inputs = await inspect(double, call, job, trace)
    trace.enter("permit")
    permit(call, job, caller.profile)
    effects = directives(provider, job.prompt, effects)
    if double.plan.faults:
        effects = await double.plan.apply(job, caller.key, effects)
    price = pricing.unit_price(provider, job.model, double.settings.prices)
    trace.enter("reserve")
    if call.endpoint.created_response is not None:
        await settle_finished(double)
    due = pricing.cost(price, job.n)
    # An empty account may not work for nothing either: a price of 0 is a price that is not known.
    if balance < due or balance == 0:
        raise ApiError("insufficient_balance", f"{due:f} {provider.currency} are due, and the account has less")
    return Order(job, inputs, caller, price, effects)


async def make(double: Double, call: Call, order: Order, trace: Trace) -> Result:
    """Make the images at once, and charge for those that exist."""
    delay = double.settings.latency.draw(double.rng) + order.effects.wait
    if delay > 0:
        await hold(double, order, trace, time.time() + delay + HOLD_GRACE)
        trace.enter("generate")
        await asyncio.sleep(delay)
    else:
        # What takes no time needs no hold: the charge itself takes the amount off the balance.
        trace.enter("generate")
    check_failure(order)
    job = order.job
    failed = min(order.effects.fail_images, job.n)
    if failed == job.n:
        raise ApiError("internal", "every image failed, as a fault asked for")
    now = double.clock.now()
    urls, size = await generate(double, call, order, trace, now)
    result = Result(job, trace.request_id, int(now), tuple(urls[: job.n - failed]), *size, failed)
    trace.charge = _charge(double, result, order, now)
    trace.enter("charge")
    return result


async def hold(double: Double, order: Order, trace: Trace, until: float | None) -> None:
    """Take what the request may cost off the balance until it is charged."""
    due = pricing.cost(order.price, order.job.n)
    await double.store.reserve(order.caller.defaults, trace.request_id, due, until)
    trace.is_held = True


async def schedule(double: Double, call: Call, order: Order, trace: Trace) -> Task:
    """Begin a task; it is charged when it has succeeded."""
    job, effects, tasks = order.job, order.effects, call.provider.tasks
    assert tasks is not None, "an endpoint that creates tasks has a provider that describes them"
    failure = effects.fail_task
    if effects.error == "refused":
        failure = tasks.failure_codes["refused"]
    elif effects.fail_images >= job.n:
        failure = failure or tasks.failure_codes["no_images"]
    if effects.error != "refused":
        check_failure(order)
    await hold(double, order, trace, None)
    trace.enter("generate")
    now = double.clock.now()
    starts, ends = task_times(double, now, effects.wait)
    urls, size = await generate(double, call, order, trace, ends)
    failed = min(effects.fail_images, job.n)
    task = Task(
        id=new_task_id(call.provider, now, double.rng),
        provider=call.provider.slug,
        endpoint=call.endpoint.name,
        variant=job.variant.name,
        key=order.caller.key,
        request_id=trace.request_id,
        model=job.model,
        prompt=job.prompt,
        prompt_extend=job.prompt_extend,
        created=now,
        starts=starts,
        ends=ends,
        urls=tuple(urls if failure else urls[: job.n - failed]),
        width=size[0],
        height=size[1],
        failed=0 if failure else failed,
        failure=failure,
        callback_url=job.callback_url,
        callback_fault=effects.callback,
        reserved=pricing.cost(order.price, job.n),
    )
    trace.task_id = task.id
    await double.store.add_task(task)
    trace.is_held = False  # from now on the task holds it
    double.wake()
    return task


def check_failure(order: Order) -> None:
    """Run into what a fault, a directive or the key itself asks for."""
    kind = order.effects.error
    if kind is not None:
        raise ApiError(kind, "asked for by a directive or a fault")
    if order.caller.profile.always == "internal":
        raise ApiError("internal", "this key always runs into an internal error")


async def generate(
    double: Double, call: Call, order: Order, trace: Trace, done: float
) -> tuple[list[str], tuple[int, int]]:
    """Draw what is left to chance; return the URLs under which the pictures will be rendered, and their size."""
    job = order.job
    seed = double.rng.getrandbits(SEED_BITS) if job.seed is None else job.seed
    size = job.size or default_size(job.provider, order.inputs)
    recipe = recipe_of(job, order.inputs, seed, size, trace.request_id)
    base_url = double.settings.public_url or call.base_url
    return await double.links.make(recipe, base_url, int(done) + job.provider.link_lifetime), size


async def limit(double: Double, caller: Caller, now: float) -> Decimal:
    """Hold the key to its requests a minute, and return its balance."""
    if caller.profile.always == "rate_limited":
        raise ApiError("rate_limited", "this key is always rate limited")
    try:
        return await double.store.admit(caller.defaults, now)
    except TooManyRequests as refusal:
        headers = {"Retry-After": str(math.ceil(refusal.wait))}
        raise ApiError("rate_limited", str(refusal), headers=headers) from refusal


async def parse(call: Call, trace: Trace) -> dict[str, JSON]:
    """Return the body as JSON."""
    provider = call.provider
    content_type = call.header("content-type")
    if content_type != JSON_TYPE and content_type.partition(";")[0].strip().lower() != JSON_TYPE:
        raise _malformed(
            provider, "content-type/const", f"Content-Type must be {JSON_TYPE}, got {content_type[:100]!r}"
        )
    try:
        data = await call.read()
    except BodyTooLarge as error:
        limit = provider.max_body_bytes
        raise _malformed(provider, "body/maxBytes", f"the body must have at most {limit} bytes") from error
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        trace.body = data[:500].decode("utf-8", "replace")
        reason = str(error)[:200] if data else "it is empty"
        raise _malformed(provider, "body/syntax", f"the body is no JSON: {reason}") from error
    trace.body = orjson.Fragment(data) if journal.is_brief(data) else journal.brief(body)
    if not isinstance(body, dict):
        raise ApiError("invalid", f"the body must be an object, got {format_value(body)}")
    return cast(dict[str, JSON], body)


def choose(call: Call, body: dict[str, JSON]) -> Variant:
    """Return the variant that the body is held to."""
    model = body.get("model")
    variant = call.endpoint.variant_of(model, body) if isinstance(model, str) else None
    if variant is not None:
        return variant
    some = next(
        (v for v in call.endpoint.variants if v.discriminator is not None and v.discriminator in body),
        call.endpoint.variants[-1],
    )
    if "model" not in body:
        raise _model_error(some, "required", "model is required")
    if not isinstance(model, str):
        raise _model_error(some, "type", f"model must be a string, got {format_value(model)}")
    known = ", ".join(call.endpoint.by_model)
    raise _model_error(some, "enum", f"model must be one of {known}, got {format_value(model)}")


def _model_error(variant: Variant, keyword: str, detail: str) -> ApiError:
    rule = variant.request.rule_at[("model",), keyword]
    return ApiError(rule.error, detail, rule)


def validate(validator: BodyValidator, body: JSON, trace: Trace, *, is_strict: bool) -> None:
    """Hold the body to its variant's schema, and note what no document names."""
    if validator.is_definitely_valid(body):
        return
    violation = validator.violation(body)
    if violation is not None:
        raise ApiError(violation.rule.error, violation.detail, violation.rule)
    unknown = validator.unknown_fields(body)
    if unknown and is_strict:
        raise ApiError("invalid", f"{unknown[0]} is no documented field")
    trace.advisories.extend(f"{name} is no documented field" for name in unknown)


def permit(call: Call, job: Job, profile: Profile) -> None:
    """Ask whether the key may use the model, and the model this way of calling."""
    switch = call.endpoint.required_header
    if switch is not None and call.header(switch[0]).lower() != switch[1]:
        raise ApiError("not_synchronous", f"the header {switch[0]}: {switch[1]} is due")
    if switch is None and call.provider.has_required_header:
        for other in call.provider.endpoints.values():
            if (
                other.required_header is not None
                and call.header(other.required_header[0]).lower() == other.required_header[1]
            ):
                raise ApiError("not_asynchronous", f"the header {other.required_header[0]} is not for {call.path}")
    if profile.always == "forbidden":
        raise ApiError("forbidden", f"this key may not use {job.model}")


def default_size(provider: Provider, inputs: Sequence[Input]) -> tuple[int, int]:
    """Return the size where none is asked for: about the documented area, in the last input's aspect ratio."""
    picture = provider.picture
    return _size(picture.area, inputs[-1].width / inputs[-1].height if inputs else 1.0, picture.multiple)


@lru_cache(maxsize=1024)
def _size(area: int, ratio: float, multiple: int) -> tuple[int, int]:
    width, height = (
        max(multiple, round(math.sqrt(exact) / multiple) * multiple) for exact in (area * ratio, area / ratio)
    )
    return width, height


async def record(double: Double, entry: dict[str, JSON], key: str) -> None:
    """Put an entry into the journal. A journal that fails must not fail an answer that is right."""
    try:
        await double.store.record(entry, key)
    except StoreError as error:
        entry["advisories"].append(f"not in the journal: {error}")


def refused(double: Double, call: Call, error: ApiError, trace: Trace) -> tuple[int, JSON]:
    """Return status and body for a refusal, as the provider writes it."""
    errors = call.provider.errors
    kind = errors[error.kind] if call.endpoint.variants else errors.get(f"query_{error.kind}", errors[error.kind])
    model = trace.job.model if trace.job else ""
    message = kind.message.replace("{detail}", error.detail).replace("{model}", model)
    param = (
        ".".join(step for step in error.rule.path if step != "*") if error.rule and error.rule.variant != "http" else ""
    )
    answer = Refused(kind, message, trace.request_id, param)
    return kind.status, double.dialects[call.provider.slug].refusal(answer)


def _charge(double: Double, result: Result, order: Order, now: float) -> Charge:
    job, price = result.job, order.price
    images = len(result.urls)
    return Charge(
        double.new_id(),
        result.request_id,
        job.provider.slug,
        job.model,
        order.caller.key,
        images,
        price,
        job.provider.currency,
        pricing.cost(price, images),
        now,
    )


def _malformed(provider: Provider, rule: str, detail: str) -> ApiError:
    return ApiError("malformed", detail, provider.http_rule(rule))


def _headers(trace: Trace, error: ApiError | None) -> dict[str, str]:
    headers = {"x-request-id": trace.request_id}
    if trace.applied:
        headers["preference-applied"] = ", ".join(trace.applied)
    if trace.advisories:
        headers["x-qwenmock-advisory"] = as_header("; ".join(trace.advisories)[:500])
    if error is not None:
        headers |= {name.lower(): value for name, value in error.headers.items()}
        headers["x-qwenmock-detail"] = as_header(error.detail.replace("\n", " ")[:500])
        if error.rule is not None:
            headers["x-qwenmock-rule"] = as_header(error.rule.id)
            headers["x-qwenmock-source"] = as_header(error.rule.source)
    return headers


def as_header(text: str) -> str:
    """Return a text as a header can carry it: what is not printable ASCII is percent-encoded."""
    return quote(text, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")
