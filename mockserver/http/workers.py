"""Several worker processes that serve one port and share one state.

Each worker has its own listening socket on the port (SO_REUSEPORT): the kernel spreads connections over the sockets,
which it does not do for one socket that several processes accept from. uvicorn's own supervisor shares one socket,
and does not report when all workers listen. A worker that dies is started again.
"""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from qwenmock.mockserver.calls.double import create_double, open_store
from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.http.app import create_app
from qwenmock.mockserver.http.memory import settle_memory
from qwenmock.mockserver.http.request_log import RequestLog
from qwenmock.mockserver.http.server import (
    STOP_SIGNALS,
    listen,
    silence_image_library,
    stop_on_signals,
    stop_seconds,
    uvicorn_server,
)
from qwenmock.mockserver.settings import Settings

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which prometheus-client adds up the counters of several processes."""
START_SECONDS = 60.0


def run_workers(settings: Settings, announce: Callable[[int], None]) -> None:
    """Serve with several processes until SIGINT, SIGTERM or SIGHUP.

    Args:
        settings: With more than one worker.
        announce: Called with the port when all workers listen.

    Raises:
        SettingsError: The port is in use, the system cannot share ports, or a worker does not start.
        StoreError: The state cannot be opened.

    """
    with _shared_state(settings) as shared, _reserved_port(shared) as port:
        supervisor = Supervisor(replace(shared, port=port))
        for number in STOP_SIGNALS:
            signal.signal(number, lambda _number, _frame: supervisor.stop())
        try:
            supervisor.start()
            announce(port)
            supervisor.watch()
        finally:
            supervisor.end()


class Supervisor:
    """Starts the workers, restarts those that die, and stops them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = multiprocessing.get_context("spawn")
        self._workers: dict[BaseProcess, Connection] = {}
        self._restarted: set[BaseProcess] = set()
        self._is_stopping = False

    def start(self) -> None:
        """Start all workers and wait until they listen.

        Raises:
            SettingsError: A worker ended before it listened.

        """
        for _ in range(self._settings.workers):
            self._start_one()
        for pipe in self._workers.values():
            if not pipe.poll(START_SECONDS) or not _has_listened(pipe):
                raise SettingsError("a worker ended before it listened")

    def _start_one(self) -> BaseProcess:
        receiver, sender = self._context.Pipe(duplex=False)
        worker = self._context.Process(target=run_worker, args=(self._settings, sender))
        worker.start()
        sender.close()
        self._workers[worker] = receiver
        return worker

    def stop(self) -> None:
        """Make the workers finish their requests and stop."""
        self._is_stopping = True
        for worker in self._workers:
            if worker.is_alive():
                worker.terminate()

    def watch(self) -> None:
        """Restart workers that die, until `stop` is called.

        Raises:
            SettingsError: A restarted worker ended before it listened.

        """
        while not self._is_stopping:
            multiprocessing.connection.wait([worker.sentinel for worker in self._workers], timeout=0.5)
            self._replace_dead()

    def end(self) -> None:
        """Stop the workers and wait for them; kill those that take too long."""
        self.stop()
        deadline = time.monotonic() + stop_seconds(self._settings) + 2
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.is_alive():
                worker.kill()
                worker.join()

    def _replace_dead(self) -> None:
        for worker in [each for each in self._workers if not each.is_alive()]:
            pipe = self._workers.pop(worker)
            is_restarted = worker in self._restarted
            self._restarted.discard(worker)
            if self._is_stopping:
                continue
            print(f"qwenmock: worker {worker.pid} died with {worker.exitcode}", file=sys.stderr, flush=True)
            if is_restarted and not _has_listened(pipe):
                raise SettingsError("a worker ended before it listened")  # and so would the next
            # Only of this one the pipe is still unread: the first workers' were read when they started.
            self._restarted.add(self._start_one())


def run_worker(settings: Settings, sender: Connection) -> None:
    """Serve as one of several processes; send `listening` through the pipe when it listens."""
    # The supervisor stops its workers; if it is killed, they stop by themselves.
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker is started by a supervisor"
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    double = create_double(settings)
    if not settings.quiet:
        double.log = RequestLog(settings.log_format, sys.stderr)
    listener = listen(settings.host, settings.port, reuse_port=True)
    sender.send("listening")
    sender.close()
    server = uvicorn_server(create_app(double), settings)
    stop_on_signals(server)
    settle_memory()
    silence_image_library()
    server.run(sockets=[listener])


def _has_listened(pipe: Connection) -> bool:
    try:
        return pipe.poll() and pipe.recv() == "listening"
    except (EOFError, OSError):
        return False


def _follow(parent: BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def _shared_state(settings: Settings) -> Generator[Settings]:
    """Yield settings with a state that the workers can share: a temporary file if the settings name none."""
    with tempfile.TemporaryDirectory(prefix="qwenmock-", ignore_cleanup_errors=True) as folder:
        metrics = Path(folder) / "metrics"
        metrics.mkdir()
        os.environ.setdefault(METRICS_FOLDER, str(metrics))
        shared = settings if settings.state is not None else replace(settings, state=str(Path(folder) / "state.db"))
        open_store(shared).setting(
            "opened", "yes"
        )  # a state that cannot be opened is reported once, and not by each worker
        yield shared


@contextlib.contextmanager
def _reserved_port(settings: Settings) -> Generator[int]:
    """Yield the port, bound by a socket that does not listen, so that no other program gets it."""
    if not hasattr(socket, "SO_REUSEPORT"):
        raise SettingsError("--workers: this system cannot share a port among processes")
    with listen(settings.host, settings.port) as probe:
        address, family = probe.getsockname(), probe.family
    with socket.socket(family) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(address)
        yield address[1]
