"""What goes wrong because somebody asked for it.

By a `Prefer` header on one request (RFC 7240), by a directive in the prompt where an SDK takes no headers, or by a
plan that the control API sets. Whatever way it was asked for, the pipeline sees one `Effects`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Any, Literal, cast

from qwenmock.mockserver.models import Job
from qwenmock.mockserver.store.protocols import Store
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON

LONGEST_WAIT = 300.0
DIRECTIVES = re.compile(r"\[\[qwenmock:([^\]]{0,200})\]\]")
ERROR_ORDER = ("invalid", "unauthorized", "insufficient_balance", "forbidden", "rate_limited", "internal")
"""Which kind of error a bare status means, where several kinds have it: `forbidden` comes before the balance."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What was asked to go wrong with one request.

    Attributes:
        error: The kind of error it ends in.
        wait: Seconds it takes longer.
        fail_images: How many of its images fail.
        fail_task: The error code that its task fails with.
        drop: Where the connection is cut.
        callback: What goes wrong with its callback.
        applied: The preferences that were honoured, for `Preference-Applied`.

    """

    error: str | None = None
    wait: float = 0.0
    fail_images: int = 0
    fail_task: str | None = None
    drop: Literal["before", "mid-body"] | None = None
    callback: str | None = None
    applied: tuple[str, ...] = ()


NO_WISH = Effects()


def kind_for(provider: Provider, status: int) -> str | None:
    """Return the kind of error that has a status; None where the provider documents no such status."""
    kinds = [name for name, kind in provider.errors.items() if kind.status == status]
    preferred = [name for name in ("forbidden", *ERROR_ORDER) if name in kinds]
    return next(iter(preferred or kinds), None)


def preferences(provider: Provider, header: str) -> Effects:
    """Read a `Prefer` header: `code=429`, `wait=3`. What cannot be honoured is passed over, as RFC 7240 has it."""
    effects = NO_WISH
    if not header:
        return effects
    for item in re.split(r"[,;]", header):
        name, _, value = (part.strip().strip('"') for part in item.partition("="))
        effects = _wished(
            effects, provider, {"code": "status"}.get(name.lower(), name.lower()), value, f"{name}={value}"
        )
    return effects


def directives(provider: Provider, prompt: str, effects: Effects) -> Effects:
    """Add what `[[qwenmock: …]]` in a prompt asks for: `status=`, `wait=`, `refuse`, `fail-images=`, `fail-task=`."""
    if "[[qwenmock:" not in prompt:
        return effects
    for content in DIRECTIVES.findall(prompt):
        for item in re.split(r"[,;]", content):
            name, _, value = (part.strip() for part in item.partition("="))
            effects = _wished(effects, provider, name.lower(), value, None)
    return effects


def _wished(effects: Effects, provider: Provider, name: str, value: str, applied: str | None) -> Effects:
    change: dict[str, Any] = {}
    if name == "status" and _is_number(value):
        kind = kind_for(provider, int(value))
        change = {"error": kind} if kind else {}
    elif name == "wait":
        seconds = _seconds(value)
        change = {} if seconds is None else {"wait": seconds}
    elif name == "refuse" and applied is None:
        change = {"error": "refused"}
    elif name == "fail-images" and applied is None and _is_number(value):
        change = {"fail_images": int(value)}
    elif name == "fail-task" and applied is None and re.fullmatch(r"[A-Za-z_.]{1,60}", value):
        change = {"fail_task": value}
    if change and applied is not None:
        change["applied"] = (*effects.applied, applied)
    return replace(effects, **change)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 6


def _seconds(text: str) -> float | None:
    return min(float(text), LONGEST_WAIT) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) else None


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of the fault plan: which requests it hits, how often, and what then happens.

    Attributes:
        times: How many more requests it hits; None for all.
        probability: Of hitting one that fits.
        delay_ms: How much longer the request takes.

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

    def fits(self, job: Job, key: str) -> bool:
        """Tell whether a request is one of those it is for."""
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
    """The faults that are set, in order; the first that fits a request and fires decides.

    The store has the plan and counts it down; this is a copy, read again when the store has a newer one.

    Attributes:
        faults: Those that are set, by id.
        version: Number of the plan that was read.

    """

    def __init__(self, rng: Random, store: Store) -> None:
        self._chance = rng
        self._store = store
        self.faults: list[tuple[str, Fault]] = []
        self.version = 0

    async def set(self, faults: Sequence[Fault]) -> None:
        """Replace the plan, for every process that shares the state."""
        await self._store.set_faults([describe(fault) for fault in faults])
        await self.load()

    async def load(self) -> None:
        """Read the plan."""
        self.version = (await self._store.shared()).plan
        self.faults = [(id_, Fault(**fault)) for id_, fault in (await self._store.faults()).items()]

    async def apply(self, job: Job, key: str, effects: Effects) -> Effects:
        """Add what the plan has for this request, and count it."""
        for id_, fault in self.faults:
            if not fault.fits(job, key) or self._chance.random() >= fault.probability:
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
