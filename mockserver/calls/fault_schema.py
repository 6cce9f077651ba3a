"""The JSON Schema of the fault plan, which validates it and is published in the control API's OpenAPI document."""

from collections.abc import Iterable, Mapping
from typing import cast

from qwenmock.mockserver.calls.faults import Fault, kind_for
from qwenmock.mockserver.schema_errors import first_error
from qwenmock.mockserver.store.records import FaultValues
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON

CALLBACK_FAULTS = ("duplicate", "late", "out-of-order", "lost")
ORIGIN = r"^https?://[A-Za-z0-9.:\[\]-]+$"
DROPS = ("before", "mid-body")
MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON parser keeps exactly."""
SWITCHES = ("refuse", "malformed", "expire_links")
INTEGERS = ("status", "times", "delay_ms", "fail_images")


def fault_schema(providers: Mapping[str, Provider]) -> dict[str, JSON]:
    """Return the schema of one fault, with the slugs and the statuses of the providers."""
    count: dict[str, JSON] = {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER}
    seconds: dict[str, JSON] = {"type": "number", "minimum": 0, "maximum": MAX_INTEGER}
    return {
        "title": "Fault",
        "description": "Which requests a fault applies to, how often, and what then happens.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "provider": _text("Only requests to this provider.", enum=list(providers)),
            "key": _text("Only requests with this API key."),
            "model": _text("Only requests for this model."),
            "status": {
                "description": "The HTTP status that the request is refused with.",
                "type": "integer",
                "enum": _statuses(providers.values()),
            },
            "times": count | {"description": "How many more requests it applies to; every request where it is absent."},
            "probability": {
                "description": "The probability that it applies to a request that matches.",
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "default": 1,
            },
            "delay_ms": count | {"description": "By how many milliseconds the answer is delayed.", "default": 0},
            "drop": _text("Where the connection is cut: before the answer, or in its body.", enum=list(DROPS)),
            "fail_images": count | {"description": "How many images of the request fail.", "default": 0},
            "fail_task": _text("The error code that the task fails with."),
            "callback": _text("What goes wrong with the task's callback.", enum=list(CALLBACK_FAULTS)),
            "callback_origin": _text(
                "Where the task's callback is sent: scheme, host and port that replace those of its URL, also on this "
                "machine.",
                pattern=ORIGIN,
                examples=["http://127.0.0.1:4011"],
            ),
            "refuse": _switch("The content is refused: at once, or by the task."),
            "malformed": _switch("The answer's JSON ends in the middle."),
            "expire_links": _switch("The links to the images are never valid."),
            "after_seconds": seconds | {"description": "When it begins, on the double's clock.", "default": 0},
            "for_seconds": {
                "description": "How long it then lasts, on the double's clock; for ever where it is absent.",
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": MAX_INTEGER,
            },
            "since": seconds
            | {"description": "The unix time that it begins after; where it is absent, that of setting the plan."},
        },
        "anyOf": [
            {"required": ["status"]},
            {"required": ["drop"]},
            {"required": ["delay_ms"], "properties": {"delay_ms": {"exclusiveMinimum": 0}}},
            {"required": ["fail_images"], "properties": {"fail_images": {"exclusiveMinimum": 0}}},
            {"required": ["fail_task"]},
            {"required": ["callback"]},
            {"required": ["callback_origin"]},
            *[{"required": [name], "properties": {name: {"const": True}}} for name in SWITCHES],
        ],
    }


def fault_plan_schema(providers: Mapping[str, Provider]) -> dict[str, JSON]:
    """Return the schema of a fault plan: the faults in order, of which the first that matches a request applies."""
    return {
        "title": "FaultPlan",
        "description": "The faults in order; the first that matches a request and has some `times` left applies.",
        "type": "array",
        "items": fault_schema(providers),
    }


def parse_fault_plan(value: JSON, providers: Mapping[str, Provider]) -> list[Fault]:
    """Read a fault plan.

    Raises:
        ValueError: It does not match the schema, or names a status that its provider does not document. The message
            says where and what is accepted; the index of the fault is left out where there is only one.

    """
    plan_schema = fault_plan_schema(providers)
    entries = value if isinstance(value, list) else []
    is_single = len(entries) == 1
    message = first_error(fault_schema(providers), entries[0]) if is_single else first_error(plan_schema, value)
    if message is not None:
        raise ValueError(message)
    faults: list[Fault] = []
    for index, entry in enumerate(entries):
        values = _fault_values(entry)
        message = _undocumented_status(values, providers) or _unknown_failure(values, providers)
        if message is not None:
            raise ValueError(message if is_single else f"[{index}].{message}")
        faults.append(Fault(**values))
    return faults


def _fault_values(entry: JSON) -> FaultValues:
    """Return an entry that matches the schema. JSON Schema takes 429.0 for an integer; it becomes 429."""
    assert isinstance(entry, dict), "the schema is one of objects"
    exact = {
        name: int(value) if name in INTEGERS and isinstance(value, float) else value for name, value in entry.items()
    }
    return cast(FaultValues, exact)


def _text(description: str, **limits: JSON) -> dict[str, JSON]:
    return {"description": description, "type": "string", **limits}


def _switch(description: str) -> JSON:
    return {"description": description, "type": "boolean", "default": False}


def _statuses(providers: Iterable[Provider]) -> list[int]:
    return sorted({status for provider in providers for status in provider.statuses} - {200})


def _unknown_failure(entry: FaultValues, providers: Mapping[str, Provider]) -> str | None:
    """Return a message for a failure of tasks that none of the concerned providers documents."""
    slug, code = entry.get("provider"), entry.get("fail_task")
    concerned = [provider for provider in providers.values() if slug in {None, provider.slug}]
    known = sorted({code for provider in concerned if provider.tasks is not None for code in provider.tasks.failures})
    if code is None or code in known:
        return None
    expected = f"one of {', '.join(known)}" if known else f"no value, because {slug} has no tasks"
    return f"fail_task: expected {expected}, got {code!r}"


def _undocumented_status(entry: FaultValues, providers: Mapping[str, Provider]) -> str | None:
    """Return a message for a status that another provider documents, but not the one that the fault names."""
    slug, status = entry.get("provider"), entry.get("status")
    if slug is None or status is None or kind_for(providers[slug], status) is not None:
        return None
    known = ", ".join(map(str, _statuses([providers[slug]])))
    return f"status: expected one of {known}, which {slug} documents, got {status}"
