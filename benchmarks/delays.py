"""`make bench-delays`: how long a small request waits beside each kind of large body."""

import argparse
import http.client
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import httpx

from benchmarks.servers import Running, qwenmock, run
from qwenmock.pytest_plugin.examiner.sample_images import picture_of_length

PORT = 4690
MB = 2**20
LARGE = 37 * MB
IMAGE = 10 * MB - 200
ROUNDS = 5
AT_ONCE = 10
IDLE_SECONDS = 2.0
PATH = "/v1/images/generations"
HEADERS = {"Authorization": "Bearer sk-mock", "Content-Type": "application/json"}
TEXT = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
SMALL = json.dumps(TEXT).encode()


@dataclass(frozen=True)
class Kind:
    """A kind of large body, made when it is needed."""

    name: str
    make: Callable[[], bytes]
    path: str = PATH
    at_once: int = 1


def edit(*images: str) -> bytes:
    parts = [*({"image": image} for image in images), {"text": "a hat"}]
    contents = [{"role": "user", "parts": parts}]
    return json.dumps(
        {"model": "qwen-image-edit-plus", "prompt": "a hat", "contents": contents, "parameters": {}}
    ).encode()


def images(number: int) -> bytes:
    """Return an edit of different images, of the largest size that is accepted."""
    found: list[str] = []
    for _ in range(number):
        picture = picture_of_length(IMAGE)
        distinct = picture[:-100] + os.urandom(60) + picture[-40:]  # in a chunk that readers ignore
        found.append(f"data:image/png;base64,{b64encode(distinct).decode()}")
    return edit(*found)


def with_slashes() -> bytes:
    """Return an edit as PHP writes it: with a backslash before each slash of the base64 data."""
    return images(3).replace(b"/", b"\\/")


def text(prompt: bytes) -> bytes:
    return SMALL.replace(b"a cat", prompt)


def member(name: bytes, value: bytes) -> bytes:
    return SMALL[:-1] + b', "' + name + b'": ' + value + b"}"


def kinds() -> Iterator[Kind]:
    """Yield what is accepted, then what makes a stage slow."""
    yield Kind("1 image of 10 MB", lambda: images(1))
    yield Kind("3 images of 10 MB", lambda: images(3))
    yield Kind("3 images, written by PHP", with_slashes)
    yield Kind(f"{AT_ONCE} times 3 images at once", lambda: images(3), at_once=AT_ONCE)
    yield Kind("prompt, ASCII", lambda: text(b"a" * LARGE))
    yield Kind("prompt, Chinese", lambda: text("图".encode() * (LARGE // 3)))
    yield Kind("prompt, ASCII and one emoji", lambda: text(b"a" * LARGE + "😀".encode()))
    yield Kind("prompt of line breaks", lambda: text(b"\\n" * (LARGE // 2)))
    yield Kind("prompt of escaped emojis", lambda: text(b"\\ud83d\\ude00" * (LARGE // 12)))
    yield Kind("prompt of backslashes", lambda: text(b"\\\\" * (LARGE // 2)))
    yield Kind("prompt of quotation marks", lambda: text(b'\\"' * (LARGE // 2)))
    yield Kind("prompt without an end", lambda: text(b"a" * LARGE)[:-30])
    yield Kind("prompt, not UTF-8 at its end", lambda: text(b"a" * LARGE + b"\xff"))
    yield Kind("model of 37 MB", lambda: SMALL.replace(b"qwen-image-plus", b"q" * LARGE))
    yield Kind("member with a long name", lambda: member(b"a" * LARGE, b"1"))
    yield Kind("URL of 37 MB", lambda: edit("https://example.com/" + "a" * LARGE))
    yield Kind("data URL without a comma", lambda: edit("data:image/png;base64;" + "a" * LARGE))
    yield Kind("4000 strings of 9 KB", lambda: member(b"x", json.dumps(["a" * 9000] * 3900).encode()))
    yield Kind(
        "4000 names of 9 KB", lambda: member(b"x", json.dumps({f"{n}{'a' * 9000}": 1 for n in range(3900)}).encode())
    )
    yield Kind("37 MB of spaces", lambda: member(b"x", b" " * LARGE + b"1"))
    yield Kind("a number of 37 MB", lambda: member(b"x", b"0." + b"1" * LARGE))
    yield Kind("37 MB of brackets", lambda: member(b"x", b"[" * LARGE))
    yield Kind("37 MB of commas", lambda: member(b"x", b"," * LARGE))
    yield Kind("37 MB of quotation marks", lambda: member(b"x", b'"' * LARGE))
    yield Kind("not JSON", lambda: b"a" * LARGE)
    yield Kind(
        "upload of 16 MB", lambda: picture_of_length(16 * MB - 100) + os.urandom(50), path="/__mock__/images?suffix=png"
    )


class Probe:
    """Sends small requests one after another until it is stopped, and notes how long each took."""

    def __init__(self, port: int) -> None:
        self.seconds: list[float] = []
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def send_while(self, is_running: Callable[[], bool]) -> None:
        while True:
            began = time.perf_counter()
            self._connection.request("POST", f"/nebula{PATH}", SMALL, HEADERS)
            answer = self._connection.getresponse()
            answer.read()
            self.seconds.append(time.perf_counter() - began)
            if answer.status != 200:
                raise SystemExit(f"the small request was answered with {answer.status}")
            if not is_running():
                return


def send(port: int, path: str, body: bytes, statuses: "SimpleQueue[int]") -> None:
    """Send a body and note the status of the answer, in a process of its own.

    It has the lowest priority: what is measured is how long the server makes others wait, not the lack of processors.
    """
    os.nice(19)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", path, body, HEADERS)
    answer = connection.getresponse()
    answer.read()
    statuses.put(answer.status)
    connection.close()


def round_of(port: int, kind: Kind, body: bytes) -> tuple[float, float, int]:
    """Send a large body; return the worst delay of a small request, the whole time, both in ms, and the status."""
    path = kind.path if kind.path.startswith("/__") else f"/nebula{kind.path}"
    processes = multiprocessing.get_context("fork")
    statuses: SimpleQueue[int] = processes.SimpleQueue()
    senders = [processes.Process(target=send, args=(port, path, body, statuses)) for _ in range(kind.at_once)]
    probe = Probe(port)
    began = time.perf_counter()
    for sender in senders:
        sender.start()
    probe.send_while(lambda: any(sender.is_alive() for sender in senders))
    took = time.perf_counter() - began
    for sender in senders:
        sender.join()
    return max(probe.seconds) * 1000, took * 1000, statuses.get()


def measure(server: Running, port: int, rounds: int, only: str) -> None:
    probe = Probe(port)
    until = time.perf_counter() + IDLE_SECONDS
    probe.send_while(lambda: time.perf_counter() < until)
    worst, usual = max(probe.seconds) * 1000, statistics.median(probe.seconds) * 1000
    print(f"{'nothing else':34} worst delay {worst:6.1f} ms, usual {usual:.1f} ms", flush=True)
    for kind in kinds():
        if only not in kind.name:
            continue
        body = kind.make()
        found = [round_of(port, kind, body) for _ in range(rounds)]
        delays = sorted(delay for delay, _, _ in found)
        print(
            f"{kind.name:34} worst delay {delays[-1]:6.1f} ms (median of {rounds}: {statistics.median(delays):6.1f}), "
            f"answered with {found[0][2]} after {statistics.median(took for _, took, _ in found):6.0f} ms, "
            f"{server.resident_mb():4.0f} MB",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how long small requests wait beside large bodies.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"times that each body is sent (default {ROUNDS})")
    parser.add_argument("--only", default="", help="a part of the name of the kinds to send")
    options = parser.parse_args()
    for place in ("memory", "file"):
        print(f"state in {'a file' if place == 'file' else place}")
        with tempfile.TemporaryDirectory() as folder:
            state = ("--state", str(Path(folder) / "state.db")) if place == "file" else ()
            with run(qwenmock("qwenmock", PORT, *state), PORT) as server:
                httpx.post(f"http://127.0.0.1:{PORT}/nebula{PATH}", content=SMALL, headers=HEADERS).raise_for_status()
                measure(server, PORT, options.rounds, options.only)


if __name__ == "__main__":
    main()
