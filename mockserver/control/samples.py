"""Sample answers for documents that people and tools read: what the dialects write, with values that never change."""

from collections.abc import Mapping

from qwenmock.fixtures import exchanges
from qwenmock.mockserver.calls.extraction import extractor
from qwenmock.mockserver.dialects import dialect_of
from qwenmock.mockserver.models import Job, Refused, Result, Task
from qwenmock.mockserver.tasks.samples import CREATED, REQUEST_ID, SIDE, sample_task
from qwenmock.schemas.models import ErrorKind, Protocol, Provider, Variant
from qwenmock.schemas.vocabulary import JSON

LINK = "https://pictures.example.com/0.png?Expires=1767312000&Signature=sample"


def answer(provider: Provider, variant: Variant) -> Mapping[str, JSON] | None:
    """Return what a success answers; None where no document prints a request to answer."""
    requests = exchanges(provider.slug, variant.name)
    if not requests:
        return None
    dialect = dialect_of(provider, provider.endpoint_of(variant).protocol)
    job = _job(provider, variant, requests[0].request)
    links = (LINK,) * job.n
    if provider.endpoint_of(variant).created_response is not None:
        return dialect.created(provider, sample_task(provider, job, links))
    return dialect.success(Result(job, REQUEST_ID, CREATED, links, SIDE, SIDE))


def ended_task(provider: Provider, variant: Variant, seed: int = 0) -> Mapping[str, JSON] | None:
    """Return what the query of a task that has succeeded answers, and what its callback carries.

    Args:
        provider: The provider.
        variant: The variant of the request that created the task.
        seed: Each seed is another task, with an id of its own.

    Returns:
        The answer; None if the variant makes no tasks, or no document prints a request.

    """
    task = _sample_task(provider, variant, seed)
    return None if task is None else dialect_of(provider).task(provider, task, task.status_at(task.ends), REQUEST_ID)


def running_task(provider: Provider, variant: Variant) -> Mapping[str, JSON] | None:
    """Return what the query of the same task answered while it was running."""
    task = _sample_task(provider, variant)
    return None if task is None else dialect_of(provider).task(provider, task, task.status_at(task.starts), REQUEST_ID)


def _sample_task(provider: Provider, variant: Variant, seed: int = 0) -> Task | None:
    requests = exchanges(provider.slug, variant.name)
    if not requests or provider.endpoint_of(variant).created_response is None:
        return None
    job = _job(provider, variant, requests[0].request)
    return sample_task(provider, job, (LINK,) * job.n, seed=seed)


def refusal(provider: Provider, kind: ErrorKind, protocol: Protocol | None = None) -> Mapping[str, JSON]:
    """Return what a kind of refusal answers, in a protocol."""
    model = next(iter(provider.models))
    message = kind.message.replace("{detail}", "prompt is required").replace("{model}", model)
    return dialect_of(provider, protocol).refusal(Refused(kind, message, REQUEST_ID, "prompt"))


def _job(provider: Provider, variant: Variant, request: dict[str, JSON]) -> Job:
    return extractor(provider, variant)(request)
