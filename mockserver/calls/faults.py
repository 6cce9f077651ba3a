"""The fault plan that the control API sets: which requests it matches, and the effects it adds to them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Literal, cast

from qwenmock.mockserver.calls.effects import Effects, kind_for
from qwenmock.mockserver.models import Job
from qwenmock.mockserver.store.protocols import Store
from qwenmock.mockserver.store.records import FaultValues


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
    callback_origin: str | None = None

    def matches(self, job: Job, key: str) -> bool:
        """Return whether a request is one that the fault is set for."""
        return (
            self.provider in {None, job.provider.slug} and self.key in {None, key} and self.model in {None, job.model}
        )


def describe(fault: Fault) -> FaultValues:
    """Return a fault as the control API shows it."""
    values = {each.name: getattr(fault, each.name) for each in fields(fault)}
    return cast(FaultValues, {name: value for name, value in values.items() if value is not None})


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
                callback_origin=fault.callback_origin,
            )
        return effects
