"""Images and their billing: at once for a synchronous request, later for a task."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from qwenmock.mockserver.accounts import pricing
from qwenmock.mockserver.calls.acceptance import AcceptedRequest
from qwenmock.mockserver.calls.call import Call, Trace
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.images.links import NEVER_VALID, recipe_of
from qwenmock.mockserver.models import Charge, Job, Result, Task
from qwenmock.mockserver.tasks.lifecycle import new_task_id, task_times

SEED_BITS = 31
HOLD_GRACE = 5.0
"""Seconds that a hold outlives the expected time of its request; after that, its process must have died."""

CREATION_SECONDS = 30.0
"""Within these a task is stored after its hold; usually it takes milliseconds."""


async def generate(double: Double, call: Call, request: AcceptedRequest, trace: Trace) -> tuple[Result, Charge]:
    """Make the images at once; return them and the charge for those that succeeded."""
    delay = double.settings.latency.draw(double.rng) + request.effects.wait
    if delay > 0:
        await hold(double, request, trace, time.time() + delay + HOLD_GRACE)
        trace.enter("generate")
        await asyncio.sleep(delay)
    else:
        # Without a delay there is nothing to hold: the charge itself takes the amount off the balance.
        trace.enter("generate")
    if request.failure is not None:
        raise request.failure
    job, failed = request.job, request.effects.fail_images
    now = double.clock.now()
    urls = await _pictures(double, call, request, trace, now)
    width, height = request.size
    result = Result(
        job=job,
        request_id=trace.request_id,
        created=int(now),
        urls=tuple(urls[: job.n - failed]),
        width=width,
        height=height,
        failed=failed,
    )
    charge = _charge_for(request, result, now)
    trace.enter("charge")
    return result, charge


async def create_task(double: Double, call: Call, request: AcceptedRequest, trace: Trace) -> Task:
    """Create a task; it is charged when it has succeeded."""
    if request.failure is not None:
        raise request.failure
    # Until the task is stored with it, the hold has a term: the process may die between the two.
    await hold(double, request, trace, time.time() + CREATION_SECONDS)
    trace.enter("generate")
    job, effects, failure = request.job, request.effects, request.failure_code
    now = double.clock.now()
    starts, ends = task_times(double, now, effects.wait)
    urls = await _pictures(double, call, request, trace, ends)
    failed = 0 if failure else min(effects.fail_images, job.n)
    usual = new_task(double, call, job, request.caller.key, (now, starts, ends), request.size, urls, request.cost)
    task = replace(
        usual,
        urls=tuple(urls[: job.n - failed]),
        failed=failed,
        failure=failure,
        callback_fault=effects.callback,
        callback_origin=effects.callback_origin,
    )
    trace.task_id = task.id
    await double.store.add_task(task)
    trace.is_held = False  # from now on the task holds it
    double.wake()
    return task


def new_task(
    double: Double,
    call: Call,
    job: Job,
    key: str,
    times: tuple[float, float, float],
    size: tuple[int, int],
    urls: Sequence[str],
    cost: Decimal,
) -> Task:
    """Return a new task of which nothing goes wrong.

    Args:
        double: The server.
        call: The call that creates it.
        job: What it makes.
        key: Who pays.
        times: When it is created, starts and ends.
        size: Width and height of its images.
        urls: Of its images.
        cost: What is reserved for it.

    """
    created, starts, ends = times
    return Task(
        id=new_task_id(call.provider, created, double.rng),
        provider=call.provider.slug,
        endpoint=call.endpoint.name,
        variant=job.variant.name,
        key=key,
        request_id=call.request_id,
        model=job.model,
        prompt=job.prompt,
        prompt_extend=job.prompt_extend,
        created=created,
        starts=starts,
        ends=ends,
        urls=tuple(urls),
        width=size[0],
        height=size[1],
        failed=0,
        failure=None,
        callback_url=job.callback_url,
        callback_fault=None,
        reserved=cost,
        input_images=len(job.images),
    )


async def hold(double: Double, request: AcceptedRequest, trace: Trace, until: float) -> None:
    """Reserve the cost of a request until it is charged.

    Args:
        double: The server.
        request: Who pays, and how much.
        trace: Notes that there is a hold.
        until: Unix seconds after which the hold ends by itself.

    """
    trace.is_held = True  # before it is: a call that is cancelled while it waits would not learn that it was held
    try:
        await double.store.reserve(request.caller.defaults, trace.request_id, request.cost, until)
    except Exception:
        trace.is_held = False
        raise


async def _pictures(double: Double, call: Call, request: AcceptedRequest, trace: Trace, done: float) -> list[str]:
    """Return links to the images, which are drawn when they are fetched; they expire a while after `done`."""
    job = request.job
    seed = double.rng.getrandbits(SEED_BITS) if job.seed is None else job.seed
    recipe = recipe_of(job, request.inputs, seed, request.size, trace.request_id)
    base_url = double.settings.public_url or call.base_url
    expires = NEVER_VALID if request.effects.expire_links else int(done) + job.provider.link_lifetime
    return await double.links.make(recipe, base_url, expires)


def _charge_for(request: AcceptedRequest, result: Result, now: float) -> Charge:
    provider, images = request.job.provider, len(result.urls)
    return Charge(
        request_id=result.request_id,
        provider=provider.slug,
        model=request.job.model,
        key=request.caller.key,
        images=images,
        unit_price=request.price,
        currency=provider.currency,
        amount=pricing.cost(request.price, images, request.input_cost),
        created=now,
    )
