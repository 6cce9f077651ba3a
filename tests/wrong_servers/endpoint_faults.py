"""Servers with one endpoint that is careless about keys, methods, headers or ids, made from the catalogue."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from starlette.types import Scope
from wrong_servers.faults import Exchange, Fault

from qwenmock.schemas.models import Endpoint, Provider

KEY = b"Bearer sk-mock"


def faults(provider: Provider) -> Iterator[Fault]:
    """Yield the faults of each endpoint."""
    for endpoint in provider.endpoints.values():
        yield from _key_faults(provider, endpoint)
        yield from _method_faults(provider, endpoint)
        yield from _header_faults(provider, endpoint)
        if "{task_id}" in endpoint.path:
            yield from _id_faults(provider, endpoint)
        if endpoint.kind in {"task", "cancel", "list"}:
            yield from _owner_faults(provider, endpoint)


def _is_at(provider: Provider, endpoint: Endpoint) -> Callable[[str, str], bool]:
    """Return whether a method and a path are those of an endpoint."""
    pattern = re.compile(f"/{provider.slug}{re.escape(endpoint.path)}".replace(re.escape("{task_id}"), "[^/]+"))
    return lambda method, path: method == endpoint.method and pattern.fullmatch(path) is not None


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for header, value in scope["headers"] if header == name), b"")


def _set_header(scope: Scope, name: bytes, value: bytes) -> None:
    scope["headers"] = [(header, old) for header, old in scope["headers"] if header != name] + [(name, value)]


def _key_faults(provider: Provider, endpoint: Endpoint) -> Iterator[Fault]:
    here = _is_at(provider, endpoint)

    def taking(wrong: Callable[[bytes], bool]) -> Callable[[Scope], None]:
        def route(scope: Scope) -> None:
            if here(scope["method"], scope["path"]) and wrong(_header(scope, b"authorization")):
                _set_header(scope, b"authorization", KEY)

        return route

    wrong_keys: dict[str, tuple[str, Callable[[bytes], bool]]] = {
        "needs no key": ("test_every_endpoint_needs_a_valid_key", lambda header: not header),
        "takes any scheme": (
            "test_every_endpoint_needs_a_valid_key",
            lambda header: bool(header) and not header.startswith(b"Bearer"),
        ),
        "takes any key": (
            "test_every_endpoint_needs_a_valid_key",
            lambda header: header == KEY + b"-unknown-key",
        ),
        "takes a key with more behind it": ("test_every_endpoint_needs_a_valid_key", lambda h: h == KEY + b"~"),
        "takes an expired key": (
            "test_every_endpoint_reports_the_error_of_a_key",
            lambda header: header == KEY + b"-expired",
        ),
        "has no rate limit": (
            "test_every_endpoint_reports_the_error_of_a_key",
            lambda header: header == KEY + b"-throttled",
        ),
        "hides internal errors": (
            "test_every_endpoint_reports_the_error_of_a_key",
            lambda header: header == KEY + b"-broken",
        ),
    }
    for name, (check, wrong) in wrong_keys.items():
        yield Fault(f"{endpoint.name} {name}", provider.slug, route=taking(wrong), check=check)

    def forbidden(exchange: Exchange, _memory: dict[str, Any]) -> None:
        if here(exchange.method, exchange.path) and exchange.status == 401:
            exchange.status = 403

    yield Fault(
        f"{endpoint.name} answers a wrong key with 403",
        provider.slug,
        tamper=forbidden,
        check="test_every_endpoint_needs_a_valid_key",
    )


def _method_faults(provider: Provider, endpoint: Endpoint) -> Iterator[Fault]:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        if any(other.path == endpoint.path and other.method == method for other in provider.endpoints.values()):
            continue

        def route(scope: Scope, method: str = method) -> None:
            if _is_at(provider, endpoint)(endpoint.method, scope["path"]) and scope["method"] == method:
                scope["method"] = endpoint.method
                if endpoint.required_header is not None:
                    _set_header(scope, endpoint.required_header[0].encode(), endpoint.required_header[1].encode())

        name = f"{endpoint.name} answers {method}"
        yield Fault(name, provider.slug, route=route, check="test_other_methods_are_refused")


def _header_faults(provider: Provider, endpoint: Endpoint) -> Iterator[Fault]:
    if endpoint.kind != "create" or not provider.has_required_header:
        return
    here = _is_at(provider, endpoint)
    needed = endpoint.required_header
    others = [e.required_header[0].encode() for e in provider.endpoints.values() if e.required_header is not None]

    def add(scope: Scope) -> None:
        if here(scope["method"], scope["path"]) and needed is not None:
            _set_header(scope, needed[0].encode(), needed[1].encode())

    def add_value(scope: Scope) -> None:
        if needed is not None and _header(scope, needed[0].encode()):
            add(scope)

    def drop(scope: Scope) -> None:
        if here(scope["method"], scope["path"]):
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in others]

    found = {"ignores a header of another": drop}
    if needed is not None:
        found = {"needs no header": add, "takes any value of its header": add_value}
    for name, route in found.items():
        yield Fault(f"{endpoint.name} {name}", provider.slug, route=route, check="test_wrong_headers_are_refused")


def _id_faults(provider: Provider, endpoint: Endpoint) -> Iterator[Fault]:
    """Yield servers that take an unknown id for a known one, or answer it otherwise."""
    here = _is_at(provider, endpoint)
    check = "test_unknown_ids_are_refused"

    longest = len(f"{provider.tasks.prefix}0000000000-00000000") if provider.tasks and provider.tasks.prefix else 36

    def cut(scope: Scope) -> None:
        if here(scope["method"], scope["path"]):
            parts = scope["path"].split("/")
            place = endpoint.path.split("/").index("{task_id}") + 1
            parts[place] = parts[place][:longest]
            scope["path"] = "/".join(parts)

    if endpoint.kind == "task":
        yield Fault(f"{endpoint.name} cuts ids that are too long", provider.slug, route=cut, check=check)

    def empty(exchange: Exchange, _memory: dict[str, Any]) -> None:
        if here(exchange.method, exchange.path) and (exchange.status >= 400 or b"UNKNOWN" in exchange.body):
            exchange.status, exchange.body = 200, b"{}"

    def gone(exchange: Exchange, _memory: dict[str, Any]) -> None:
        if here(exchange.method, exchange.path) and (exchange.status in {400, 404} or b"UNKNOWN" in exchange.body):
            exchange.status = 410

    yield Fault(f"{endpoint.name} answers unknown ids with 410", provider.slug, tamper=gone, check=check)
    if endpoint.kind == "cancel":
        yield Fault(f"{endpoint.name} succeeds for unknown ids", provider.slug, tamper=empty, check=check)


def _owner_faults(provider: Provider, endpoint: Endpoint) -> Iterator[Fault]:
    """Yield servers that show a task to another key: always, before its end, or after it."""
    here = _is_at(provider, endpoint)
    check = "test_other_keys_do_not_see_a_task"

    def anybody(scope: Scope) -> None:
        if here(scope["method"], scope["path"]) and _header(scope, b"authorization") == KEY + b".other":
            _set_header(scope, b"authorization", KEY)

    yield Fault(f"{endpoint.name} serves other keys", provider.slug, route=anybody, check=check)
    if endpoint.kind == "list":

        def nothing(exchange: Exchange, _memory: dict[str, Any]) -> None:
            if here(exchange.method, exchange.path) and exchange.status == 200:
                exchange.json = {name: [] if value else value for name, value in exchange.json.items()}

        yield Fault(f"{endpoint.name} is empty", provider.slug, tamper=nothing, check="test_tasks_are_listed")
        for ended in (True, False):
            yield Fault(
                f"{endpoint.name} lists no {'ended' if ended else 'new'} tasks",
                provider.slug,
                tamper=_unlisted(here, ended=ended),
                check="test_tasks_are_listed",
            )
    if endpoint.kind == "task":
        for ended in (True, False):
            name = f"{endpoint.name} shows {'ended' if ended else 'running'} tasks to other keys"
            yield Fault(name, provider.slug, double=_shown(provider, ended=ended), check=check)


def _unlisted(here: Callable[[str, str], bool], *, ended: bool) -> Callable[[Exchange, dict[str, Any]], None]:
    def tamper(exchange: Exchange, _memory: dict[str, Any]) -> None:
        if here(exchange.method, exchange.path) and exchange.status == 200:
            body = exchange.json
            for name, items in body.items():
                if isinstance(items, list):
                    body[name] = [item for item in items if ("end_time" in json.dumps(item)) != ended]
            exchange.json = body

    return tamper


def _shown(provider: Provider, *, ended: bool) -> Callable[[Any], None]:
    """Make the store return tasks that have ended, or have not, as if they were the asking key's own."""
    from dataclasses import replace

    def change(double: Any) -> None:
        find, authenticate = double.store.task, double.caller
        asking: list[str] = []

        def caller(slug: str, header: str) -> Any:
            found = authenticate(slug, header)
            asking[:] = [found.key]
            return found

        async def task(task_id: str) -> Any:
            found = await find(task_id)
            is_meant = found is not None and found.status_at(double.clock.now()).ended == ended
            return replace(found, key=asking[0]) if is_meant and asking else found

        double.store.task, double.caller = task, caller

    return change
