"""Clients that send everything that clients send, and note what they were told."""

import base64
import io
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

import httpx
from fuzz.bodies import links_of
from fuzz.mutations import changed_json, dumped
from PIL import Image

from qwenmock import fixtures
from qwenmock.pytest_plugin.examiner.bodies import example, put
from qwenmock.pytest_plugin.recording.recorder import variant_of
from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.models import Endpoint, Provider, Variant
from qwenmock.schemas.vocabulary import JSON

TIMEOUT = 30
BUGS = ("the mock server failed", "the store failed")
BACKOFF_SECONDS = 0.02
NOISE = (880, 500)
"""An input image of noise. A picture that shows it has about 240 KB, others have 15."""


@dataclass(frozen=True)
class CreatedTask:
    """A task that a client was told of."""

    id: str
    provider: Provider
    request_id: str
    model: str
    asks_callback: bool


@dataclass
class Book:
    """What clients were told.

    Attributes:
        charged: Images and amount of each acknowledged request, by its id.
        tasks: The acknowledged tasks, by id.
        unanswered: How many requests that may be charged got no answer.
        statuses: How often each status was answered.
        actions: How often each action was done.
        problems: Answers that no client should get.

    """

    charged: dict[str, tuple[int, Decimal]] = field(default_factory=dict[str, tuple[int, Decimal]])
    tasks: dict[str, CreatedTask] = field(default_factory=dict[str, CreatedTask])
    unanswered: int = 0
    statuses: Counter[int] = field(default_factory=Counter[int])
    actions: Counter[str] = field(default_factory=Counter[str])
    problems: list[str] = field(default_factory=list[str])


def noise() -> str:
    """Return the data URL of `NOISE`."""
    out = io.BytesIO()
    Image.frombytes("RGB", NOISE, Random(1).randbytes(NOISE[0] * NOISE[1] * 3)).save(out, "PNG", compress_level=0)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


class Client:
    """One client with a key of its own, in a thread."""

    def __init__(self, number: int, origin: str, catalog: Catalog, callback_url: str, seed: int) -> None:
        self.book = Book()
        self._rng = Random(f"{seed}/client/{number}")
        self._origin = origin
        self._catalog = catalog
        self._callback_url = callback_url
        self._key = {"Authorization": f"Bearer sk-mock.soak{number}"}
        self._pending: list[CreatedTask] = []
        self._links: list[str] = []
        self._creations = [
            (p, e, v) for p in catalog for e in p.endpoints.values() for v in e.variants if _models_of(p, v)
        ]
        self._queries = [
            (p, e) for p in catalog for e in p.endpoints.values() if e.method == "GET" and "{" not in e.path
        ]
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._actions = {
            self._create: 10,
            self._refused: 4,
            self._poll: 6,
            self._picture: 3,
            self._upload: 1,
            self._query: 1,
            self._control: 1,
            self._cancel: 1,
        }

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_stopped.set()
        self._thread.join()

    def fill(self, size: int) -> None:
        """Fetch pictures until so many bytes of them have come: each worker remembers the last that it drew."""
        provider = self._catalog["nebula"]
        endpoint = provider.endpoints["create"]
        variant = provider.variants["contents"]
        schema, roles = variant.request.schema, variant.request.roles
        body = put(schema, example(variant, variant.models[0]), roles["image"][0], noise())
        with httpx.Client(timeout=TIMEOUT) as self._client:
            while size > 0:
                self._links.clear()
                self._send_creation(provider, endpoint, {**body, "parameters": {"n": 6}})
                for link in set(self._links):
                    size -= len(httpx.get(link, timeout=TIMEOUT).raise_for_status().content)  # each by any worker

    def _run(self) -> None:
        with httpx.Client(timeout=TIMEOUT) as self._client:
            while not self._is_stopped.is_set():
                (action,) = self._rng.choices(list(self._actions), list(self._actions.values()))
                name = action.__name__.strip("_")
                try:
                    action()
                except httpx.TimeoutException:
                    self.book.problems.append(f"{name}: no answer in {TIMEOUT} s")
                except httpx.TransportError:
                    time.sleep(BACKOFF_SECONDS)  # a killed worker, or a fault that cuts the connection
                except Exception as error:
                    self.book.problems.append(f"{name}: {type(error).__name__}: {error}")
                self.book.actions[name] += 1

    def _send(self, method: str, provider: Provider, path: str, **more: Any) -> httpx.Response:
        """Send a request to a provider, and note its status."""
        headers = {**self._key, **more.pop("headers", {})}
        reply = self._client.request(method, f"{self._origin}/{provider.slug}{path}", headers=headers, **more)
        self.book.statuses[reply.status_code] += 1
        if reply.status_code not in provider.statuses:
            self.book.problems.append(f"{provider.slug} {path}: {reply.status_code} {reply.text[:200]}")
        if reply.headers.get("X-Qwenmock-Detail", "").startswith(BUGS):
            self.book.problems.append(f"{provider.slug} {path}: {reply.headers['X-Qwenmock-Detail']}")
        return reply

    def _create(self) -> None:
        provider, endpoint, variant = self._rng.choice(self._creations)
        self._send_creation(provider, endpoint, self._body(provider, variant))

    def _refused(self) -> None:
        """Send something that is refused in most cases."""
        provider, endpoint, variant = self._rng.choice(self._creations)
        body: JSON = self._body(provider, variant)
        key = self._rng.choice(["wrong", "sk-mock-empty", "sk-mock-expired", "sk-mock-forbidden", ""])
        headers = {"Authorization": f"Bearer {key}"} if key and self._rng.random() < 0.5 else {}
        if not headers:
            body = changed_json(body, self._rng)
        self._send_creation(provider, endpoint, body, headers)

    def _body(self, provider: Provider, variant: Variant) -> JSON:
        """Return a valid body: sometimes with several images, an earlier image as input, a directive or a callback."""
        schema, roles = variant.request.schema, variant.request.roles
        body: JSON = example(variant, self._rng.choice(_models_of(provider, variant)))
        values: list[tuple[str, JSON, float]] = [
            ("n", self._rng.randint(1, 4), 0.3),
            ("seed", self._rng.randrange(2**31), 0.3),
            ("prompt", f"A cat [[qwenmock: {self._rng.choice(['fail-images=1', 'refuse', 'wait=0'])}]]", 0.1),
            ("callback_url", self._callback_url, 0.7),
            ("image", self._rng.choice(self._links or [fixtures.data_url("landscape.png")]), 0.1),
        ]
        for role, value, share in values:
            if role in roles and self._rng.random() < share:
                body = put(schema, body, roles[role][0], value)
        return body

    def _send_creation(
        self, provider: Provider, endpoint: Endpoint, body: JSON, headers: dict[str, str] | None = None
    ) -> None:
        given = {"Content-Type": "application/json", **(headers or {})}
        if endpoint.required_header is not None:
            given[endpoint.required_header[0]] = endpoint.required_header[1]
        self.book.unanswered += 1
        content = dumped(body, self._rng)
        reply = self._send("POST", provider, endpoint.path, content=content, headers=given)
        answer = reply.json()
        self.book.unanswered -= 1
        if reply.status_code == 200:
            self._note(provider, endpoint, body, reply.headers["X-Request-Id"], answer)

    def _note(self, provider: Provider, endpoint: Endpoint, body: Any, request_id: str, answer: Any) -> None:
        """Note what an accepted request will cost, or the task that it created."""
        if endpoint.created_response is not None:
            (task_id,) = endpoint.created_response.values("task_id", answer)
            asks_callback = body.get("callback_url") == self._callback_url
            task = CreatedTask(task_id, provider, request_id, _model_of(endpoint, body), asks_callback)
            self.book.tasks[task_id] = task
            self._pending.append(task)
            return
        variant = variant_of(endpoint, body)
        assert variant is not None
        images = len(set(links_of(answer)))
        price = provider.price_of(_model_of(endpoint, body)).amount or Decimal(0)
        self.book.charged[request_id] = (images, images * price)
        self._links = [*self._links[-20:], *links_of(answer)]

    def _poll(self) -> None:
        """Ask for the state of the oldest task until it has ended."""
        if not self._pending:
            return
        task = self._pending[0]
        endpoint = task.provider.endpoint_for("task")
        assert endpoint is not None
        reply = self._send("GET", task.provider, endpoint.path.replace("{task_id}", task.id))
        if reply.status_code == 200 and task.provider.task_state(reply.json()) in {"succeeded", "failed", "cancelled"}:
            self._pending.pop(0)
            self._links = [*self._links[-20:], *links_of(reply.json())]

    def _cancel(self) -> None:
        if not self._pending:
            return
        task = self._pending[-1]
        if task.provider.endpoint_for("cancel") is None:
            self._client.post(f"{self._origin}/__mock__/tasks/{task.id}/cancel", json={})
            return
        path = task.provider.endpoint_for("cancel").path.replace("{task_id}", task.id)
        self._send("POST", task.provider, path)

    def _picture(self) -> None:
        if self._links:
            reply = self._client.get(self._rng.choice(self._links))
            assert (reply.status_code, reply.content[:4]) == (200, b"\x89PNG"), reply.text[:200]

    def _upload(self) -> None:
        """Upload an image as Model Studio's SDK does, or as the dashboard does."""
        data = fixtures.image("landscape.png")
        if self._rng.random() < 0.5:
            headers = {"Content-Type": "application/json"}  # as every call that changes something
            reply = self._client.post(f"{self._origin}/__mock__/images?suffix=png", content=data, headers=headers)
            assert reply.status_code in {200, 201}, reply.text[:200]
            return
        query = "/api/v1/uploads?action=getPolicy&model=qwen-image-edit"
        reply = self._send("GET", self._catalog["dashscope"], query)
        if reply.status_code == 200:
            policy = reply.json()["data"]
            key = f"{policy['upload_dir']}/a.png"
            fields = {"policy": policy["policy"], "Signature": policy["signature"], "key": key}
            done = self._client.post(f"{self._origin}/__upload__", data=fields, files={"file": ("a.png", data)})
            assert done.status_code == 200, done.text[:200]

    def _query(self) -> None:
        provider, endpoint = self._rng.choice(self._queries)
        self._send("GET", provider, endpoint.path)

    def _control(self) -> None:
        path = self._rng.choice(["journal?limit=20", "ledger?limit=20", "metrics", "verdict", "tasks?limit=5", ""])
        reply = self._client.get(f"{self._origin}/__mock__/{path}")
        assert reply.status_code == 200, f"{path}: {reply.status_code} {reply.text[:200]}"


def _models_of(provider: Provider, variant: Variant) -> list[str]:
    """Return the models of a variant whose images all cost the same, so that a bill is known without drawing them."""
    prices = {model: provider.price_of(model) for model in variant.models}
    return [model for model, price in prices.items() if not price.steps and not price.input_image]


def _model_of(endpoint: Endpoint, body: Any) -> str:
    """Return the model of an accepted request."""
    model = body.get("model", endpoint.default_model)
    assert isinstance(model, str)
    return model
