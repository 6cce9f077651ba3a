"""What is to go wrong with one request: requested by a `Prefer` header, a directive in the prompt, or a fault.

A `Prefer` header (RFC 7240) is the usual way; a directive in the prompt is for SDKs that take no headers; faults are
set by the control API (`faults`). All three become one `Effects` value.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

from qwenmock.schemas.models import Provider

LONGEST_WAIT = 300.0
OPENING = "[[qwenmock"
"""What a directive begins with; one that is misspelt may lack the colon."""
DIRECTIVES = re.compile(r"\[\[qwenmock:([^\]]{0,200})\]\]")
ERROR_ORDER = (
    "forbidden",
    "invalid",
    "unauthorized",
    "insufficient_balance",
    "rate_limited",
    "internal",
)
"""Which kind of error a status stands for if several kinds have it."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What is to go wrong with one request.

    Attributes:
        error: The kind of error it ends in.
        wait: Additional seconds.
        fail_images: Number of its images that fail.
        fail_task: The error code that its task fails with.
        drop: Where the connection is cut: before the answer or in the middle of its body.
        callback: What goes wrong with its callback.
        callback_origin: Scheme, host and port that its callback is sent to, in place of those of its URL.
        is_malformed: Whether the answer's JSON ends in the middle.
        expire_links: Whether the links to its images are never valid.
        applied: The preferences that are honoured, for `Preference-Applied`.

    """

    error: str | None = None
    wait: float = 0.0
    fail_images: int = 0
    fail_task: str | None = None
    drop: Literal["before", "mid-body"] | None = None
    callback: str | None = None
    callback_origin: str | None = None
    is_malformed: bool = False
    expire_links: bool = False
    applied: tuple[str, ...] = ()


NO_EFFECTS = Effects()


def kind_for(provider: Provider, status: int) -> str | None:
    """Return the kind of error that has a status; None if the provider documents no such status."""
    kinds = [name for name, kind in provider.errors.items() if kind.status == status]
    preferred = [name for name in ERROR_ORDER if name in kinds]
    return next(iter(preferred or kinds), None)


def preferences(provider: Provider, header: str) -> Effects:
    """Return the effects of a `Prefer` header: `code=429`, `wait=3`. Others are ignored, as RFC 7240 demands."""
    effects = NO_EFFECTS
    if not header:
        return effects
    for item in re.split(r"[,;]", header):
        name, _, value = (part.strip().strip('"') for part in item.partition("="))
        key = name.lower()
        changed = _with_common(effects, provider, "status" if key == "code" else key, value)
        if changed is not None:
            shown = f"{LONGEST_WAIT:g}" if key == "wait" and float(value) > LONGEST_WAIT else value
            effects = replace(changed, applied=(*effects.applied, f"{name}={shown}"))
    return effects


def directives(provider: Provider, prompt: str) -> Effects:
    """Return the effects of `[[qwenmock: …]]` in a prompt.

    Directives are `status=`, `wait=`, `refuse`, `fail-images=` and `fail-task=`; others are ignored.
    """
    effects = NO_EFFECTS
    if OPENING not in prompt:
        return effects
    for content in DIRECTIVES.findall(prompt):
        for item in re.split(r"[,;]", content):
            name, _, value = (part.strip() for part in item.partition("="))
            effects = _with_directive(effects, provider, name.lower(), value)
    return effects


def _with_directive(effects: Effects, provider: Provider, name: str, value: str) -> Effects:
    if name == "refuse":
        return replace(effects, error="refused")
    if name == "fail-images" and _is_number(value):
        return replace(effects, fail_images=int(value))
    if name == "fail-task" and re.fullmatch(r"[A-Za-z_.]{1,60}", value):
        return replace(effects, fail_task=value)
    return _with_common(effects, provider, name, value) or effects


def _with_common(effects: Effects, provider: Provider, name: str, value: str) -> Effects | None:
    """Apply what both headers and directives can request; return None if this cannot be honoured."""
    if name == "status" and _is_number(value):
        kind = kind_for(provider, int(value))
        return None if kind is None else replace(effects, error=kind)
    if name == "wait" and re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value):
        return replace(effects, wait=min(float(value), LONGEST_WAIT))
    return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 6
