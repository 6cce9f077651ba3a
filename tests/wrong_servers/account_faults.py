"""Servers that state another account while a task goes on, or after its end; and those that cancel otherwise."""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from starlette.types import Scope
from wrong_servers.billing_faults import add_to
from wrong_servers.faults import Exchange, Fault

from qwenmock.schemas.models import STATES, Provider, State

CHECKS: dict[State, str] = {
    "pending": "test_credits_of_a_task_that_succeeds",
    "succeeded": "test_credits_of_a_task_that_succeeds",
    "failed": "test_credits_of_a_task_that_fails",
    "cancelled": "test_credits_of_a_task_that_is_cancelled",
}
"""What finds a wrong statement that is made while a task is in a state."""
CANCELLED = "test_new_task_can_be_cancelled"
ENDED = "test_ended_task_cannot_be_cancelled"


def faults(provider: Provider) -> Iterator[Fault]:
    """Yield a fault for each member of a statement and each state of a task, and those of cancellation."""
    if provider.tasks is None:
        return
    members = ("remaining_credits", "used_credits") if provider.endpoint_for("credits") else ("balance", "reserved")
    for state, check in CHECKS.items():
        for member in members:
            for change in (Decimal(-1), Decimal(1)):
                yield Fault(
                    f"states {member} {change:+} when a task is {state}",
                    provider.slug,
                    tamper=_stating(provider, state, member, change),
                    check=check,
                )
    if provider.endpoint_for("cancel") is not None:
        yield from _cancellation_faults(provider)


def _stating(
    provider: Provider, state: State, member: str, change: Decimal
) -> Callable[[Exchange, dict[str, Any]], None]:
    """Return what changes a member of statements that are made when the newest task is in a state."""

    def tamper(exchange: Exchange, memory: dict[str, Any]) -> None:
        _note_state(provider, exchange, memory)
        is_statement = exchange.path.endswith(("/credits", "/ledger")) and exchange.status == 200
        if is_statement and memory.get("state") == state:
            body = exchange.json
            add_to(body, member, change)
            exchange.json = body

    return tamper


def _note_state(provider: Provider, exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_picture or exchange.status != 200 or not exchange.body.startswith(b"{"):
        return
    body = exchange.json
    if exchange.path.endswith("/cancel"):
        memory["state"] = "cancelled"
    elif exchange.is_create:
        memory["state"] = "pending"
    elif "/tasks/" in exchange.path:
        stated = provider.task_state(body) or body.get("state")
        memory["state"] = stated if stated in STATES else memory.get("state")


def _cancellation_faults(provider: Provider) -> Iterator[Fault]:
    endpoint = provider.endpoint_for("cancel")
    assert endpoint is not None, "only called for providers that cancel"
    path = re.compile(f"/{provider.slug}{re.escape(endpoint.path)}".replace(re.escape("{task_id}"), "([^/]+)"))

    def looks_only(scope: Scope) -> None:
        if scope["method"] == "POST" and path.fullmatch(scope["path"]):
            scope["method"], scope["path"] = "GET", scope["path"].removesuffix("/cancel")

    def takes_late(exchange: Exchange, _memory: dict[str, Any]) -> None:
        if path.fullmatch(exchange.path) and exchange.status == 400:
            exchange.status, exchange.json = 200, {"request_id": "0"}

    def refuses(exchange: Exchange, _memory: dict[str, Any]) -> None:
        if path.fullmatch(exchange.path) and exchange.status == 200:
            exchange.status = 400
            exchange.json = {"request_id": "0", "code": "UnsupportedOperation", "message": "no"}

    def loses_late(exchange: Exchange, memory: dict[str, Any]) -> None:
        found = path.fullmatch(exchange.path)
        if found and exchange.status == 400:
            memory[found[1]] = True
        if exchange.method == "GET" and exchange.path.rpartition("/")[2] in memory:
            exchange.body = exchange.body.replace(b'"SUCCEEDED"', b'"CANCELED"')

    def charges(exchange: Exchange, memory: dict[str, Any]) -> None:
        if path.fullmatch(exchange.path) and exchange.status == 200:
            memory["cancelled"] = True
        if exchange.path.endswith("/ledger") and memory.get("cancelled"):
            exchange.json = {**exchange.json, "charges": [{"amount": "0.2", "images": 1, "currency": "CNY"}]}

    def goes_on(exchange: Exchange, memory: dict[str, Any]) -> None:
        """Say after a while that a cancelled task has succeeded."""
        if b'"CANCELED"' in exchange.body:
            memory["times"] = memory.get("times", 0) + 1
            if memory["times"] > 1:
                exchange.body = exchange.body.replace(b'"CANCELED"', b'"SUCCEEDED"')

    yield Fault("cancel looks only", provider.slug, route=looks_only, check=CANCELLED)
    yield Fault("cancel is refused for new tasks", provider.slug, tamper=refuses, check=CANCELLED)
    yield Fault("cancel is charged", provider.slug, tamper=charges, check=CANCELLED)
    yield Fault("cancel is forgotten", provider.slug, tamper=goes_on, check=CANCELLED)
    yield Fault("cancel succeeds for ended tasks", provider.slug, tamper=takes_late, check=ENDED)
    yield Fault("cancel loses ended tasks", provider.slug, tamper=loses_late, check=ENDED)
