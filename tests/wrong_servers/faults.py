"""Servers that are right but for one thing.

A fault tampers with the checks (the catalogue that the server enforces is changed, the examiner's is not), with the
requests on their way in or with the answers on their way out. Each is small, and named for what a user would say of it.
"""

import base64
import contextlib
import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qwenmock.mockserver.calls.double import Double, create_double
from qwenmock.mockserver.http.app import Application, create_app
from qwenmock.mockserver.net.guarded_client import Outbound, Poster
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.examiner.connection.callbacks import EmbeddedInbox
from qwenmock.pytest_plugin.examiner.target import EmbeddedTarget
from qwenmock.pytest_plugin.examiner_factory import connect
from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.models import Provider, Variant
from qwenmock.schemas.vocabulary import JSON, subschema, walk


@dataclass
class Exchange:
    """An answer that may be tampered with, and what it answers."""

    method: str
    path: str
    request: JSON
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @json.setter
    def json(self, value: JSON) -> None:
        self.body = json.dumps(value).encode()

    @property
    def is_create(self) -> bool:
        return self.method == "POST" and "/__" not in self.path

    @property
    def is_success(self) -> bool:
        return self.is_create and self.status == 200

    @property
    def is_refusal(self) -> bool:
        return self.is_create and self.status >= 400

    @property
    def is_picture(self) -> bool:
        return self.path.startswith("/__files__/")


@dataclass(frozen=True)
class Fault:
    """One way to be wrong.

    Attributes:
        name: What a user would say of it.
        slug: Whose contract it breaks.
        tamper: Changes an answer.
        rewrite: Changes a request's body and headers, so that it is taken for another.
        change: Changes the catalogue that the server enforces.
        double: Changes the double.
        route: Changes a request's method, path and headers before it is routed.
        between: Changes what is called back: returns what sends callbacks, from the right one.
        check: Name of the contract test that is to find it; it is tried first.

    """

    name: str
    slug: str
    tamper: Callable[[Exchange, dict[str, Any]], None] | None = None
    rewrite: Callable[[bytes, dict[str, str]], bytes] | None = None
    change: Callable[[Provider], Provider] | None = None
    double: Callable[[Double], None] | None = None
    route: Callable[[Scope], None] | None = None
    between: Callable[[Poster], Poster] = lambda poster: poster
    check: str = ""

    def server(self, provider: Provider, seed: int = 0) -> tuple[ASGIApp, Double]:
        """Return the wrong server, and the double in it."""
        double = self._double(provider, seed)
        return self._around(create_app(double, calls_out=False)), double

    def embedded(self, provider: Provider, seed: int = 0) -> tuple[EmbeddedTarget, EmbeddedInbox, Double]:
        """Return the wrong server as a target, what receives its callbacks, and the double in it."""
        double = self._double(provider, seed)
        return *connect(double, provider.slug, self._around, self.between), double

    def calling_out(self, provider: Provider) -> ASGIApp:
        """Return the wrong server, which sends callbacks over HTTP, also to this machine."""
        double = self._double(provider, 0)
        return self._around(Application(double, poster=self.between(Outbound(allow_loopback=True))))

    def _double(self, provider: Provider, seed: int) -> Double:
        enforced = self.change(provider) if self.change else provider
        double = create_double(Settings(seed=seed), Catalog({provider.slug: enforced}))
        if self.double:
            self.double(double)
        return double

    def _around(self, app: ASGIApp) -> ASGIApp:
        if self.rewrite is not None:
            app = Rewriting(app, self.rewrite)
        if self.route is not None:
            app = Rerouting(app, self.route)
        return app if self.tamper is None else Tampering(app, self.tamper)


class Rerouting:
    """Changes method, path and headers of requests and passes them on; not those to the control API."""

    def __init__(self, app: ASGIApp, route: Callable[[Scope], None]) -> None:
        self.app = app
        self.route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/__"):
            self.route(scope)
        await self.app(scope, receive, send)


class Rewriting:
    """Changes requests and passes them on; not those to the control API."""

    def __init__(self, app: ASGIApp, rewrite: Callable[[bytes, dict[str, str]], bytes]) -> None:
        self.app = app
        self.rewrite = rewrite

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].startswith("/__"):
            await self.app(scope, receive, send)
            return
        message = await receive()
        content = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            content += message.get("body", b"")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        # What it is not made for, it leaves alone.
        with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
            content = self.rewrite(content, headers)
        headers["content-length"] = str(len(content))
        scope["headers"] = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        messages: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

        async def changed() -> Message:
            return messages.pop() if messages else {"type": "http.disconnect"}

        await self.app(scope, changed, send)


class Tampering:
    """Passes requests on and changes the answers."""

    def __init__(self, app: ASGIApp, tamper: Callable[[Exchange, dict[str, Any]], None]) -> None:
        self.app = app
        self.tamper = tamper
        self.memory: dict[str, Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        received: list[bytes] = []
        sent: list[Message] = []

        async def listen() -> Message:
            message = await receive()
            received.append(message.get("body", b""))
            return message

        async def keep(message: Message) -> None:
            sent.append(message)

        await self.app(scope, listen, keep)
        start = sent[0]
        try:
            request = json.loads(b"".join(received))
        except (ValueError, RecursionError):
            request = None
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        body = b"".join(message.get("body", b"") for message in sent[1:])
        exchange = Exchange(scope["method"], scope["path"], request, start["status"], headers, body)
        self.tamper(exchange, self.memory)
        exchange.headers["content-length"] = str(len(exchange.body))
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in exchange.headers.items()]
        await send({"type": "http.response.start", "status": exchange.status, "headers": raw})
        await send({"type": "http.response.body", "body": exchange.body})


# Tampering with the checks: every limit off by one, every list with one more or less


def with_request(provider: Provider, variant: Variant, schema: JSON) -> Provider:
    """Return the provider with another schema for one variant's requests."""
    document = replace(variant.request, schema=schema)
    changed = replace(variant, request=document)
    variants = {**provider.variants, variant.name: changed}
    endpoints = {
        name: replace(endpoint, variants=tuple(variants[v.name] for v in endpoint.variants))
        for name, endpoint in provider.endpoints.items()
    }
    return replace(provider, variants=variants, endpoints=endpoints)


def edited(
    variant_name: str, path: tuple[str, ...], edit: Callable[[dict[str, Any]], None]
) -> Callable[[Provider], Provider]:
    """Return the change of one subschema."""

    def change(provider: Provider) -> Provider:
        variant = provider.variants[variant_name]
        schema = copy.deepcopy(variant.request.schema)
        edit(subschema(schema, path))
        return with_request(provider, variant, schema)

    return change


NUMBERS = {
    "minimum": (-1, 1),
    "maximum": (1, -1),
    "minLength": (-1, 1),
    "maxLength": (1, -1),
    "minItems": (1,),
    "maxItems": (1,),
}
IMAGE_NUMBERS = {
    "minWidth": (-1, 1),
    "maxWidth": (1, -1),
    "minHeight": (-1, 1),
    "maxHeight": (1, -1),
    "maxBytes": (1, -600_000),
}
SIZE_NUMBERS = {
    "minSide": (-1, 1),
    "maxSide": (1, -1),
    "minArea": (-1, 1),
    "maxArea": (3000, -1),
    "maxRatio": (1, -1),
}
"""Few areas one above the largest are those of a size: a step of 3000 has some."""


def changed_checks(provider: Provider) -> Iterator[Fault]:
    """Yield a fault for each limit of each request, on each side that a server can be wrong on."""
    for variant in provider.variants.values():
        for path, owner in walk(variant.request.schema):
            where = f"{variant.name}/{'/'.join(path)}"

            def fault(
                name: str,
                edit: Callable[[dict[str, Any]], None],
                where: str = where,
                variant: Variant = variant,
                path: tuple[str, ...] = path,
            ) -> Fault:
                return Fault(f"{where}: {name}", provider.slug, change=edited(variant.name, path, edit))

            yield from _number_faults(owner, fault)
            yield from _list_faults(owner, fault)
            yield from _part_faults(owner, fault)


def _number_faults(owner: JSON, fault: Callable[..., Fault]) -> Iterator[Fault]:
    for keyword, steps in NUMBERS.items():
        for step in steps if keyword in owner else ():
            fixed = owner.get("minimum") == owner.get("maximum") and "minimum" in owner
            emptied = (keyword, step) in {("minItems", 1), ("maxItems", -1)} and owner[keyword] == owner.get("maxItems")
            if not emptied and not (fixed and (keyword, step) in {("minimum", 1), ("maximum", -1)}):
                yield fault(f"{keyword} {step:+}", lambda o, k=keyword, s=step: o.update({k: o[k] + s}))
    for keyword, steps in IMAGE_NUMBERS.items():
        advisory = owner.get("x-image", {}).get("advisory", ())
        for step in steps if keyword in owner.get("x-image", {}) and keyword not in advisory else ():
            yield fault(
                f"{keyword} {step:+}", lambda o, k=keyword, s=step: o["x-image"].update({k: o["x-image"][k] + s})
            )
    for keyword, steps in SIZE_NUMBERS.items():
        for step in steps if keyword in owner.get("x-size", {}) else ():
            yield fault(f"{keyword} {step:+}", lambda o, k=keyword, s=step: o["x-size"].update({k: o["x-size"][k] + s}))
    if "x-truncate" in owner:
        yield fault("cuts one too early", lambda o: o.update({"x-truncate": o["x-truncate"] - 1}))


def _list_faults(owner: JSON, fault: Callable[..., Fault]) -> Iterator[Fault]:
    # Without its model, or the member that tells its variant, a request is another's: no server can take it.
    for member in sorted(set(owner.get("required", ())) - {"model", "extra"}):
        yield fault(f"{member} is optional", lambda o, m=member: o["required"].remove(m))
    if "enum" in owner and owner.get("x-role") != "model":
        yield fault("lacks its last value", lambda o: o.update(enum=o["enum"][:-1]))
        yield fault("takes anything", lambda o: o.pop("enum"))
    if "const" in owner:
        yield fault("takes anything", lambda o: o.pop("const"))
    if owner.get("type") == "integer":
        if owner["minimum"] < owner["maximum"]:
            yield fault("takes fractions", lambda o: o.update(type="number"))
        yield fault("takes numbers as strings", lambda o: o.update(type=["integer", "string"]))
        yield fault("takes true", lambda o: o.update(type=["integer", "boolean"]))
    if owner.get("type") == "boolean":
        yield fault("takes strings", lambda o: o.update(type=["boolean", "string"]))
    for member, condition in owner.get("x-depends", {}).items():
        if not condition.get("advisory"):
            yield fault(f"permits {member} always", lambda o, m=member: o["x-depends"].pop(m))
    if "x-single" in owner:
        yield fault("refuses a single item", lambda o: o.pop("x-single"))
    if "not" in owner:
        yield fault("takes what it must not", lambda o: o.pop("not"))
    if "x-image" in owner:
        formats = owner["x-image"]["mediaTypes"]
        yield fault("refuses the last format", lambda o: o["x-image"]["mediaTypes"].pop())
        if "image/gif" not in formats:
            yield fault("takes GIF", lambda o: o["x-image"]["mediaTypes"].append("image/gif"))
        if "urlPattern" in owner["x-image"]:
            yield fault("takes any address", lambda o: o["x-image"].pop("urlPattern"))
    if "x-callback" in owner:
        yield fault("takes http", lambda o: o["x-callback"]["schemes"].append("http"))
        yield fault("takes internal addresses", lambda o: o["x-callback"].update(publicHost=False))


def _part_faults(owner: JSON, fault: Callable[..., Fault]) -> Iterator[Fault]:
    for member, limits in owner.get("x-parts", {}).items():
        for keyword, step in (("minItems", -1), ("maxItems", 1), ("maxItems", -1)):
            if keyword in limits and (limits[keyword] + step > 0 or keyword == "minItems"):
                yield fault(
                    f"{member} {keyword} {step:+}",
                    lambda o, m=member, k=keyword, s=step: o["x-parts"][m].update({k: o["x-parts"][m][k] + s}),
                )
        if "position" in limits:
            yield fault(f"{member} anywhere", lambda o, m=member: o["x-parts"][m].pop("position"))
    if "oneOf" in owner:
        yield fault("takes both or neither", lambda o: o.pop("oneOf"))


# Tampering with the answers


def places(value: JSON, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every member of a document."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, member in items:
        yield (*path, key)
        yield from places(member, (*path, key))


def holder(value: JSON, path: tuple[Any, ...]) -> Any:
    for step in path[:-1]:
        value = value[step]
    return value


def on_success(edit: Callable[[Any, Exchange], None]) -> Callable[[Exchange, dict[str, Any]], None]:
    def tamper(exchange: Exchange, _memory: dict[str, Any]) -> None:
        if exchange.is_success:
            body = exchange.json
            edit(body, exchange)
            exchange.json = body

    return tamper


def on_refusal(edit: Callable[[Any, Exchange], None]) -> Callable[[Exchange, dict[str, Any]], None]:
    def tamper(exchange: Exchange, _memory: dict[str, Any]) -> None:
        if exchange.is_refusal:
            body = exchange.json
            edit(body, exchange)
            exchange.json = body

    return tamper


def status(old: int, new: int) -> Callable[[Exchange, dict[str, Any]], None]:
    def tamper(exchange: Exchange, _memory: dict[str, Any]) -> None:
        if exchange.is_create and exchange.status == old:
            exchange.status = new

    return tamper


def without_header(on: int, name: str) -> Callable[[Exchange, dict[str, Any]], None]:
    """Leave a header out of the answers with a status."""

    def tamper(exchange: Exchange, _memory: dict[str, Any]) -> None:
        if exchange.status == on:
            exchange.headers.pop(name, None)

    return tamper


def whole(
    content_type: str, body: bytes, only: Callable[[Exchange], bool]
) -> Callable[[Exchange, dict[str, Any]], None]:
    def tamper(exchange: Exchange, _memory: dict[str, Any]) -> None:
        if only(exchange):
            exchange.headers["content-type"] = content_type
            exchange.body = body or exchange.body

    return tamper


def same_id(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_success:
        found = re.search(rb'"request_id":\s?"([^"]+)"', exchange.body)
        if found:
            exchange.body = exchange.body.replace(found[1], memory.setdefault("id", found[1]))


def ledger(edit: Callable[[list[Any]], list[Any]]) -> Callable[[Exchange, dict[str, Any]], None]:
    def tamper(exchange: Exchange, _memory: dict[str, Any]) -> None:
        if exchange.path.endswith("/ledger"):
            content = exchange.json
            content["charges"] = edit(content["charges"])
            exchange.json = content

    return tamper


def billed_anyway(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_refusal and exchange.status == 400:
        memory[exchange.headers["x-request-id"]] = True
    if exchange.path.endswith("/ledger"):
        content = exchange.json
        if not content["charges"] and memory:
            content["charges"] = [
                {"request_id": next(reversed(memory)), "amount": "0.18", "images": 1, "currency": "CNY"}
            ]
            exchange.json = content


def picture(edit: Callable[[Exchange], None]) -> Callable[[Exchange, dict[str, Any]], None]:
    def tamper(exchange: Exchange, _memory: dict[str, Any]) -> None:
        if exchange.is_picture and exchange.status == 200:
            edit(exchange)

    return tamper


def forever(exchange: Exchange, memory: dict[str, Any]) -> None:
    """Serve a picture for good once it was served."""
    if exchange.is_picture:
        if exchange.status == 200:
            memory[exchange.path] = exchange.body
        elif exchange.path in memory:
            exchange.status, exchange.body = 200, memory[exchange.path]


def once(exchange: Exchange, memory: dict[str, Any]) -> None:
    """Serve a picture one time only."""
    if exchange.is_picture and memory.setdefault(exchange.path, exchange) is not exchange:
        exchange.status = 404


def too_long(exchange: Exchange, _memory: dict[str, Any]) -> None:
    """Refuse a text that is to be cut."""
    longest = max(
        map(
            len,
            re.findall(
                r'"(?:text|prompt|negative_prompt)": "([^"]*)"', json.dumps(exchange.request, ensure_ascii=False)
            ),
        ),
        default=0,
    )
    if exchange.is_success and longest > 500:
        exchange.status = 400
        exchange.json = {"code": "InvalidParameter", "message": "too long", "request_id": "1"}


def tampered_answers(provider: Provider, sample: Mapping[str, JSON], refusal: Mapping[str, JSON]) -> Iterator[Fault]:
    """Yield a fault for each member of an answer, missing or of another type, and for what they say together."""
    for what, document, when in (("answer", sample, on_success), ("error", refusal, on_refusal)):
        for path in places(document):
            name = "/".join(map(str, path))
            if not isinstance(path[-1], int):
                yield Fault(f"{what} without {name}", provider.slug, when(_remove(path)))
            value = holder(document, path)[path[-1]]
            if not isinstance(value, dict | list):
                yield Fault(f"{what} with {name} of another type", provider.slug, when(_retype(path)))


def _remove(path: tuple[Any, ...]) -> Callable[[Any, Exchange], None]:
    def edit(body: Any, _exchange: Exchange) -> None:
        del holder(body, path)[path[-1]]

    return edit


def _retype(path: tuple[Any, ...]) -> Callable[[Any, Exchange], None]:
    def edit(body: Any, _exchange: Exchange) -> None:
        value = holder(body, path)[path[-1]]
        holder(body, path)[path[-1]] = [str(value)] if isinstance(value, str) else str(value)

    return edit


def _both_counts(body: Any, _exchange: Exchange) -> None:
    body["data"]["metadata"]["usage"]["image_count"] += 1


def _swap(body: Any, _exchange: Exchange) -> None:
    usage = body["data"]["metadata"]["usage"]
    usage["width"], usage["height"] = usage["height"], usage["width"]


def _one_more(body: Any, _exchange: Exchange) -> None:
    data = body["data"]
    extra = data["data"][0]["url"] + "&again=1"
    data["data"].append({"url": extra, "b64_json": "", "revised_prompt": ""})
    data["metadata"]["output"]["choices"][0]["message"]["content"].append({"image": extra})
    data["metadata"]["usage"]["image_count"] += 1


def _always_one(body: Any, _exchange: Exchange) -> None:
    data = body["data"]
    del data["data"][1:], data["metadata"]["output"]["choices"][0]["message"]["content"][1:]
    data["metadata"]["usage"]["image_count"] = 1


def _reversed(body: Any, _exchange: Exchange) -> None:
    body["data"]["data"].reverse()


def _twice(body: Any, _exchange: Exchange) -> None:
    for entry in body["data"]["data"]:
        entry["url"] = body["data"]["data"][0]["url"]
    content = body["data"]["metadata"]["output"]["choices"][0]["message"]["content"]
    for part in content:
        part["image"] = content[0]["image"]


def _created(seconds: float) -> Callable[[Any, Exchange], None]:
    def edit(body: Any, _exchange: Exchange) -> None:
        body["data"]["created"] = int(
            body["data"]["created"] * 1000 if seconds == 0 else body["data"]["created"] + seconds
        )

    return edit


def _long_links(body: Any, _exchange: Exchange) -> None:
    text = re.sub(r"Expires=(\d+)", lambda match: f"Expires={int(match[1]) + 30 * 86400}", json.dumps(body))
    body.clear()
    body.update(json.loads(text))


def _text(text: str) -> Callable[[Any, Exchange], None]:
    def edit(body: Any, _exchange: Exchange) -> None:
        body["msg"] = text

    return edit


def _code(body: Any, _exchange: Exchange) -> None:
    body["code"] = 200


def _jpeg(exchange: Exchange) -> None:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.open(io.BytesIO(exchange.body)).convert("RGB").save(out, "JPEG")
    exchange.body = out.getvalue()


def _smaller(exchange: Exchange) -> None:
    import io

    from PIL import Image

    out = io.BytesIO()
    image = Image.open(io.BytesIO(exchange.body))
    image.resize((image.width - 16, image.height)).save(out, "PNG")
    exchange.body = out.getvalue()


def _cut(exchange: Exchange) -> None:
    exchange.body = exchange.body[: len(exchange.body) // 2]


def _unfinished(exchange: Exchange) -> None:
    exchange.body = exchange.body[:-12]


def _all_keys_known(double: Double) -> None:
    from qwenmock.mockserver.accounts.keys import Profile

    double.settings.keys["sk-mock-expired"] = Profile()


def _strict(double: Double) -> None:
    double.settings = replace(double.settings, strict=True)


def _gone(exchange: Exchange) -> None:
    exchange.status = 404


def _change_charge(**changes: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    def edit(charges: list[Any]) -> list[Any]:
        return [{**charge, **{name: change(charge[name]) for name, change in changes.items()}} for charge in charges]

    return edit


def _relog(name: str, change: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    return _change_charge(log=lambda log: {**log, name: change(log[name])})


HTML_PAGE = b"<!doctype html><title>Bad gateway</title>"

NEBULA: tuple[Fault, ...] = (
    Fault("takes an expired key", "nebula", double=_all_keys_known),
    Fault("refuses undocumented members", "nebula", double=_strict),
    *(
        Fault(name, "nebula", tamper)
        for name, tamper in {
            "answers 201": status(200, 201),
            "refuses with 422": status(400, 422),
            "refuses with 500": status(400, 500),
            "refuses with 403": status(400, 403),
            "refuses with 200": status(400, 200),
            "answers a wrong key with 403": status(401, 403),
            "answers a wrong key with 400": status(401, 400),
            "answers an empty account with 402": status(403, 402),
            "limits with 503": status(429, 503),
            "limits without Retry-After": without_header(429, "retry-after"),
            "fails with 502": status(500, 502),
            "calls JSON text": whole("text/plain", b"", lambda e: e.is_success),
            "calls errors HTML": whole("text/html", b"", lambda e: e.is_refusal),
            "refuses with an HTML page": whole("text/html", HTML_PAGE, lambda e: e.is_refusal),
            "fails with an HTML page": whole("text/html", HTML_PAGE, lambda e: e.status == 500),
            "answers half its JSON": whole("application/json", b'{"code": 200, "data": ', lambda e: e.is_success),
            "states one image too many": on_success(_both_counts),
            "swaps width and height": on_success(_swap),
            "makes one image too many": on_success(_one_more),
            "always makes one image": on_success(_always_one),
            "lists images in another order": on_success(_reversed),
            "links to the same image twice": on_success(_twice),
            "was created in milliseconds": on_success(_created(0)),
            "was created yesterday": on_success(_created(-86400)),
            "was created in an hour": on_success(_created(3600)),
            "links for a month": on_success(_long_links),
            "repeats its request id": same_id,
            "words the size otherwise": on_refusal(_text("Parameter Error: size")),
            "has no text": on_refusal(_text("")),
            "states another code": on_refusal(_code),
            "serves JPEG": picture(_jpeg),
            "serves a smaller picture": picture(_smaller),
            "serves half a picture": picture(_cut),
            "serves no picture": picture(_gone),
            "serves a picture without its end": picture(_unfinished),
            "serves pictures as bytes": whole("application/octet-stream", b"", lambda e: e.is_picture),
            "serves a picture for ever": forever,
            "serves a picture once": once,
            "bills nothing": ledger(lambda _charges: []),
            "bills twice": ledger(lambda charges: charges * 2),
            "bills refusals": billed_anyway,
            "bills one image": ledger(_change_charge(images=lambda _: 1, amount=lambda _: "0.18")),
            "bills the official price": ledger(_change_charge(amount=lambda text: str(float(text) / 18 * 20))),
            "bills at another price a piece": ledger(_change_charge(unit_price=lambda _: "0.20")),
            "bills in words": ledger(_change_charge(amount=lambda _: "a lot")),
            "bills in dollars": ledger(_change_charge(currency=lambda _: "USD")),
            "rounds the bill to a tenth": ledger(_change_charge(amount=lambda text: f"{float(text):.1f}")),
            "logs the quota cut, not rounded": ledger(_relog("quota", lambda _: 12328)),
            "logs dollars with five places": ledger(_relog("quotaDollar", lambda text: text[:-1])),
            "logs images in the plural always": ledger(
                _relog("content", lambda text: text.replace("image ×", "images ×"))
            ),
            "logs another model": ledger(_relog("modelName", lambda _: "dall-e")),
        }.items()
    ),
)


# Tampering with the requests: what is wrong is put right, what is right is refused


def lenient(edit: Callable[[Any], None]) -> Callable[[bytes, dict[str, str]], bytes]:
    def rewrite(content: bytes, _headers: dict[str, str]) -> bytes:
        body = json.loads(content)
        edit(body)
        return json.dumps(body).encode()

    return rewrite


def strict(refused: Callable[[Any], object]) -> Callable[[bytes, dict[str, str]], bytes]:
    return lambda content, _headers: b'{"model": 1}' if refused(json.loads(content)) else content


def repairing(pattern: bytes, replacement: bytes) -> Callable[[bytes, dict[str, str]], bytes]:
    return lambda content, _headers: re.sub(pattern, replacement, content)


def _size_of_upstream(body: Any) -> None:
    parameters = body.get("parameters") or body["extra"]["parameters"]
    if parameters["size"] in {"1472*1104", "1104*1472"}:
        parameters["size"] = "1328*1328"


def _any_model_of_the_family(body: Any) -> None:
    if re.fullmatch(r"qwen-image(-max|-edit|-edit-max)?", body["model"]):
        body["model"] = "qwen-image-edit-plus" if "contents" in body else "qwen-image-plus"


def _without_images(body: Any) -> None:
    message = body["extra"]["input"]["messages"][0]
    message["content"] = [part for part in message["content"] if "image" not in part]


def _wrapped(body: Any) -> None:
    if isinstance(body["contents"], dict):
        body["contents"] = [body["contents"]]


def _parsed(body: Any) -> None:
    if isinstance(body["parameters"], str):
        body["parameters"] = json.loads(body["parameters"])


def _parts(body: Any) -> list[Any]:
    return body["contents"][0]["parts"]


def _only(member: str, ignored: str) -> Callable[[Any], None]:
    def edit(body: Any) -> None:
        for part in _parts(body):
            if member in part:
                part.pop(ignored, None)

    return edit


def _from_the_bucket(body: Any) -> None:
    for part in _parts(body):
        if str(part.get("image", "")).startswith("oss://"):
            part["image"] = "https://example.com/image1.png"


def _any_case(content: bytes, headers: dict[str, str]) -> bytes:
    scheme, _, key = headers["authorization"].partition(" ")
    headers["authorization"] = f"{scheme} {key.lower()}"
    return content


def _addresses(body: Any) -> list[str]:
    return [part["image"] for part in _parts(body) if str(part.get("image", "")).startswith("http")]


def _is_extreme(body: Any) -> bool:
    """Tell whether an image is eight times as long as it is wide; a PNG says so in its first bytes."""
    heads = [base64.b64decode(part["image"][22:70]) for part in _parts(body) if "png;base64" in part.get("image", "")]
    sides = [(int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")) for head in heads]
    return any(max(pair) == 8 * min(pair) for pair in sides)


def _address_in_an_object(body: Any) -> None:
    body["image_urls"] = [item["url"] if isinstance(item, dict) else item for item in body["image_urls"]]


def _host_before_the_user(body: Any) -> None:
    body["callback_url"] = re.sub(r"//([^/@:]*)[^/@]*@[^/]*", r"//\1", body["callback_url"])


REWRITING: tuple[Fault, ...] = (
    Fault("takes an address in an object", "evolink", rewrite=lenient(_address_in_an_object)),
    Fault("takes a user's name for the host", "evolink", rewrite=lenient(_host_before_the_user)),
) + tuple(
    Fault(name, "nebula", rewrite=rewrite)
    for name, rewrite in {
        "takes the upstream's sizes": lenient(_size_of_upstream),
        "takes any model of the family": lenient(_any_model_of_the_family),
        "ignores an image where none may be": lenient(_without_images),
        "takes one message for a list of one": lenient(_wrapped),
        "takes parameters as text": lenient(_parsed),
        "takes the text of a part that has an image too": lenient(_only("text", "image")),
        "takes the image of a part that has a text too": lenient(_only("image", "text")),
        "takes addresses in the upstream's bucket": lenient(_from_the_bucket),
        "takes a key in any case": _any_case,
        "repairs a comma too many": repairing(rb",\s*([}\]])", rb"\1"),
        "repairs single quotes": repairing(rb"'", rb'"'),
        "repairs missing quotes": repairing(rb"([{,])(\w+):", rb'\1"\2":'),
        "overlooks comments": repairing(rb"^//[^\n]*|/\*.*?\*/", b""),
        "repairs a missing brace": lambda content, _: content + b"}" * (content.count(b"{") - content.count(b"}")),
        "refuses a prompt of several lines": strict(lambda body: "\n" in body["prompt"]),
        "refuses a long prompt": strict(lambda body: len(body["prompt"]) > 800),
        "refuses a long negative prompt": strict(lambda body: len(body["parameters"]["negative_prompt"]) > 500),
        "refuses addresses with a query": strict(lambda body: any("?" in url for url in _addresses(body))),
        "refuses addresses without an ending": strict(
            lambda body: any("." not in url.rpartition("/")[2] for url in _addresses(body))
        ),
        "refuses a long narrow image": strict(_is_extreme),
        "refuses the most in and the most out together": strict(
            lambda body: (len(_parts(body)), body["parameters"]["n"]) == (4, 6)
        ),
    }.items()
)


def _progress_falls(exchange: Exchange, memory: dict[str, Any]) -> None:
    if "/v1/tasks/" in exchange.path and exchange.status == 200:
        body = exchange.json
        memory["turn"] = memory.get("turn", 0) + 1
        body["progress"] = 100 if body["progress"] == 100 else 99 - min(98, memory["turn"] % 90)
        exchange.json = body


def on_task(edit: Callable[[Any], None], state: str) -> Callable[[Exchange, dict[str, Any]], None]:
    def tamper(exchange: Exchange, _memory: dict[str, Any]) -> None:
        if "/v1/tasks/" in exchange.path and exchange.status == 200:
            body = exchange.json
            if body["status"] == state:
                edit(body)
                exchange.json = body

    return tamper


def _credits(edit: Callable[[float, dict[str, Any]], float]) -> Callable[[Exchange, dict[str, Any]], None]:
    def tamper(exchange: Exchange, memory: dict[str, Any]) -> None:
        if exchange.path.endswith("/v1/credits") and exchange.status == 200:
            body = exchange.json
            token = body["data"]["token"]
            token["remaining_credits"] = edit(token["remaining_credits"], memory)
            exchange.json = body

    return tamper


def _leak(left: float, memory: dict[str, Any]) -> float:
    memory["asked"] = memory.get("asked", 0) + 1
    return round(left - memory["asked"], 1)


EVOLINK: tuple[Fault, ...] = tuple(
    Fault(name, "evolink", tamper)
    for name, tamper in {
        "progress falls": _progress_falls,
        "completes without results": on_task(lambda body: body.pop("results"), "completed"),
        "completes at 99": on_task(lambda body: body.update(progress=99), "completed"),
        "shows results while it runs": on_task(
            lambda body: body.update(results=["https://example.com/a.png"]), "processing"
        ),
        "can cancel what has ended": on_task(lambda body: body["task_info"].update(can_cancel=True), "completed"),
        "calls it done": on_task(lambda body: body.update(status="done"), "completed"),
        "queries another task": on_task(lambda body: body.update(id="task-unified-1-aaaaaaaa"), "completed"),
        "reserves one credit": on_success(lambda body, _: body["usage"].update(credits_reserved=1)),
        "is created as processing": on_success(lambda body, _: body.update(status="processing")),
        "has ids of another kind": on_success(lambda body, _: body.update(id=body["id"].replace("unified", "image"))),
        "takes credits for looking": _credits(_leak),
        "never takes credits": _credits(lambda left, memory: memory.setdefault("left", left)),
        "answers an empty account with 403": status(402, 403),
        "has another error code": on_refusal(lambda body, _: body["error"].update(code="bad_request")),
    }.items()
)

DASHSCOPE: tuple[Fault, ...] = tuple(
    Fault(name, "dashscope", tamper)
    for name, tamper in {
        "answers an unknown model with 400": status(404, 400),
        "refuses what is to be cut": too_long,
        "has another error code": on_refusal(lambda body, _: body.update(code="BadRequest")),
        "fails without a request id": on_refusal(lambda body, _: body.pop("request_id")),
        "repeats its request id": same_id,
        "states one image too many": on_success(lambda body, _: body.get("usage", {}).update(image_count=9)),
    }.items()
)


def same_error_id(exchange: Exchange, memory: dict[str, Any]) -> None:
    """Repeat the id of refusals."""
    if exchange.is_refusal:
        body = exchange.json
        if "request_id" in body:
            body["request_id"] = memory.setdefault("id", body["request_id"])
            exchange.json = body


AI302: tuple[Fault, ...] = (
    Fault("answers an unknown model with 400", "ai302", status(503, 400)),
    Fault("refuses what is to be cut", "ai302", too_long),
    Fault("repeats the id of refusals", "ai302", same_error_id),
)
