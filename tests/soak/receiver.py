"""A receiver of callbacks on a loopback port, which fails now and then."""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from random import Random

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qwenmock.mockserver.http.server import serving
from qwenmock.mockserver.net.webhook_signatures import problem

SECRET = "whsec_c29hazAxMjM0NTY3ODlhYmNkZWY="
FAILS = 0.1
"""How often a task's first callback is answered with a 500."""


class Receiver:
    """Counts callbacks.

    Attributes:
        url: Where it receives them.
        received: Callbacks that were accepted, by task.
        problems: What was wrong with a callback.

    """

    def __init__(self, seed: int) -> None:
        self.url = ""
        self.received: Counter[str] = Counter()
        self.problems: list[str] = []
        self._failed: set[str] = set()
        self._rng = Random(f"{seed}/receiver")

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        wrong = problem(SECRET, dict(request.headers), body, time.time())
        if wrong is not None:
            self.problems.append(f"a callback's signature: {wrong}")
        task = json.loads(body)["id"]
        if task not in self._failed and task not in self.received and self._rng.random() < FAILS:
            self._failed.add(task)
            return Response(status_code=500)
        self.received[task] += 1
        return Response()


@contextlib.contextmanager
def receiving(seed: int) -> Iterator[Receiver]:
    receiver = Receiver(seed)
    with serving(Starlette(routes=[Route("/", receiver.receive, methods=["POST"])])) as port:
        receiver.url = f"http://127.0.0.1:{port}/"
        yield receiver
