"""Serve the double on a port: in the process of the command, or in a thread of a test."""

import logging
import math
import signal
import socket
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from qwenmock.mockserver.calls.double import Double, create_double
from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.http.app import Application, create_app
from qwenmock.mockserver.http.protocol import DoubleHttpProtocol
from qwenmock.mockserver.settings import Settings

BACKLOG = 2048
STOP_SECONDS = 5
IDLE_SECONDS = 75
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))


def listen(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """Return a listening socket, so that the port is known and bound before it is announced.

    Args:
        host: Name or address of this machine.
        port: 0 for any free port.
        reuse_port: Whether other processes may listen on it too.

    Raises:
        SettingsError: The port is in use, or the host is not an address of this machine.

    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=reuse_port)
    except OSError as error:
        raise SettingsError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error


def silence_image_library() -> None:
    """Let Pillow report nothing of the images that clients send: what is wrong with one is in the answer."""
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"PIL\.")


def stop_seconds(settings: Settings) -> int:
    """Return the seconds to wait for running requests when the server stops: images being made are still answered."""
    return math.ceil(settings.latency.maximum) + STOP_SECONDS


class CleanServer(uvicorn.Server):
    """A server that closes what it has opened, also if it is stopped while it starts.

    Older versions of uvicorn, such as 0.34, leave their sockets open then and do not end the lifespan. The loop of
    uvloop may wait for these sockets for ever when it is closed.
    """

    _is_shut_down = False

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until the server is stopped."""
        await super().serve(sockets)
        if self.started and not self._is_shut_down:
            await self.shutdown(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all connections and sockets, and end the lifespan."""
        self._is_shut_down = True
        await super().shutdown(sockets)


def uvicorn_server(app: ASGIApp, settings: Settings | None = None) -> uvicorn.Server:
    """Return a uvicorn server for an application; it logs nothing."""
    server = CleanServer(
        uvicorn.Config(
            app,
            http=DoubleHttpProtocol,
            ws="none",
            log_config=None,
            log_level="critical",
            access_log=False,
            lifespan="on",
            server_header=False,
            proxy_headers=False,
            date_header=True,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS if settings is None else stop_seconds(settings),
        )
    )
    if isinstance(app, Application):
        # Endless event streams end when this becomes true.
        app.double.is_stopping = lambda: server.should_exit
    return server


def run_until_stopped(server: uvicorn.Server, listener: socket.socket) -> None:
    """Run a server until SIGINT, SIGTERM or SIGHUP, then print `stopped`."""
    stop_on_signals(server)
    server.run(sockets=[listener])
    listener.close()
    print("stopped", flush=True)


def stop_on_signals(server: uvicorn.Server) -> None:
    """Make a server stop cleanly on SIGINT, SIGTERM and SIGHUP from now on.

    uvicorn handles the first two only while it runs, and afterwards calls the previous handlers: a signal before or
    after must not be lost, and must not end the process at once.
    """

    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    for number in STOP_SIGNALS:
        signal.signal(number, stop)


class RunningServer:
    """A double that listens on a port of this machine.

    Attributes:
        double: The double.
        port: The port that it listens on.

    """

    def __init__(self, double: Double, port: int) -> None:
        self.double = double
        self.port = port

    @property
    def origin(self) -> str:
        """Scheme, host and port, for example `http://127.0.0.1:40123`."""
        return f"http://{self.double.settings.host}:{self.port}"

    def url(self, slug: str) -> str:
        """Return the URL that replaces a provider's production base URL.

        Args:
            slug: The provider, for example `nebula`.

        Returns:
            The URL, without a slash at the end.

        Raises:
            KeyError: The catalogue has no such provider.

        """
        return f"{self.origin}/{self.double.catalog[slug].slug}"


@contextmanager
def serving(app: ASGIApp, host: str = "127.0.0.1", port: int = 0, settings: Settings | None = None) -> Generator[int]:
    """Serve an application in a thread until the block ends; yield its port.

    Raises:
        SettingsError: The port is in use.

    """
    listener = listen(host, port)
    server = uvicorn_server(app, settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        # The socket already listens: a request sent now is answered as soon as the event loop runs.
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@contextmanager
def running(settings: Settings | None = None) -> Generator[RunningServer]:
    """Run a double in a thread until the `with` block ends. `testing.running` adds what tests need.

    Args:
        settings: Settings of the double; by default `Settings(port=0)`, which takes a free port. `workers` is ignored:
            the double runs in this process.

    Yields:
        The running double.

    Raises:
        SettingsError: The settings contradict each other or the catalogue, or the port is in use.
        StoreError: The state cannot be opened.
        CatalogError: The catalogue cannot be loaded.

    """
    double = create_double(settings or Settings(port=0))
    with serving(create_app(double), double.settings.host, double.settings.port, double.settings) as port:
        yield RunningServer(double, port)
