"""`qwenmock serve`: run the double."""

import contextlib
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.accounts.profiles import PROFILES
from qwenmock.mockserver.commands.base import Command
from qwenmock.mockserver.commands.options import ENVIRONMENT, OPTIONS, to_settings
from qwenmock.mockserver.gateway.extra import require_extra
from qwenmock.mockserver.settings import Settings

if TYPE_CHECKING:
    from qwenmock.mockserver.calls.double import Double
    from qwenmock.schemas.catalog import Catalog


def serve(settings: Settings) -> int:
    """Run the double until a signal."""
    from qwenmock.mockserver.calls.double import catalog_of, create_double
    from qwenmock.mockserver.http.app import create_app
    from qwenmock.mockserver.http.memory import settle_memory
    from qwenmock.mockserver.http.request_log import RequestLog
    from qwenmock.mockserver.http.server import (
        listen,
        run_until_stopped,
        silence_image_library,
        uvicorn_server,
    )
    from qwenmock.mockserver.http.workers import run_workers

    if settings.workers > 1:
        catalog = catalog_of(settings)
        run_workers(settings, lambda port: print(start_text(settings, catalog, port), flush=True))
        print("stopped", flush=True)
        return 0
    if settings.proxy:
        require_extra()
    double = create_double(settings)
    listener = listen(settings.host, settings.port)
    server = uvicorn_server(create_app(double), settings)
    if not settings.quiet:
        double.log = RequestLog(settings.log_format, sys.stderr)
    settle_memory()
    silence_image_library()
    port = listener.getsockname()[1]
    with _proxy(double, port) as proxy_port:
        print(start_text(settings, double.catalog, port, proxy_port), flush=True)
        run_until_stopped(server, listener)
    return 0


@contextlib.contextmanager
def _proxy(double: "Double", port: int) -> Generator[int | None]:
    """Run the proxy beside a double, where the settings want one; yield its port."""
    settings = double.settings
    if not settings.proxy:
        yield None
        return
    from qwenmock.mockserver.gateway.authority import Authority
    from qwenmock.mockserver.gateway.hosts import HostPolicy, hosts_in
    from qwenmock.mockserver.gateway.proxy import Proxy, proxying

    policy = HostPolicy(hosts_in(provider.host for provider in double.catalog))
    authority = Authority(policy.production)
    double.ca_certificate = authority.pem
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    with proxying(Proxy(policy, authority, (here, port), settings.keys), settings.host, settings.proxy_port) as found:
        yield found


def start_text(settings: Settings, catalog: "Catalog", port: int, proxy_port: int | None = None) -> str:
    """Return what the server prints when it starts: its addresses and keys."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    origin = f"http://{host}:{port}"
    width = max(map(len, catalog.providers))
    lines = [f"qwenmock {__version__} is listening on {origin}", ""]
    for provider in catalog:
        root = "  (and at the root)" if provider.slug == settings.provider else ""
        lines.append(f"  {provider.slug:{width}}  {origin}/{provider.slug}  for {provider.base_url}{root}")
    lines += ["", f"  dashboard   {origin}/__mock__/"]
    if proxy_port is not None:
        lines.append(f"  proxy       http://{host}:{proxy_port}  (trust {origin}/__mock__/ca.pem)")
    if settings.public_url is not None:
        lines.append(f"  image URLs  {settings.public_url}")
    keys = {
        **{key: profile.about for key, profile in PROFILES.items()},
        "sk-mock.NAME": "works; each name has its own account",
    }
    keys |= {key: profile.about for key, profile in settings.keys.items()}
    widest = max(map(len, keys))
    lines += ["", "  keys"]
    lines += [f"    {key:{widest}}  {about}" for key, about in keys.items()]
    return "\n".join([*lines, "", "Press Ctrl-C to stop."])


command = Command(
    "serve",
    serve,
    to_settings,
    params=OPTIONS,
    environment=ENVIRONMENT,
    help="""Run the double.

    Each option can also be set in the environment, as in QWENMOCK_PORT=8080, and in the config file, as in port = 8080.
    An option takes precedence over the environment, and the environment over the config file.
    """,
    example="qwenmock serve --latency realistic --provider nebula",
)
