"""The fault plan that the control API sets: which requests it matches, and the effects it adds to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Any, Literal, cast

from qwenmock.mockserver.calls.effects import Effects, kind_for
from qwenmock.mockserver.models import Job
from qwenmock.mockserver.store.protocols import Store
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of the fault plan: the requests it matches, how often it applies, and its effects.

    Attributes:
        times: Number of requests left that it applies to; None for all.
        probability: Of applying to a request that matches, from 0 to 1.
        delay_ms: Additional milliseconds.

    """

    provider: str | None = None
    key: str | None = None
    model: str | None = None
    status: int | None = None
    times: int | None = None
    probability: float = 1.0
    delay_ms: int = 0
    drop: Literal["before", "mid-body"] | None = None
    fail_images: int = 0
    fail_task: str | None = None
    callback: str | None = None

    def matches(self, job: Job, key: str) -> bool:
        """Return whether a request is one that the fault is set for."""
        return (
            self.provider in {None, job.provider.slug} and self.key in {None, key} and self.model in {None, job.model}
        )


CALLBACKS = ("duplicate", "late", "out-of-order", "lost")
FIELDS = {
    "provider": str,
    "key": str,
    "model": str,
    "status": int,
    "times": int,
    "probability": float,
    "delay_ms": int,
    "drop": str,
    "fail_images": int,
    "fail_task": str,
    "callback": str,
}


def parse_fault(entry: JSON, providers: Mapping[str, Provider]) -> Fault:
    """Read one entry of a plan.

    Raises:
        ValueError: It is not what a fault looks like, or asks for what the provider does not document.

    """
    if not isinstance(entry, dict):
        raise ValueError("a fault is an object")  # noqa: TRY004, one error for the caller to catch
    values = cast(dict[str, Any], entry)
    for name, value in values.items():
        kind = FIELDS.get(name)
        if kind is None:
            raise ValueError(f"a fault has no {name!r}; it has {', '.join(FIELDS)}")
        right = isinstance(value, int | float) if kind is float else isinstance(value, kind)
        if not right or isinstance(value, bool):
            raise ValueError(f"{name} must be {'a number' if kind is not str else 'a string'}, got {value!r}")
        if kind is not str and value < 0:
            raise ValueError(f"{name} must not be negative, got {value}")
    fault = Fault(**values)
    if fault.drop not in {None, "before", "mid-body"}:
        raise ValueError(f'drop is "before" or "mid-body", got {fault.drop!r}')
    if fault.callback not in {None, *CALLBACKS}:
        raise ValueError(f"callback is one of {', '.join(CALLBACKS)}, got {fault.callback!r}")
    if not 0 <= fault.probability <= 1:
        raise ValueError(f"probability is from 0 to 1, got {fault.probability}")
    if fault.provider is not None and fault.provider not in providers:
        raise ValueError(f"there is no provider {fault.provider!r}; there are {', '.join(providers)}")
    concerned = [p for slug, p in providers.items() if fault.provider in {None, slug}]
    if fault.status is not None and not any(kind_for(p, fault.status) for p in concerned):
        known = sorted({status for p in concerned for status in p.statuses} - {200})
        raise ValueError(f"no document names status {fault.status}; there are {', '.join(map(str, known))}")
    effects = (fault.status, fault.drop, fault.fail_task, fault.callback)
    if all(effect is None for effect in effects) and not fault.delay_ms and not fault.fail_images:
        raise ValueError("a fault needs a status, a drop, a delay_ms, fail_images, fail_task or a callback")
    return fault


def describe(fault: Fault) -> dict[str, JSON]:
    """Return a fault as the control API shows it."""
    return {each.name: getattr(fault, each.name) for each in fields(fault) if getattr(fault, each.name) is not None}


class Plan:
    """The faults that are set, in order. The first one that matches a request and applies decides.

    The store keeps the plan and counts it down; this is a copy, loaded again when the store has a newer one.

    Attributes:
        faults: The faults with their ids.
        version: Version of the plan that was loaded.

    """

    def __init__(self, rng: Random, store: Store) -> None:
        self._rng = rng
        self._store = store
        self.faults: list[tuple[str, Fault]] = []
        self.version = 0

    async def set(self, faults: Sequence[Fault]) -> None:
        """Replace the plan, for every process that shares the state."""
        await self._store.set_faults([describe(fault) for fault in faults])
        await self.load()

    async def load(self) -> None:
        """Load the plan from the store."""
        self.version = (await self._store.shared()).plan
        self.faults = [(id_, Fault(**fault)) for id_, fault in (await self._store.faults()).items()]

    async def apply(self, job: Job, key: str, effects: Effects) -> Effects:
        """Add the effects of the first fault that applies to a request, and count it down."""
        for id_, fault in self.faults:
            if not fault.matches(job, key) or self._rng.random() >= fault.probability:
                continue
            if fault.times is not None and not await self._store.use_fault(id_):
                continue
            kind = None if fault.status is None else kind_for(job.provider, fault.status)
            return replace(
                effects,
                error=effects.error or kind,
                wait=effects.wait + fault.delay_ms / 1000,
                fail_images=max(effects.fail_images, fault.fail_images),
                drop=fault.drop,
                fail_task=effects.fail_task or fault.fail_task,
                callback=fault.callback,
            )
        return effects
