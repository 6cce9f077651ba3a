"""The fault plan that the control API sets: which requests it matches, and the effects it adds to them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Literal, cast

from qwenmock.mockserver.calls.effects import Effects, kind_for
from qwenmock.mockserver.clock import Clock
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
        refuse: The content is refused.
        malformed: The answer's JSON ends in the middle.
        expire_links: The links to the images are never valid.
        after_seconds: When it begins, on the double's clock, counted from `since`.
        for_seconds: How long it then lasts; None for ever.
        since: Unix seconds; None until the plan is set, which makes it the time of that.

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
    refuse: bool = False
    malformed: bool = False
    expire_links: bool = False
    after_seconds: float = 0
    for_seconds: float | None = None
    since: float | None = None

    @property
    def is_timed(self) -> bool:
        """Whether it begins or ends at a time."""
        return self.after_seconds > 0 or self.for_seconds is not None

    def lasts(self, now: float) -> bool:
        """Return whether it has begun and not ended at a time in unix seconds."""
        begins = (now if self.since is None else self.since) + self.after_seconds
        return begins <= now and (self.for_seconds is None or now < begins + self.for_seconds)

    def matches(self, job: Job, key: str) -> bool:
        """Return whether a request is one that the fault is set for."""
        return (
            self.provider in {None, job.provider.slug} and self.key in {None, key} and self.model in {None, job.model}
        )


def describe(fault: Fault) -> FaultValues:
    """Return a fault as the control API shows it: what is set, and the limits that always hold."""
    values = {each.name: getattr(fault, each.name) for each in fields(fault) if getattr(fault, each.name) is not None}
    unset = [name for name in ("refuse", "malformed", "expire_links", "after_seconds") if not values[name]]
    return cast(FaultValues, {name: value for name, value in values.items() if name not in unset})


class Plan:
    """The faults that are set, in order. The first one that matches a request and applies decides.

    The store keeps the plan and counts it down; this is a copy, loaded again when the store has a newer one.

    Attributes:
        faults: The faults with their ids.
        version: Version of the plan that was loaded.

    """

    def __init__(self, rng: Random, store: Store, clock: Clock) -> None:
        self._rng = rng
        self._store = store
        self._clock = clock
        self.faults: list[tuple[str, Fault]] = []
        self.version = 0

    async def set(self, faults: Sequence[Fault]) -> None:
        """Replace the plan, for every process that shares the state."""
        now = self._clock.now()
        begun = [replace(each, since=now) if each.is_timed and each.since is None else each for each in faults]
        await self._store.set_faults([describe(fault) for fault in begun])
        await self.load()

    async def load(self) -> None:
        """Load the plan from the store."""
        self.version = (await self._store.shared()).plan
        self.faults = [(id_, Fault(**fault)) for id_, fault in (await self._store.faults()).items()]

    async def apply(self, job: Job, key: str, effects: Effects) -> Effects:
        """Add the effects of the first fault that applies to a request, and count it down."""
        now = self._clock.now()
        for id_, fault in self.faults:
            if not fault.matches(job, key) or not fault.lasts(now) or self._rng.random() >= fault.probability:
                continue
            if fault.times is not None and not await self._store.use_fault(id_):
                continue
            kind = None if fault.status is None else kind_for(job.provider, fault.status)
            return replace(
                effects,
                error=effects.error or kind or ("refused" if fault.refuse else None),
                wait=effects.wait + fault.delay_ms / 1000,
                fail_images=max(effects.fail_images, fault.fail_images),
                drop=fault.drop,
                fail_task=effects.fail_task or fault.fail_task,
                callback=fault.callback,
                callback_origin=fault.callback_origin,
                is_malformed=fault.malformed,
                expire_links=fault.expire_links,
            )
        return effects
