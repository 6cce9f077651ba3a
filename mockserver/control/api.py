"""The calls of the control API. They are never journaled, delayed or charged."""

import csv
import io
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any, cast

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.accounts.keys import defaults_of, profile_of
from qwenmock.mockserver.accounts.pricing import billing_log
from qwenmock.mockserver.calls.client_behaviour import verdict
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.calls.faults import parse_fault
from qwenmock.mockserver.clock import FURTHEST
from qwenmock.mockserver.control.openapi import openapi
from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.images.files import upload
from qwenmock.mockserver.images.headers import NotAnImage
from qwenmock.mockserver.metrics import CONTENT_TYPE as METRICS_TYPE
from qwenmock.mockserver.models import Account, Charge, Task
from qwenmock.mockserver.money import amount
from qwenmock.mockserver.store.protocols import Selection
from qwenmock.mockserver.tasks.lifecycle import cancel, settle_finished, view
from qwenmock.mockserver.tasks.lifecycle import describe as describe_task
from qwenmock.schemas.vocabulary import JSON

LONGEST_TABLE = 1_000_000
CSV_CHUNK = 2**16
LARGEST_BODY = 16 * 2**20
RESETS = ("all", "journal", "ledger", "tasks", "faults", "limits", "clock")


class ControlError(Exception):
    """A control call that cannot be done; the text says what would be accepted."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def control_routes(double: Double) -> list[Route]:
    """Return the routes below `/__mock__`."""
    api = ControlApi(double)
    table: list[tuple[str, str, Callable[[Request], Awaitable[JSON]]]] = [
        ("GET", "/health", api.health),
        ("GET", "/providers", api.providers),
        ("GET", "/openapi/{provider}.json", api.openapi),
        ("GET", "/journal", api.journal),
        ("GET", "/ledger", api.ledger),
        ("GET", "/verdict", api.verdict),
        ("PATCH", "/accounts/{key}", api.change_account),
        ("GET", "/faults", api.faults),
        ("PUT", "/faults", api.set_faults),
        ("DELETE", "/faults", api.clear_faults),
        ("POST", "/clock", api.move_clock),
        ("POST", "/reset", api.reset),
        ("POST", "/reset/{what}", api.reset),
        ("POST", "/images", api.upload),
        ("GET", "/tasks", api.tasks),
        ("GET", "/tasks/{task_id}", api.task),
        ("POST", "/tasks/{task_id}/cancel", api.cancel_task),
        ("POST", "/callbacks/{id}/resend", api.resend),
    ]
    routes = [Route(path, _answered(handler), methods=[method]) for method, path, handler in table]
    files = [("/metrics", api.metrics), ("/ledger.csv", api.ledger_csv)]
    return [*routes, *(Route(path, _checked(handler), methods=["GET"]) for path, handler in files)]


def _answered(handler: Callable[[Request], Awaitable[JSON]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return Response(orjson.dumps(await handler(request)), media_type="application/json")

    return _checked(answer)


def _checked(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Make of what goes wrong in a handler an answer that says so."""

    async def answer(request: Request) -> Response:
        try:
            response = await handler(request)
        except ControlError as error:
            response = JSONResponse({"error": str(error)}, error.status)
        except StoreError as error:
            response = JSONResponse({"error": f"the store failed: {error}"}, 500)
        response.headers["X-Qwenmock"] = __version__
        return response

    return answer


class ControlApi:
    """What the calls do."""

    def __init__(self, double: Double) -> None:
        self.double = double

    async def health(self, _request: Request) -> JSON:
        """Say that the double is there."""
        return {"status": "ok", "version": __version__, "now": self.double.clock.now()}

    async def providers(self, _request: Request) -> JSON:
        """List the providers and what they offer."""
        return [
            {
                "slug": provider.slug,
                "name": provider.name,
                "base_url": provider.base_url,
                "currency": provider.currency,
                "models": sorted(provider.models),
                "endpoints": [f"{e.method} {e.path}" for e in provider.endpoints.values()],
                "variants": list(provider.variants),
            }
            for provider in self.double.catalog
        ]

    async def openapi(self, request: Request) -> JSON:
        """Return a provider's contract as OpenAPI, served from here."""
        provider = self._provider(request.path_params["provider"])
        return openapi(provider, f"{request.url.scheme}://{request.url.netloc}/{provider.slug}")

    async def journal(self, request: Request) -> JSON:
        """Return journal entries, newest first."""
        return list(await self.double.store.journal(self._selection(request, self.double.settings.journal_max)))

    async def verdict(self, request: Request) -> JSON:
        """Say how the client behaved, as far as the journal goes back."""
        newest_first = await self.double.store.journal(self._selection(request, self.double.settings.journal_max))
        return verdict(list(reversed(newest_first)), await self.double.store.fetches(), self.double.catalog)

    async def ledger(self, request: Request) -> JSON:
        """Return accounts and charges."""
        await settle_finished(self.double)
        await self.double.store.release_expired()
        selection = self._selection(request, 1000)
        return {
            "accounts": [_account(account) for account in await self.double.store.accounts(selection)],
            "charges": [self._charge(charge) for charge in await self.double.store.charges(selection)],
        }

    async def ledger_csv(self, request: Request) -> Response:
        """Return the charges as a table for spreadsheets, newest first."""
        await settle_finished(self.double)
        charges = await self.double.store.charges(self._selection(request, LONGEST_TABLE))
        headers = {"Content-Disposition": 'attachment; filename="ledger.csv"'}
        return StreamingResponse(_csv_lines(charges), 200, headers, "text/csv; charset=utf-8")

    async def metrics(self, _request: Request) -> Response:
        """Return what was counted, for Prometheus."""
        await settle_finished(self.double)
        store, now = self.double.store, self.double.clock.now()
        under_way = sum(not view(task, now).ended for task in await store.tasks(Selection()))
        text = self.double.metrics.exposition(await store.deliveries(None), under_way)
        return Response(text, media_type=METRICS_TYPE)

    async def change_account(self, request: Request) -> JSON:
        """Set balance or limit of a key, with one provider or all."""
        key = request.path_params["key"]
        profile = profile_of(key, self.double.settings.keys)
        if profile is None:
            raise ControlError(404, f"{key!r} is no key of this double")
        body = await _object(request, {"provider", "balance", "requests_per_minute"})
        slug = body.pop("provider", None)
        if not body:
            raise ControlError(400, "balance or requests_per_minute is due")
        providers = list(self.double.catalog) if slug is None else [self._provider(slug)]
        changes = _changes(body)
        accounts = [
            await self.double.store.change_account(defaults_of(provider, key, profile), changes)
            for provider in providers
        ]
        return {"accounts": [_account(account) for account in accounts]}

    async def faults(self, _request: Request) -> JSON:
        """Return the fault plan."""
        return list((await self.double.store.faults()).values())

    async def set_faults(self, request: Request) -> JSON:
        """Replace the fault plan."""
        entries = await _json(request)
        if not isinstance(entries, list):
            raise ControlError(400, "a list of faults is due")
        try:
            plan = [parse_fault(entry, self.double.catalog.providers) for entry in cast(list[JSON], entries)]
        except ValueError as error:
            raise ControlError(400, str(error)) from error
        await self.double.plan.set(plan)
        return await self.faults(request)

    async def clear_faults(self, request: Request) -> JSON:
        """Empty the fault plan."""
        await self.double.plan.set([])
        return await self.faults(request)

    async def move_clock(self, request: Request) -> JSON:
        """Skip some time."""
        body = await _object(request, {"advance_seconds"})
        seconds = body.get("advance_seconds")
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            raise ControlError(400, f"advance_seconds must be a number, got {seconds!r}")
        if not 0 <= seconds <= FURTHEST:
            raise ControlError(400, f"advance_seconds must be a number from 0 to {FURTHEST:g}, got {seconds}")
        self.double.clock.offset = await self.double.store.move_clock(seconds)
        now = self.double.clock.now()
        await settle_finished(self.double)
        if await self.double.store.has_work():
            self.double.wake()
        return {"now": now, "offset": self.double.clock.offset}

    async def reset(self, request: Request) -> JSON:
        """Begin anew, with everything or one thing."""
        what = request.path_params.get("what", "all")
        if what not in RESETS:
            raise ControlError(404, f"{what!r} is none of {', '.join(RESETS)}")
        if what in {"all", "faults"}:
            await self.double.plan.set([])
        if what in {"all", "clock"}:
            self.double.clock.offset = await self.double.store.move_clock(None)
        if what in {"all", "journal", "ledger", "tasks", "limits"}:
            await self.double.store.reset(what)
        return {"reset": what}

    async def upload(self, request: Request) -> JSON:
        """Keep a picture and answer with a URL that the providers accept."""
        data = await _read(request)
        scheme_and_host = f"{request.url.scheme}://{request.url.netloc}"
        suffix = request.query_params.get("suffix")
        if suffix is not None and not (suffix.isalnum() and suffix.isascii() and len(suffix) < 10):
            raise ControlError(400, f"suffix must be a few letters, got {suffix[:40]!r}")
        try:
            url, header = await upload(self.double, data, scheme_and_host, suffix)
        except NotAnImage as error:
            raise ControlError(400, f"send the bytes of an image: {error.reason}") from error
        return {"url": url, "media_type": header.media_type, "width": header.width, "height": header.height}

    async def tasks(self, request: Request) -> JSON:
        """List tasks, newest first."""
        found = await self.double.store.tasks(self._selection(request, 1000))
        return [await self._described(task) for task in found]

    async def task(self, request: Request) -> JSON:
        """Return a task and its callbacks."""
        return await self._described(await self._task(request.path_params["task_id"]))

    async def cancel_task(self, request: Request) -> JSON:
        """Cancel a task that has not ended, also where its provider has no call for that."""
        task = await self._task(request.path_params["task_id"])
        cancelled = await cancel(self.double, task)
        if cancelled is None:
            raise ControlError(409, f"task {task.id} has ended")
        self.double.wake()
        return await self._described(cancelled)

    async def resend(self, request: Request) -> JSON:
        """Make a callback once more: one by its own id, or that of a task."""
        asked = request.path_params["id"]
        known = await self.double.store.deliveries(None)
        found = next((delivery for delivery in reversed(known) if asked in {delivery.id, delivery.task_id}), None)
        if found is None:
            raise ControlError(404, f"there is no callback {asked[:100]!r}, nor a task with one")
        again = replace(found, id=self.double.new_id(), due=self.double.clock.now(), state="waiting", attempts=())
        await self.double.store.set_delivery(again)
        self.double.wake()
        return {"id": again.id, "task_id": again.task_id, "url": again.url}

    async def _task(self, task_id: str) -> Task:
        await settle_finished(self.double)
        task = await self.double.store.task(task_id)
        if task is None:
            raise ControlError(404, f"there is no task {task_id[:100]!r}")
        return task

    async def _described(self, task: Task) -> JSON:
        return describe_task(task, self.double.clock.now(), await self.double.store.deliveries(task.id))

    def _charge(self, charge: Charge) -> JSON:
        price = charge.unit_price
        return {
            **charge._asdict(),
            "unit_price": None if price is None else f"{price:f}",
            "amount": f"{charge.amount:f}",
            "log": billing_log(self.double.catalog[charge.provider], charge.model, charge.images, price),
        }

    def _provider(self, slug: JSON) -> Any:
        if slug not in self.double.catalog.providers:
            raise ControlError(
                404, f"there is no provider {slug!r}; there are {', '.join(self.double.catalog.providers)}"
            )
        return self.double.catalog[slug]

    def _selection(self, request: Request, default: int) -> Selection:
        asked = request.query_params
        if "provider" in asked:
            self._provider(asked["provider"])
        return Selection(
            provider=asked.get("provider"),
            key=asked.get("key"),
            request_id=asked.get("request_id"),
            status=_whole(asked.get("status"), "status", None),
            limit=_whole(asked.get("limit"), "limit", default) or 0,
        )


def _whole(text: str | None, name: str, default: int | None) -> int | None:
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise ControlError(400, f"{name} must be a whole number, got {text[:40]!r}")
    return int(text)


def _changes(body: dict[str, JSON]) -> dict[str, JSON]:
    changes: dict[str, JSON] = {}
    if "balance" in body:
        try:
            changes["balance"] = amount(body["balance"])
        except ValueError as error:
            raise ControlError(400, f"balance: {error}") from error
    if "requests_per_minute" in body:
        limit = body["requests_per_minute"]
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or not 0 <= limit <= 10**6):
            raise ControlError(400, f"requests_per_minute must be a whole number up to 1000000 or null, got {limit!r}")
        changes["requests_per_minute"] = limit
    return changes


async def _read(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            raise ControlError(413, f"at most {LARGEST_BODY} bytes are taken")
        chunks.append(chunk)
    return b"".join(chunks)


async def _json(request: Request) -> JSON:
    try:
        return orjson.loads(await _read(request))
    except orjson.JSONDecodeError as error:
        raise ControlError(400, f"the body is no JSON: {str(error)[:200]}") from error


async def _object(request: Request, known: set[str]) -> dict[str, JSON]:
    body = await _json(request)
    if not isinstance(body, dict):
        raise ControlError(400, f"an object with {', '.join(sorted(known))} is due")
    members = cast(dict[str, JSON], body)
    unknown = members.keys() - known
    if unknown:
        raise ControlError(400, f"{sorted(unknown)[0]!r} is none of {', '.join(sorted(known))}")
    return members


def _csv_lines(charges: Sequence[Charge]) -> Iterator[str]:
    line = io.StringIO()
    table = csv.writer(line)
    table.writerow(Charge._fields)
    for charge in charges:
        price = "" if charge.unit_price is None else f"{charge.unit_price:f}"
        values = charge._asdict() | {"unit_price": price, "amount": f"{charge.amount:f}"}
        table.writerow(values.values())
        if line.tell() > CSV_CHUNK:
            yield line.getvalue()
            line.seek(0)
            line.truncate()
    yield line.getvalue()


def _account(account: Account) -> JSON:
    amounts = {name: f"{getattr(account, name):f}" for name in ("balance", "reserved", "spent")}
    return asdict(account) | amounts
