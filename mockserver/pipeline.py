"""A call's way through the double, in one direction.

Authenticate, limit, parse, validate, inspect the images, permit, reserve, generate, charge, render, journal. Each
step takes plain values and raises `ApiError`; nothing is billed before its images exist.
"""

import asyncio
import math
import time
from dataclasses import replace
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
from qwenmock.mockserver.job import Charge, Input, Job, Result
from qwenmock.mockserver.links import recipe_of
from qwenmock.mockserver.store import InsufficientBalance, Opening
from qwenmock.mockserver.validation import spoken
from qwenmock.schemas.catalog import Provider, Variant
from qwenmock.schemas.vocabulary import JSON

SEED_BITS = 31
RETRY_AFTER = 1
"""Seconds that a rate limit asks to wait for where no window says better."""


async def serve(double: Double, call: Call) -> Answer:
    """Answer a call to a create endpoint, and put it into the journal.

    Raises:
        Dropped: A fault cuts the connection.

    """
    started = time.perf_counter()
    trace = Trace(double.new_id(), double.clock.now())
    wish = preferences(call.provider, call.headers.get("prefer"))
    error: ApiError | None = None
    try:
        result, wish = await create(double, call, trace, wish)
        status, body = 200, double.dialects[call.provider.slug].success(result)
    except ApiError as refusal:
        error = refusal
        status, body = refused(double, call.provider, refusal, trace.request_id)
    except StoreError as failure:
        error = ApiError("internal", f"the store failed: {failure}")
        status, body = refused(double, call.provider, error, trace.request_id)
    answer = Answer(status, orjson.dumps(body), _headers(trace, error))
    entry = journal.entry(call, trace, answer, body, error, time.perf_counter() - started)
    await record(double, entry, trace.key)
    if wish.drop == "before":
        raise Dropped
    if wish.drop == "mid-body":
        raise Dropped(answer.body[: len(answer.body) // 2], len(answer.body))
    return answer


async def create(double: Double, call: Call, trace: Trace, wish: Wish) -> tuple[Result, Wish]:
    """Take a request through every step and return what was generated, and what was asked to go wrong with it."""
    provider = call.provider
    trace.applied = wish.applied
    if wish.wait:
        await asyncio.sleep(wish.wait)
        wish = replace(wish, wait=0.0)
    if wish.error is not None:
        raise ApiError(wish.error, "asked for by the Prefer header", headers=_retry_after(wish.error))
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
    permit(job, profile)
    wish = double.plan.strike(job, key, directives(provider, job.prompt, wish))
    price = billing.unit_price(provider, job.model, double.settings.prices)
    try:
        await double.store.reserve(opening, trace.request_id, billing.cost(price, job.n))
    except InsufficientBalance as error:
        cost = billing.cost(price, job.n)
        raise ApiError(
            "insufficient_balance", f"{cost:f} {provider.currency} are due, and the account has less"
        ) from error
    try:
        result = await generate(double, call, job, profile, wish, trace)
        trace.charge = _charge(double, result, key)
        await double.store.charge(trace.charge)
    except BaseException:
        trace.charge = None
        await double.store.release(trace.request_id)
        raise
    return result, wish


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


def permit(job: Job, profile: Profile) -> None:
    """Ask whether the key may use the model."""
    if profile.always == "forbidden":
        raise ApiError("forbidden", f"this key may not use {job.model}")


async def generate(double: Double, call: Call, job: Job, profile: Profile, wish: Wish, trace: Trace) -> Result:
    """Make the images: draw what is left to chance, and the URLs under which the pictures will be rendered."""
    delay = double.settings.latency.draw(double.chance) + wish.wait
    if delay > 0:
        await asyncio.sleep(delay)
    if wish.error is not None:
        raise ApiError(wish.error, "asked for by a directive or a fault", headers=_retry_after(wish.error))
    if profile.always == "internal":
        raise ApiError("internal", "this key always runs into an internal error")
    failed = min(wish.fail_images, job.n)
    if failed == job.n:
        raise ApiError("internal", "every image failed, as a fault asked for")
    now = double.clock.now()
    seed = double.chance.getrandbits(SEED_BITS) if job.seed is None else job.seed
    size = job.size or default_size(job)
    recipe = recipe_of(job, seed, size, trace.request_id)
    base_url = double.settings.public_url or call.base_url
    urls = await double.links.make(recipe, base_url, int(now) + job.provider.link_lifetime)
    return Result(job, trace.request_id, int(now), tuple(urls[: job.n - failed]), *size, failed)


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


def refused(double: Double, provider: Provider, error: ApiError, request_id: str) -> tuple[int, JSON]:
    """Return status and body for a refusal, as the provider writes it."""
    kind = provider.errors[error.kind]
    message = kind.message.replace("{detail}", error.detail)
    return kind.status, double.dialects[provider.slug].refusal(kind, message, request_id)


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


def _charge(double: Double, result: Result, key: str) -> Charge:
    job = result.job
    images = len(result.urls)
    price = billing.unit_price(job.provider, job.model, double.settings.prices)
    return Charge(
        id=double.new_id(),
        request_id=result.request_id,
        provider=job.provider.slug,
        model=job.model,
        key=key,
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
        if error.rule is not None:
            headers["X-Qwenmock-Rule"] = as_header(error.rule.id)
            headers["X-Qwenmock-Source"] = as_header(error.rule.source)
    return headers


def as_header(text: str) -> str:
    """Return a text as a header can carry it: what is not printable ASCII is percent-encoded."""
    return quote(text, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")
