"""A task with values that never change: for sample answers, and to check what a dialect writes."""

from decimal import Decimal
from random import Random

from qwenmock.mockserver.models import Job, Task
from qwenmock.mockserver.tasks.lifecycle import new_task_id
from qwenmock.schemas.models import Provider

REQUEST_ID = "3f0c8a52-7d1e-4b9a-9c64-0a5d2e7b1f38"
CREATED = 1_767_225_600
SIDE = 1024


def sample_task(
    provider: Provider, job: Job, urls: tuple[str, ...], *, seed: int = 0, failure: str | None = None
) -> Task:
    """Return a task.

    Args:
        provider: Its provider.
        job: What it makes.
        urls: Links to its images.
        seed: Each seed is another task, with an id of its own.
        failure: The code that it fails with; None if it succeeds.

    """
    return Task(
        id=new_task_id(provider, CREATED, Random(seed)),
        provider=provider.slug,
        endpoint=provider.endpoint_of(job.variant).name,
        variant=job.variant.name,
        key="",
        request_id=REQUEST_ID,
        model=job.model,
        prompt=job.prompt,
        prompt_extend=job.prompt_extend,
        created=CREATED,
        starts=CREATED + 1,
        ends=CREATED + 30,
        urls=urls,
        width=SIDE,
        height=SIDE,
        failed=0,
        failure=failure,
        callback_url=None,
        callback_fault=None,
        reserved=Decimal(0),
    )
