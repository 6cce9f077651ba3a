"""The areas of a contract, for the picture of what was examined."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from qwenmock.schemas.models import Provider, Rule

Area: TypeAlias = Literal["requests", "answers", "refusals", "tasks", "bills", "keys and HTTP", "account"]
AREAS: tuple[Area, ...] = ("requests", "answers", "refusals", "tasks", "bills", "keys and HTTP", "account")
HTTP = "http"
"""What the rules have as variant that no schema states."""


def areas_of(provider: Provider) -> Mapping[str, Area]:
    """Return the area of each document of a provider, by its name."""
    areas: dict[str, Area] = {HTTP: "keys and HTTP"}
    for endpoint in provider.endpoints.values():
        if endpoint.answer is not None:
            areas[endpoint.answer.name] = "account"
        if endpoint.created_response is not None:
            areas[endpoint.created_response.name] = "tasks"
    states = () if provider.tasks is None else provider.tasks.states.values()
    areas |= {state.document.name: "tasks" for state in states if state.document is not None}
    areas |= {error.document.name: "refusals" for error in provider.error_kinds}
    if provider.billing_log is not None:
        areas[provider.billing_log.document.name] = "bills"
    for variant in provider.variants.values():
        areas[variant.answer.name] = "answers"
        areas[variant.request.name] = "requests"
    return areas


def area_of(rule: Rule, areas: Mapping[str, Area]) -> Area:
    """Return the area of a rule; an invariant belongs to the answer that it is about."""
    return areas.get(rule.variant, "answers")
