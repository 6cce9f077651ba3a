"""From a call to an accepted request: authenticated, valid, allowed, and with everything decided that will happen.

`receive` ends with a parsed body, `accept` with an `AcceptedRequest`. Both raise `ApiError` for a refusal. Nothing is
reserved or charged here.
"""

import math
from dataclasses import dataclass
from decimal import Decimal
from mmap import mmap
from typing import NamedTuple, cast

import orjson

from qwenmock.mockserver.accounts import pricing
from qwenmock.mockserver.accounts.keys import Caller, Profile
from qwenmock.mockserver.api_error import ApiError
from qwenmock.mockserver.calls import misspelt
from qwenmock.mockserver.calls.call import BodyTooLarge, BodyUnfinished, Call, Trace
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.calls.effects import NO_EFFECTS, Effects, directives
from qwenmock.mockserver.calls.input_images import inspect
from qwenmock.mockserver.calls.keywords import format_value
from qwenmock.mockserver.calls.large_bodies import LARGE, LARGEST_TEXT, Buffer, Unreadable, in_turn, parsed
from qwenmock.mockserver.calls.sizes import default_size
from qwenmock.mockserver.calls.validation import BodyValidator
from qwenmock.mockserver.models import Input, Job
from qwenmock.mockserver.money import plain
from qwenmock.mockserver.store.brief import brief, is_brief
from qwenmock.mockserver.store.protocols import TooManyRequests
from qwenmock.mockserver.tasks.lifecycle import settle_finished
from qwenmock.schemas.models import Provider, Variant
from qwenmock.schemas.sources import cited
from qwenmock.schemas.vocabulary import JSON

JSON_TYPE = "application/json"


class ReceivedRequest(NamedTuple):
    """A request whose sender is known and admitted, and whose body is a JSON object."""

    caller: Caller
    balance: Decimal
    body: dict[str, JSON]


@dataclass(frozen=True, slots=True)
class AcceptedRequest:
    """A valid request that may be carried out, and what will happen to it.

    Attributes:
        size: Width and height of the images: those requested, or the default ones.
        price: Of one image; None if it is not known.
        input_cost: Of the input images.
        cost: Of all images.
        effects: What is to go wrong.
        failure: The error that making its images ends in; None if they are made.
        failure_code: The code that its task fails with; None for no task or one that succeeds.

    """

    job: Job
    inputs: tuple[Input, ...]
    caller: Caller
    size: tuple[int, int]
    price: Decimal | None
    input_cost: Decimal
    cost: Decimal
    effects: Effects
    failure: ApiError | None
    failure_code: str | None


async def receive(double: Double, call: Call, trace: Trace) -> ReceivedRequest:
    """Authenticate the caller, apply the rate limit and parse the body."""
    caller = double.caller(call.provider.slug, call.header("authorization"))
    trace.key = caller.key
    trace.enter("limit")
    balance = await admit(double, caller, trace.at)
    trace.enter("parse")
    return ReceivedRequest(caller, balance, await parse(call, trace))


async def accept(double: Double, call: Call, received: ReceivedRequest, trace: Trace) -> AcceptedRequest:
    """Validate the request, check that the key may send it and can pay for it, and decide what will go wrong."""
    provider, caller = call.provider, received.caller
    trace.enter("validate")
    body = with_model(call, received.body, trace)
    variant = select_variant(double, call, body)
    trace.variant = variant.name
    handler = double.handlers[provider.slug, variant.name]
    whole = variant.request.unwrapped(body)
    validate(handler.validator, whole, trace, is_strict=double.settings.strict)
    trace.job = job = handler.extract(cast(dict[str, JSON], whole))
    check_texts(job)
    note_unnamed_images(job, trace)
    trace.enter("inspect")
    inputs = await inspect(double, call, job, trace)
    trace.enter("permit")
    authorize(call, job, caller)
    effects = directives(provider, job.prompt)
    trace.advisories += misspelt.on_directives(provider, job.prompt)
    if double.plan.faults:
        effects = await double.plan.apply(job, caller.key, effects)
    size = job.size or default_size(variant.picture, inputs)
    own = double.settings.prices
    price = pricing.unit_price(provider, job.model, own, size[0] * size[1])
    input_cost = pricing.input_cost(provider, job.model, own, len(inputs))
    trace.enter("reserve")
    creates_task = call.endpoint.created_response is not None
    if creates_task:
        await settle_finished(double)
    cost = pricing.cost(price, job.n, input_cost)
    check_balance(received.balance, cost, provider)
    return AcceptedRequest(
        job=job,
        inputs=inputs,
        caller=caller,
        size=size,
        price=price,
        input_cost=input_cost,
        cost=cost,
        effects=effects,
        failure=_failure(effects, caller.profile, None if creates_task else job.n),
        failure_code=_failure_code(effects, job) if creates_task else None,
    )


async def admit(double: Double, caller: Caller, now: float) -> Decimal:
    """Count a request against the key's rate limit and return its balance."""
    if caller.profile.always == "rate_limited":
        raise ApiError("rate_limited", "this key is always rate limited")
    try:
        return await double.store.admit(caller.defaults, now)
    except TooManyRequests as refusal:
        headers = {"Retry-After": str(math.ceil(refusal.wait))}
        raise ApiError("rate_limited", str(refusal), headers=headers) from refusal


async def parse(call: Call, trace: Trace) -> dict[str, JSON]:
    """Return the body, a JSON object."""
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
    except BodyUnfinished as error:
        raise _malformed(provider, "body/syntax", "the connection was closed before the end of the body") from error
    try:
        body, trace.body = await in_turn(_read, data, trace) if len(data) > LARGE else _read(data, trace)
    except Unreadable as error:
        trace.body = data[:500].decode("utf-8", "replace")
        reason = str(error)[:200] if data else "it is empty"
        raise _malformed(provider, "body/syntax", f"invalid JSON: {reason}") from error
    if not isinstance(body, dict):
        raise ApiError("invalid", f"the body must be an object, got {format_value(body)}")
    return body


def _read(data: Buffer, trace: Trace) -> tuple[JSON, JSON]:
    """Return a body, parsed, and what the journal shows of it."""
    body = parsed(data)
    is_short = not isinstance(data, mmap) and is_brief(data)
    return body, orjson.Fragment(bytes(data)) if is_short else brief(body, digest=trace.digest)


def _malformed(provider: Provider, rule: str, detail: str) -> ApiError:
    return ApiError("malformed", detail, provider.http_rule(rule))


def with_model(call: Call, body: dict[str, JSON], trace: Trace) -> dict[str, JSON]:
    """Return the body with the endpoint's default model, where it names none and there is one."""
    default = call.endpoint.default_model
    if "model" in body or default is None:
        return body
    note_default(trace, "model", default)
    return {**body, "model": default}


def note_default(trace: Trace, name: str, default: JSON) -> None:
    """Note that a required member is missing, and what is used for it."""
    used = default if isinstance(default, str) else format_value(default)
    trace.advisories.append(f"{name} is missing: it is documented as required, and its default {used} is used")


def select_variant(double: Double, call: Call, body: dict[str, JSON]) -> Variant:
    """Return the variant whose schema applies to the body."""
    model = body.get("model")
    variant = call.endpoint.variant_of(model, body) if isinstance(model, str) else None
    if variant is not None:
        return variant
    # The model is wrong. The error cites the rule of the variant that the rest of the body looks like.
    closest = _closest(double, call, body)
    if "model" not in body:
        raise _model_error(closest, "required", "model is required")
    if not isinstance(model, str):
        raise _model_error(closest, "type", f"model must be a string, got {format_value(model)}")
    known = ", ".join(call.endpoint.by_model)
    raise _model_error(closest, "enum", f"model must be one of {known}, got {format_value(model)}")


def _closest(double: Double, call: Call, body: dict[str, JSON]) -> Variant:
    """Return the variant that a body looks like whatever its model: by a member of its own, or valid but for that."""
    variants = call.endpoint.variants
    named = [each for each in variants if each.discriminator is not None and each.discriminator in body]
    for variant in named or variants:
        validator = double.handlers[call.provider.slug, variant.name].validator
        if validator.accepts(variant.request.unwrapped({**body, "model": variant.models[0]})):
            return variant
    return named[0] if named else variants[-1]


def _model_error(variant: Variant, keyword: str, detail: str) -> ApiError:
    rule = variant.request.rule_at[("model",), keyword]
    return ApiError(rule.error, detail, rule)


def validate(validator: BodyValidator, body: JSON, trace: Trace, *, is_strict: bool) -> None:
    """Check the body against its variant's schema, and note members that no document names."""
    if validator.is_definitely_valid(body):
        return
    violation = validator.violation(body)
    if violation is not None:
        raise ApiError(violation.rule.error, violation.detail, violation.rule)
    for name, default in validator.defaulted(body):
        note_default(trace, name, default)
    for member in validator.unread(body):
        name = ".".join(member.path)
        trace.advisories.append(f"{name} is not read in this format, but {member.instead}: {cited(member.source)}")
    unknown = validator.unknown_fields(body)
    if unknown and is_strict:
        raise ApiError("invalid", f"{unknown[0]} is not a documented field")
    trace.advisories.extend(f"{name} is not a documented field" for name in unknown)
    trace.advisories.extend(validator.members_without_effect(body))


def check_texts(job: Job) -> None:
    """Check that a text that no document limits is not as large as an image."""
    if max(len(job.prompt), len(job.negative_prompt)) > LARGEST_TEXT:
        raise ApiError("invalid", f"a prompt must have at most {LARGEST_TEXT} characters")


def note_unnamed_images(job: Job, trace: Trace) -> None:
    """Note that a prompt names none of several input images, where a document says that it must."""
    names = job.variant.unnamed_images(job.prompt, len(job.images))
    if names is not None:
        trace.advisories.append(
            f'the prompt names none of {len(job.images)} input images, expected a name such as "image 1": '
            f"{cited(names.source)}"
        )


def authorize(call: Call, job: Job, caller: Caller) -> None:
    """Check that the endpoint is called in its documented mode, and that the key may use the model."""
    expected = call.endpoint.required_header
    if expected is not None and call.header(expected[0]).lower() != expected[1]:
        raise ApiError("not_synchronous", f"expected the header {expected[0]}: {expected[1]}")
    if expected is None and call.provider.has_required_header:
        for other in call.provider.endpoints.values():
            header = other.required_header
            if header is not None and call.header(header[0]).lower() == header[1]:
                raise ApiError("not_asynchronous", f"unexpected header {header[0]} for {call.path}")
    if caller.profile.always == "forbidden":
        raise ApiError("forbidden", f"this key may not use {job.model}")


def check_balance(balance: Decimal, cost: Decimal, provider: Provider) -> None:
    """Check that the account can pay. An empty account can pay nothing, since a cost of 0 is one that is not known."""
    if balance < cost or balance == 0:
        detail = f"the balance is {plain(balance):f} {provider.currency}"
        costs = f"the images cost {cost:f}" if cost else "no price is known"
        raise ApiError("insufficient_balance", f"{detail}, {costs}")


def _failure(effects: Effects, profile: Profile, images: int | None) -> ApiError | None:
    """Return the error that making the images ends in.

    Args:
        effects: What is to go wrong.
        profile: Of the key, which may always fail.
        images: How many are requested; None for a task, which fails by itself if it is refused or has no image.

    """
    if effects is NO_EFFECTS and profile.always is None:
        return None
    kind = effects.error
    if kind is not None:
        if kind == "refused" and images is None:
            return None
        return ApiError(kind, "requested by a directive or a fault")
    if profile.always == "internal":
        return ApiError("internal", "this key always fails with an internal error")
    if images is not None and effects.fail_images >= images:
        return ApiError("internal", "all images failed, as requested by a directive or a fault")
    return None


def _failure_code(effects: Effects, job: Job) -> str | None:
    """Return the code that the task fails with; None if it succeeds."""
    tasks = job.provider.tasks
    assert tasks is not None, "the catalogue checks that a provider whose endpoints create tasks describes them"
    if effects.error == "refused":
        return tasks.failure_codes["refused"]
    if effects.fail_images >= job.n:
        return effects.fail_task or tasks.failure_codes["no_images"]
    return effects.fail_task
