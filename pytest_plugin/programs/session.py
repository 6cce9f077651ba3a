"""One run of a command against a double of its own: start both, wait, and gather what it used."""

import contextlib
import json
import os
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import certifi

from qwenmock.mockserver.gateway.authority import Authority
from qwenmock.mockserver.gateway.hosts import HostPolicy, hosts_in
from qwenmock.mockserver.gateway.proxy import Proxy, proxying
from qwenmock.mockserver.http.server import RunningServer, running, silence_image_library
from qwenmock.mockserver.settings import Settings
from qwenmock.mockserver.testing.entries import JournalEntry, VerdictFinding
from qwenmock.mockserver.testing.mock import Mock
from qwenmock.pytest_plugin.programs.environment import command_environment
from qwenmock.pytest_plugin.programs.process import private_folder, run_command
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
        scenario: Name of the scenario; "" for none.
        repeated: How many requests were those of before once more, with the same body.
        wasted: Simulated money that bought nothing, by currency: charged once more, or for pictures never fetched.
        seconds: How long it took on the clock of the double.

    """

    command: str
    exit_code: int
    usage: Usage
    catalog: Catalog = field(repr=False)
    refused: Mapping[str, int]
    scenario: str
    repeated: int
    wasted: Mapping[str, Decimal]
    seconds: float


def run(command: Sequence[str], settings: Settings, hosts: Hosts) -> Run:
    """Run a command against a double of its own.

    Raises:
        SettingsError: The settings contradict each other or the catalogue, or there is no such scenario.

    """
    silence_image_library()
    with (
        private_folder() as (folder, watch),
        running(replace(settings, port=0)) as server,
        contextlib.ExitStack() as stack,
    ):
        mock = Mock(server)
        stack.callback(mock.close)
        policy = _policy(server, hosts)
        authority = Authority(policy.production)
        proxy = Proxy(policy, authority, mock.address, settings.keys)
        port = stack.enter_context(proxying(proxy))
        files = authority.write(folder, _public_authorities(os.environ))
        began = _now(mock)
        code = run_command(command, command_environment(os.environ, server.origin, port, files, policy), watch)
        usage, name = Usage(), shlex.join(command)
        use = usage.take(name, mock)
        journal = mock.journal()
        return Run(
            command=name,
            exit_code=code,
            usage=usage,
            catalog=server.double.catalog,
            refused=dict(proxy.refused),
            scenario=settings.scenario or "",
            repeated=repeated(journal),
            wasted=wasted(journal, use.findings),
            seconds=_now(mock) - began,
        )


def _now(mock: Mock) -> float:
    return mock.control("GET", "health")["now"]


def repeated(journal: Iterable[JournalEntry]) -> int:
    """Return how many requests that change something were sent before, with the same body."""
    sent = Counter(
        (entry["provider"], entry["path"], _content(entry))
        for entry in journal
        if entry["method"] == "POST" and entry["endpoint"] != "callback"
    )
    return sum(times - 1 for times in sent.values())


def _content(entry: JournalEntry) -> str:
    """Return what tells the body of a request from others, also where the double did not read it."""
    body = entry["request"]
    return entry.get("fingerprint", "") if body is None else json.dumps(body, sort_keys=True)


def wasted(journal: Iterable[JournalEntry], findings: Iterable[VerdictFinding]) -> dict[str, Decimal]:
    """Return the money that bought nothing, by currency."""
    known = list(findings)
    in_vain = {id_ for finding in known if finding["kind"] == "link_never_fetched" for id_ in finding["requests"]}
    for finding in known:
        if finding["kind"] == "charge_repeated":
            # Of a request that was charged several times, one charge was right: the first whose pictures were fetched.
            fetched = [id_ for id_ in finding["requests"] if id_ not in in_vain]
            in_vain.update(fetched[1:])
    sums: dict[str, Decimal] = {}
    for entry in journal:
        charge = entry["charge"]
        if charge is not None and entry["id"] in in_vain:
            sums[charge["currency"]] = sums.get(charge["currency"], Decimal(0)) + Decimal(charge["amount"])
    return sums


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
