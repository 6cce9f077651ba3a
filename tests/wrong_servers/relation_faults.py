"""Servers whose answers about one task are right one by one, and do not agree."""

from collections.abc import Callable, Iterator
from typing import Any

from wrong_servers.faults import Exchange, Fault

from qwenmock.schemas.models import STATES, Provider
from qwenmock.schemas.vocabulary import JSON, Path, select

TIMES = ("submit_time", "scheduled_time", "end_time")
EARLY, LATE = "2000-01-01 00:00:00.000", "2099-01-01 00:00:00.000"


def faults(provider: Provider) -> Iterator[Fault]:
    """Yield a fault for each value that is repeated, and each pair of times."""
    if provider.tasks is None:
        return
    ended = [each.answer for each in provider.variants.values() if "task_status" in each.answer.roles]
    for role, change in _CHANGES.items():
        for state in STATES[:3]:
            document = provider.tasks.states[state].document
            documents = [document] if document is not None else ended
            paths = {path for each in documents for path in each.roles.get(role, ())}
            for path in sorted(paths):
                for name, value in change.items():
                    yield Fault(
                        f"{role} is {name} in {state} tasks",
                        provider.slug,
                        tamper=_in_state(provider, state, path, value),
                        check="test_answers_about_a_task_agree",
                    )


_CHANGES: dict[str, dict[str, Callable[[Any], JSON]]] = {
    "model": {"another": lambda value: f"{value}-x", "in capitals": lambda value: value.upper()},
    "created": {"a second later": lambda value: value + 1, "a second earlier": lambda value: value - 1},
    **{role: {"early": lambda _: EARLY, "late": lambda _: LATE} for role in TIMES},
}


def _in_state(
    provider: Provider, state: str, path: Path, change: Callable[[Any], JSON]
) -> Callable[[Exchange, dict[str, Any]], None]:
    """Return what changes a value in the queries of tasks in a state."""

    def tamper(exchange: Exchange, _memory: dict[str, Any]) -> None:
        if exchange.method != "GET" or exchange.status != 200 or exchange.is_picture or "/__" in exchange.path:
            return
        body = exchange.json
        if provider.task_state(body) == state and select(body, path):
            holder = body
            for step in path[:-1]:
                holder = holder[step]
            holder[path[-1]] = change(holder[path[-1]])
            exchange.json = body

    return tamper
