"""A call's way through the double, in one direction.

Authenticate, limit, parse, validate, inspect the images, permit, reserve, generate, charge, render, journal. Each
step takes plain values and raises `ApiError`; nothing is billed before its images exist.
"""

import asyncio
import logging
import math
import time
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import cast
from urllib.parse import quote

import orjson

from qwenmock.mockserver import __version__, billing, journal
from qwenmock.mockserver.accounts import Profile, authenticate
from qwenmock.mockserver.call import Answer, BodyTooLarge, Call, Trace
from qwenmock.mockserver.double import Double
from qwenmock.mockserver.errors import ApiError, Dropped, StoreError
from qwenmock.mockserver.extraction import Asked
from qwenmock.mockserver.faults import Wish, directives, preferences
from qwenmock.mockserver.inputs import inspect
from qwenmock.mockserver.job import Charge, Input, Job, Refused, Result, Task
from qwenmock.mockserver.links import recipe_of
from qwenmock.mockserver.queries import answer_query
from qwenmock.mockserver.store import InsufficientBalance, Opening
from qwenmock.mockserver.tasks import new_id as new_task_id
from qwenmock.mockserver.tasks import settle_due
from qwenmock.mockserver.tasks import times as task_times
from qwenmock.mockserver.validation import spoken
from qwenmock.schemas.catalog import Provider, Variant
from qwenmock.schemas.vocabulary import JSON

logger = logging.getLogger("qwenmock")
SEED_BITS = 31
RETRY_AFTER = 1
"""Seconds that a rate limit asks to wait for where no window says better."""


@dataclass(frozen=True, slots=True)
class Order:
    """A valid request that may be carried out: what is asked for, who pays, what it costs, what is to go wrong."""

    job: Job
    key: str
    profile: Profile
    opening: Opening
    price: Decimal | None
    wish: Wish


async def serve(double: Double, call: Call) -> Answer:
    """Answer a call to a provider, and put it into the journal.

    Raises:
        Dropped: A fault cuts the connection.

    """
    started = time.perf_counter()
    trace = Trace(double.new_id(), double.clock.now())
    wish = preferences(call.provider, call.headers.get("prefer"))
    error: ApiError | None = None
    try:
        body, wish = await carry_out(double, call, trace, wish)
        status = 200
    except ApiError as refusal:
        error = refusal
        status, body = refused(double, call, refusal, trace)
    except StoreError as failure:
        error = ApiError("internal", f"the store failed: {failure}")
        status, body = refused(double, call, error, trace)
    except Exception as failure:
        # A mistake of our own: the client gets the documented 500, and whoever runs the double reads what it was.
        error = ApiError("internal", f"the double itself failed: {type(failure).__name__}: {failure}")
        logger.exception("the double itself failed")
        status, body = refused(double, call, error, trace)
    answer = Answer(status, orjson.dumps(body), _headers(trace, error))
    entry = journal.entry(call, trace, answer, body, error, time.perf_counter() - started)
    await record(double, entry, trace.key)
    if wish.drop == "before":
        raise Dropped
    if wish.drop == "mid-body":
        raise Dropped(answer.body[: len(answer.body) // 2], len(answer.body))
    return answer


async def carry_out(double: Double, call: Call, trace: Trace, wish: Wish) -> tuple[JSON, Wish]:
    """Return the body that answers a call, and what was asked to go wrong with it."""
    trace.applied = wish.applied
    if wish.wait:
        await asyncio.sleep(wish.wait)
        wish = replace(wish, wait=0.0)
    if wish.error is not None:
        raise ApiError(wish.error, "asked for by the Prefer header", headers=_retry_after(wish.error))
    if not call.endpoint.variants:
        return await answer_query(double, call, trace), wish
    order = await take(double, call, trace, wish)
    dialect = double.dialects[call.provider.slug]
    try:
        if call.endpoint.created is None:
            return dialect.success(await make(double, call, order, trace)), order.wish
        return dialect.created(call.provider, await schedule(double, call, order, trace)), order.wish
    except BaseException:
        trace.charge = None
        await double.store.release(trace.request_id)
        raise


async def take(double: Double, call: Call, trace: Trace, wish: Wish) -> Order:
    """Take a request through every step up to the reservation of what it may cost."""
    provider = call.provider
    key, profile = authenticate(provider, call.headers.get("authorization"), double.settings.keys)
    trace.key = key
    opening = double.opening(provider, key, profile)
    await limit(double, opening, profile)
    body = await parse(call, trace)
    variant = choose(call, body)
    trace.variant = variant.name
    validate(double, call, variant, body, trace)
    asked = double.asked(provider, variant, body)
    inputs = await inspect(double, call, variant, asked, trace)
    trace.job = job = _job(provider, variant, body["model"], asked, inputs)
    permit(call, job, profile)
    wish = double.plan.strike(job, key, directives(provider, job.prompt, wish))
    price = billing.unit_price(provider, job.model, double.settings.prices)
    if call.endpoint.created is not None:
        await settle_due(double)
    try:
        await double.store.reserve(opening, trace.request_id, billing.cost(price, job.n))
    except InsufficientBalance as error:
        cost = billing.cost(price, job.n)
        raise ApiError(
            "insufficient_balance", f"{cost:f} {provider.currency} are due, and the account has less"
        ) from error
    return Order(job, key, profile, opening, price, wish)


async def make(double: Double, call: Call, order: Order, trace: Trace) -> Result:
    """Make the images at once, and charge for those that exist."""
    delay = double.settings.latency.draw(double.chance) + order.wish.wait
    if delay > 0:
        await asyncio.sleep(delay)
    check_failure(order)
    job = order.job
    failed = min(order.wish.fail_images, job.n)
    if failed == job.n:
        raise ApiError("internal", "every image failed, as a fault asked for")
    now = double.clock.now()
    urls, size = await generate(double, call, order, trace, now)
    result = Result(job, trace.request_id, int(now), tuple(urls[: job.n - failed]), *size, failed)
    trace.charge = _charge(double, result, order)
    await double.store.charge(trace.charge)
    return result


async def schedule(double: Double, call: Call, order: Order, trace: Trace) -> Task:
    """Begin a task; it is charged when it has succeeded."""
    job, wish, tasks = order.job, order.wish, call.provider.tasks
    assert tasks is not None, "an endpoint that creates tasks has a provider that describes them"
    failure = wish.fail_task
    if wish.error == "refused":
        failure = tasks.meaning["refused"]
    elif wish.fail_images >= job.n:
        failure = failure or tasks.meaning["no_images"]
    if wish.error != "refused":
        check_failure(order)
    now = double.clock.now()
    starts, ends = task_times(double, now, wish.wait)
    urls, size = await generate(double, call, order, trace, ends)
    failed = min(wish.fail_images, job.n)
    task = Task(
        id=new_task_id(call.provider, now, double.chance),
        provider=call.provider.slug,
        endpoint=call.endpoint.name,
        variant=job.variant.name,
        key=order.key,
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
        callback_fault=wish.callback,
        reserved=billing.cost(order.price, job.n),
    )
    trace.task_id = task.id
    await double.store.add_task(task)
    double.wake()
    return task


def check_failure(order: Order) -> None:
    """Run into what a fault, a directive or the key itself asks for."""
    kind = order.wish.error
    if kind is not None:
        raise ApiError(kind, "asked for by a directive or a fault", headers=_retry_after(kind))
    if order.profile.always == "internal":
        raise ApiError("internal", "this key always runs into an internal error")


async def generate(
    double: Double, call: Call, order: Order, trace: Trace, done: float
) -> tuple[list[str], tuple[int, int]]:
    """Draw what is left to chance; return the URLs under which the pictures will be rendered, and their size."""
    job = order.job
    seed = double.chance.getrandbits(SEED_BITS) if job.seed is None else job.seed
    size = job.size or default_size(job)
    recipe = recipe_of(job, seed, size, trace.request_id)
    base_url = double.settings.public_url or call.base_url
    return await double.links.make(recipe, base_url, int(done) + job.provider.link_lifetime), size


async def limit(double: Double, opening: Opening, profile: Profile) -> None:
    """Hold the key to its requests a minute."""
    if profile.always == "rate_limited":
        raise ApiError("rate_limited", "this key is always rate limited", headers=_retry_after("rate_limited"))
    per_minute = (await double.store.account(opening)).requests_per_minute
    if per_minute is not None:
        wait = await double.store.admit(opening.provider, opening.key, double.clock.now(), per_minute)
        if wait > 0:
            raise ApiError(
                "rate_limited", f"{per_minute} requests a minute", headers={"Retry-After": str(math.ceil(wait))}
            )


async def parse(call: Call, trace: Trace) -> dict[str, JSON]:
    """Return the body as JSON."""
    provider = call.provider
    content_type = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise _malformed(
            provider, "content-type/const", f"Content-Type must be application/json, got {content_type[:100]!r}"
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
    trace.body = journal.brief(body)
    if not isinstance(body, dict):
        raise ApiError("invalid", f"the body must be an object, got {spoken(body)}")
    return cast(dict[str, JSON], body)


def choose(call: Call, body: dict[str, JSON]) -> Variant:
    """Return the variant that the body is held to."""
    model = body.get("model")
    variant = call.endpoint.variant_of(model, body) if isinstance(model, str) else None
    if variant is not None:
        return variant
    some = next(
        (v for v in call.endpoint.variants if v.when is not None and v.when in body), call.endpoint.variants[-1]
    )
    if "model" not in body:
        raise _model_error(some, "required", "model is required")
    if not isinstance(model, str):
        raise _model_error(some, "type", f"model must be a string, got {spoken(model)}")
    known = ", ".join(call.endpoint.by_model)
    raise _model_error(some, "enum", f"model must be one of {known}, got {spoken(model)}")


def _model_error(variant: Variant, keyword: str, detail: str) -> ApiError:
    rule = variant.request.rule_at[("model",), keyword]
    return ApiError(rule.error, detail, rule)


def validate(double: Double, call: Call, variant: Variant, body: JSON, trace: Trace) -> None:
    """Hold the body to its variant's schema, and note what no document names."""
    validator = double.validator(call.provider, variant)
    violation = validator.violation(body)
    if violation is not None:
        raise ApiError(violation.rule.error, violation.detail, violation.rule)
    unknown = validator.unknown_fields(body)
    if unknown and double.settings.strict:
        raise ApiError("invalid", f"{unknown[0]} is no documented field")
    trace.advisories.extend(f"{name} is no documented field" for name in unknown)


def permit(call: Call, job: Job, profile: Profile) -> None:
    """Ask whether the key may use the model, and the model this way of calling."""
    switch = call.endpoint.switch
    if switch is not None and call.headers.get(switch[0], "").lower() != switch[1]:
        raise ApiError("not_synchronous", f"the header {switch[0]}: {switch[1]} is due")
    if switch is None and call.provider.has_switch:
        for other in call.provider.endpoints.values():
            if other.switch is not None and call.headers.get(other.switch[0], "").lower() == other.switch[1]:
                raise ApiError("not_asynchronous", f"the header {other.switch[0]} is not for {call.path}")
    if profile.always == "forbidden":
        raise ApiError("forbidden", f"this key may not use {job.model}")


def default_size(job: Job) -> tuple[int, int]:
    """Return the size where none is asked for: about the documented area, in the last input's aspect ratio."""
    picture = job.provider.settings["picture"]
    last = job.inputs[-1] if job.inputs else None
    ratio = last.width / last.height if last else 1.0
    multiple: int = picture["multiple"]
    sides = math.sqrt(picture["area"] * ratio), math.sqrt(picture["area"] / ratio)
    width, height = (max(multiple, round(side / multiple) * multiple) for side in sides)
    return width, height


async def record(double: Double, entry: dict[str, JSON], key: str) -> None:
    """Put an entry into the journal and on the log. A journal that fails must not fail an answer already billed."""
    try:
        await double.store.record(entry, key)
    except StoreError as error:
        entry["advisories"].append(f"not in the journal: {error}")
    double.log(entry)


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


def _job(provider: Provider, variant: Variant, model: str, asked: Asked, inputs: tuple[Input, ...]) -> Job:
    return Job(
        provider=provider,
        variant=variant,
        model=model,
        prompt=asked.prompt,
        negative_prompt=asked.negative_prompt,
        n=asked.n,
        size=asked.size,
        seed=asked.seed,
        watermark=asked.watermark,
        prompt_extend=asked.prompt_extend,
        inputs=inputs,
        callback_url=asked.callback_url,
    )


def _charge(double: Double, result: Result, order: Order) -> Charge:
    job, price = result.job, order.price
    images = len(result.urls)
    return Charge(
        id=double.new_id(),
        request_id=result.request_id,
        provider=job.provider.slug,
        model=job.model,
        key=order.key,
        images=images,
        unit_price=price,
        currency=job.provider.currency,
        amount=billing.cost(price, images),
        created=double.clock.now(),
        log=billing.billing_log(job.provider, job.model, images, price),
    )


def _malformed(provider: Provider, rule: str, detail: str) -> ApiError:
    return ApiError("malformed", detail, provider.rule(f"{provider.slug}/http/{rule}"))


def _retry_after(kind: str) -> dict[str, str]:
    return {"Retry-After": str(RETRY_AFTER)} if kind == "rate_limited" else {}


def _headers(trace: Trace, error: ApiError | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "X-Qwenmock": __version__, "X-Request-Id": trace.request_id}
    if trace.applied:
        headers["Preference-Applied"] = ", ".join(trace.applied)
    if trace.advisories:
        headers["X-Qwenmock-Advisory"] = as_header("; ".join(trace.advisories)[:500])
    if error is not None:
        headers |= error.headers
        headers["X-Qwenmock-Detail"] = as_header(error.detail.replace("\n", " ")[:500])
        if error.rule is not None:
            headers["X-Qwenmock-Rule"] = as_header(error.rule.id)
            headers["X-Qwenmock-Source"] = as_header(error.rule.source)
    return headers


def as_header(text: str) -> str:
    """Return a text as a header can carry it: what is not printable ASCII is percent-encoded."""
    return quote(text, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")
