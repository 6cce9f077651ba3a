"""What the right servers share: HTTP, keys, pictures, and the things that the documents leave open.

Written from the documents alone. Nothing here comes from the package: a mistake of the double or of the examiner must
not be repeated by what checks them.
"""

import base64
import binascii
import hashlib
import io
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from PIL import Image, ImageDraw, UnidentifiedImageError

KEY = "sk-mock-right"
KEYS = {purpose: f"{KEY}-{purpose}" for purpose in ("expired", "empty", "forbidden", "throttled", "broken", "other")}
LINK_SECONDS = 24 * 3600
MEGABYTE = 10**6
FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "BMP": "image/bmp", "TIFF": "image/tiff", "WEBP": "image/webp"}


@dataclass(frozen=True)
class Style:
    """What the documents leave open, chosen by a seed.

    Attributes:
        extra_members: Whether answers have members that no document names.
        lower_case_headers: Whether header names are sent in lower case.
        charset: Whether content types have a parameter, and capital letters.
        own_words: Whether undocumented error texts differ from the usual ones.
        chunked: Whether answers are sent in chunks.
        http_1_0: Whether the server speaks HTTP/1.0.
        slow: Seconds that a success takes.
        retry_after: Whether a 429 has a Retry-After header.
        accepts_undocumented: Whether values that the documents neither allow nor refuse are accepted.
        signed_links: Whether a changed link is refused.

    """

    extra_members: bool
    lower_case_headers: bool
    charset: bool
    own_words: bool
    chunked: bool
    http_1_0: bool
    slow: bool
    retry_after: bool
    accepts_undocumented: bool
    signed_links: bool

    @classmethod
    def of(cls, seed: int) -> "Style":
        """Return the style of a seed; seed 0 does everything in the plain way."""
        rng = Random(seed)
        return cls(**{field.name: seed > 0 and rng.random() < 0.5 for field in fields(cls)})


class RefusedError(Exception):
    """A request that is refused.

    Args:
        status: HTTP status.
        text: What was wrong.
        code: The provider's code, where it has codes.

    """

    def __init__(self, status: int, text: str, code: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.code = code


class Request(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """What is sent back; `content` is JSON unless it is bytes."""

    status: int
    content: Any
    headers: Mapping[str, str] = {}


class RightServer:
    """A server that keeps its provider's documents.

    Subclasses say which paths exist (`respond`) and how a refusal is written (`refusal`).
    """

    slug = ""
    currency = ""
    documented_mb = 10 * MEGABYTE

    def __init__(self, style: Style) -> None:
        self.style = style
        self.origin = ""
        self.spent: dict[str, Decimal] = {}
        self.charges: list[dict[str, Any]] = []
        self.lock = threading.Lock()

    # To be written by each provider

    def respond(self, request: Request) -> Answer:
        """Return the answer to a request with a valid key."""
        raise NotImplementedError

    def refusal(self, error: RefusedError, request: Request) -> Answer:
        """Return the answer to a refused request."""
        raise NotImplementedError

    # Common to all

    def handle(self, request: Request) -> Answer:
        """Return the answer to any request."""
        if request.path.startswith("/pictures/"):
            return self.picture(request)
        if request.path == "/ledger":
            return self.ledger(request)
        try:
            return self.respond(request)
        except RefusedError as error:
            return self.refusal(error, request)

    def authenticate(self, request: Request) -> str:
        """Return the key."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        known = scheme.lower() == "bearer" and key in {KEY, *KEYS.values()} and key != KEYS["expired"]
        if not known:
            raise RefusedError(401, "Invalid or expired API key", "unauthorized")
        if key == KEYS["throttled"]:
            raise RefusedError(429, "Request too frequent, rate limit exceeded", "rate_limited")
        return key

    def authorize(self, key: str) -> None:
        """Refuse a valid request for what its key lacks."""
        if key == KEYS["forbidden"]:
            raise RefusedError(403, "Insufficient permissions", "forbidden")
        if key == KEYS["empty"]:
            raise RefusedError(403, "Insufficient balance", "empty")
        if key == KEYS["broken"]:
            raise RefusedError(500, "Internal Server Error", "internal")

    def charge(
        self, request_id: str, key: str, model: str, images: int, price: Decimal | None, extra: Decimal = Decimal(0)
    ) -> None:
        """Book a success: its images, and what its input costs."""
        amount = (price or Decimal(0)) * images + extra
        with self.lock:
            self.spent[key] = self.spent.get(key, Decimal(0)) + amount
            self.charges.append(
                {
                    "id": f"charge-{len(self.charges)}",
                    "request_id": request_id,
                    "provider": self.slug,
                    "model": model,
                    "key": key,
                    "images": images,
                    "unit_price": None if price is None else f"{price:f}",
                    "currency": self.currency,
                    "amount": f"{amount:f}",
                    "created": time.time(),
                    "log": self.billing_log(model, images),
                }
            )

    def billing_log(self, model: str, images: int) -> Any:  # noqa: ARG002, most providers document no record
        """Return the provider's own record of a charge; None where its documents show none."""
        return None

    def settle(self) -> None:
        """Bill the work that ended since the last call; a provider with tasks has some."""

    def ledger(self, request: Request) -> Answer:
        """Return the charges of one request, in the form that `--live-ledger` reads."""
        self.settle()
        asked = request.query.get("request_id")
        return Answer(200, {"accounts": [], "charges": [c for c in self.charges if c["request_id"] == asked]})

    def link(self, width: int, height: int, seed: str, *, watermark: bool) -> str:
        """Return the address of a picture."""
        expires = int(time.time()) + LINK_SECONDS
        name = f"{width}x{height}-{hashlib.sha256(seed.encode()).hexdigest()[:12]}-{'w' if watermark else 'p'}.png"
        return f"{self.origin}/pictures/{name}?Expires={expires}&Signature={self.sign(name, str(expires))}"

    @staticmethod
    def sign(name: str, expires: str) -> str:
        """Return the signature of a link."""
        return hashlib.sha256(f"right {name} {expires}".encode()).hexdigest()[:32]

    def picture(self, request: Request) -> Answer:
        """Return the picture behind a link."""
        name = request.path.removeprefix("/pictures/")
        expires = request.query.get("Expires", "0")
        right = request.query.get("Signature") == self.sign(name, expires)
        if (self.style.signed_links and not right) or not expires.isdigit() or int(expires) < time.time():
            return Answer(403, b"<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"})
        size, digest, mark = name.removesuffix(".png").split("-")
        width, height = (int(side) for side in size.split("x"))
        kind = "image/PNG ; x=1" if self.style.charset else "image/png"
        return Answer(200, drawn(width, height, digest, watermark=mark == "w"), {"Content-Type": kind})


def drawn(width: int, height: int, digest: str, *, watermark: bool) -> bytes:
    """Return a PNG; the bottom right corner differs with a watermark."""
    image = Image.new("RGB", (width, height), f"#{digest[:6]}")
    draw = ImageDraw.Draw(image)
    draw.ellipse((width // 4, height // 4, width // 2, height // 2), fill=f"#{digest[6:12]}")
    if watermark:
        draw.text((width - 80, height - 20), "Qwen-Image", fill="white")
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def parsed(request: Request) -> dict[str, Any]:
    """Return the body, which must be a JSON object that is called one."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(400, "Content-Type must be application/json", "malformed")
    try:
        body = json.loads(request.body, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "the body is not JSON", "malformed") from error
    if not isinstance(body, dict):
        raise RefusedError(400, "the body is not an object", "malformed")
    return body


def _not_json(name: str) -> None:
    raise ValueError(name)


def whole(value: Any, low: int, high: int, name: str) -> int:
    """Return an integer from low to high. JSON does not tell 2.0 from 2."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise RefusedError(400, f"{name} must be an integer", "invalid")
    if not low <= value <= high:
        raise RefusedError(400, f"{name} must be from {low} to {high}", f"range:{name}")
    return int(value)


def text(value: Any, name: str) -> str:
    """Return a string."""
    if not isinstance(value, str):
        raise RefusedError(400, f"{name} must be a string", "invalid")
    return value


def flag(value: Any, name: str) -> bool:
    """Return a boolean."""
    if not isinstance(value, bool):
        raise RefusedError(400, f"{name} must be a boolean", "invalid")
    return value


def table(value: Any, name: str) -> dict[str, Any]:
    """Return an object."""
    if not isinstance(value, dict):
        raise RefusedError(400, f"{name} must be an object", "invalid")
    return value


def input_size(value: Any, *, gif: bool, bounded: bool, largest: int, chinese: bool = True) -> tuple[int, int]:
    """Return width and height of an input image; an address that cannot be opened counts as a square.

    Args:
        value: An address or a data URL.
        gif: Whether GIF is a documented format.
        bounded: Whether 384 to 3072 pixels is a rule, and not a recommendation.
        largest: Bytes that are accepted.
        chinese: Whether the address may hold Chinese characters.

    """
    address = text(value, "image")
    if address.lower().startswith(("http://", "https://")):
        if not urlsplit(address).hostname or any(c.isspace() for c in address):
            raise RefusedError(400, "image is not a URL", "bad_image")
        if not chinese and any("\u4e00" <= character <= "\u9fff" for character in address):
            raise RefusedError(400, "the URL must not contain Chinese characters", "bad_image")
        return 1024, 1024
    head, comma, data = address.partition(",")
    if not comma or not head.lower().startswith("data:image/") or not head.lower().endswith(";base64"):
        raise RefusedError(400, "image is neither a URL nor a data URL", "bad_image")
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RefusedError(400, "image is not base64", "bad_image") from error
    if len(raw) > largest:
        raise RefusedError(400, "image is larger than 10 MB", "bad_image")
    return _measured(raw, gif=gif, bounded=bounded)


def _measured(raw: bytes, *, gif: bool, bounded: bool) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(raw)) as image:
            width, height, kind = image.width, image.height, image.format or ""
            image.load()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RefusedError(400, "image cannot be read", "bad_image") from error
    if kind not in FORMATS and not (gif and kind == "GIF"):
        raise RefusedError(400, f"image is {kind}", "bad_image")
    if bounded and not (384 <= width <= 3072 and 384 <= height <= 3072):
        raise RefusedError(400, "image sides must be from 384 to 3072 pixels", "bad_image")
    return width, height


def automatic(width: int, height: int) -> tuple[int, int]:
    """Return the size for an input where none is asked for: about a megapixel in the input's ratio."""
    scale = (1024 * 1024 / (width * height)) ** 0.5
    return max(16, round(width * scale / 16) * 16), max(16, round(height * scale / 16) * 16)


def _handler(server: RightServer) -> type[BaseHTTPRequestHandler]:
    style = server.style

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0" if style.http_1_0 else "HTTP/1.1"
        wbufsize = 65536  # one packet an answer: two small ones wait for each other's acknowledgement

        def serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            parts = urlsplit(self.path)
            request = Request(
                self.command,
                parts.path,
                {name: values[0] for name, values in parse_qs(parts.query).items()},
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(length),
            )
            answer = server.handle(request)
            if style.slow and answer.status == 200 and self.command == "POST":
                time.sleep(0.02)
            self.send(answer)

        def send(self, answer: Answer) -> None:
            content = answer.content
            kind = "Application/JSON ; Charset=UTF-8" if style.charset else "application/json"
            data = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
            headers = {"Content-Type": kind, **answer.headers}
            chunked = style.chunked and not style.http_1_0
            headers |= {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(data))}
            self.send_response(answer.status)
            for name, value in headers.items():
                self.send_header(name.lower() if style.lower_case_headers else name, value)
            self.end_headers()
            if not chunked:
                self.wfile.write(data)
                return
            for start in range(0, len(data), 4000):
                part = data[start : start + 4000]
                self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        setattr(Handler, f"do_{method}", Handler.serve)
    return Handler


@contextmanager
def serving(server: RightServer) -> Iterator[str]:
    """Run a server on a free loopback port and give its address."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    http.daemon_threads = True
    server.origin = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.origin
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
