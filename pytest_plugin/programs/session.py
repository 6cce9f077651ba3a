"""One run of a command against a double of its own: start both, wait, and gather what it used."""

import contextlib
import os
import shlex
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import certifi

from qwenmock.mockserver.gateway.authority import Authority
from qwenmock.mockserver.gateway.hosts import HostPolicy, hosts_in
from qwenmock.mockserver.gateway.proxy import Proxy, proxying
from qwenmock.mockserver.http.server import RunningServer, running, silence_image_library
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.programs.environment import command_environment
from qwenmock.pytest_plugin.programs.process import run_command
from qwenmock.pytest_plugin.testkit.mock import Mock
from qwenmock.pytest_plugin.testkit.usage import Usage
from qwenmock.schemas.catalog import Catalog

ADVICE = "qwenmock run --allow {host} lets requests to it through"


@dataclass(frozen=True)
class Hosts:
    """Hosts besides the providers'.

    Attributes:
        allowed: Those that are let through.
        pass_through: Whether all of them are.

    """

    allowed: tuple[str, ...] = ()
    pass_through: bool = False


@dataclass(frozen=True)
class Run:
    """What a command did.

    Attributes:
        command: As it was typed.
        exit_code: Its own.
        usage: Calls, images, cost, verdict and coverage.
        catalog: The providers of the double.
        refused: How many requests were refused, by host.

    """

    command: str
    exit_code: int
    usage: Usage
    catalog: Catalog = field(repr=False)
    refused: Mapping[str, int]


def run(command: Sequence[str], settings: Settings, hosts: Hosts) -> Run:
    """Run a command against a double of its own."""
    silence_image_library()
    with private_folder() as folder, running(replace(settings, port=0)) as server, contextlib.ExitStack() as stack:
        mock = Mock(server)
        stack.callback(mock.close)
        policy = _policy(server, hosts)
        authority = Authority(policy.production)
        proxy = Proxy(policy, authority, mock.address, settings.keys)
        port = stack.enter_context(proxying(proxy))
        files = authority.write(folder, _public_authorities(os.environ))
        code = run_command(command, command_environment(os.environ, server.origin, port, files, policy), folder)
        usage, name = Usage(), shlex.join(command)
        usage.take(name, mock)
        return Run(name, code, usage, server.double.catalog, dict(proxy.refused))


def _policy(server: RunningServer, hosts: Hosts) -> HostPolicy:
    return HostPolicy(
        production=hosts_in(provider.host for provider in server.double.catalog),
        allowed=hosts_in(hosts.allowed),
        pass_through=hosts.pass_through,
        advice=ADVICE,
    )


def _public_authorities(environment: Mapping[str, str]) -> bytes:
    """Return the certificates that programs trust without this run: those of hosts that are let through."""
    return Path(environment.get("SSL_CERT_FILE") or certifi.where()).read_bytes()


@contextmanager
def private_folder() -> Generator[Path]:
    """Yield a folder that only this user can read, removed at the end; a watchdog may remove it earlier."""
    with tempfile.TemporaryDirectory(prefix="qwenmock-run-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
