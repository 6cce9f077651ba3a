"""Callbacks over HTTP: of a double that can be controlled, of one that refuses this machine, and of a right server."""

import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal

import httpx
import pytest
from extent import usually
from right_servers.base import KEY, KEYS, Style
from right_servers.base import serving as serving_right
from right_servers.evolink import EvoLink
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from wrong_servers import callback_faults
from wrong_servers.callback_faults import Posted, changing
from wrong_servers.faults import Fault

from qwenmock.mockserver.http.server import RunningServer, running, serving
from qwenmock.mockserver.net.guarded_client import OutboundError, Poster
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.examiner.connection.callbacks import LocalInbox
from qwenmock.pytest_plugin.examiner.runner import Check, Outcome, checks_of, run_checks
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.settings import SessionSettings
from qwenmock.pytest_plugin.examiner.target import HttpTarget
from qwenmock.pytest_plugin.examiner_factory import create_examiner, embedded_credentials
from qwenmock.pytest_plugin.options import Options
from qwenmock.pytest_plugin.testkit.callback_receiver import create_listener
from qwenmock.schemas.catalog import load

PROVIDER = load()["evolink"]
RULES = [rule.id for rule in PROVIDER.rules if rule.variant == "callback"]


@pytest.fixture(scope="module", params=usually(["of one variant", "of all"], ["of one variant"]))
def checks(request: pytest.FixtureRequest) -> list[Check]:
    """The checks of callbacks. They wait as long as a server may take to repeat one, for each variant."""
    place = f"[{PROVIDER.slug}/edit]" if request.param == "of one variant" else ""
    return [each for each in checks_of(PROVIDER) if each.module == "test_task_callbacks" and each.name.endswith(place)]


def controlled(url: str) -> Examiner:
    """Return the examiner of a double on this machine whose control API is used."""
    target = HttpTarget(url)
    origin = url.removesuffix("/evolink")
    settings = SessionSettings(
        control=f"{origin}/__mock__", ledger=f"{origin}/__mock__/ledger?request_id={{request_id}}", live=True
    )
    return Examiner(
        PROVIDER,
        target,
        embedded_credentials("evolink"),
        Budget(None, PROVIDER.currency),
        settings,
        inbox=LocalInbox(target),
    )


def outcomes(examiner: Examiner, checks: Sequence[Check]) -> list[Outcome]:
    try:
        return list(run_checks(examiner, checks))
    finally:
        examiner.close()


def test_callbacks_of_a_double_are_received_on_this_machine(checks: list[Check]) -> None:
    """It refuses callback URLs on this machine, as documented, and its fault plan is the same afterwards."""
    before = threading.active_count()
    plan = [{"provider": "evolink", "model": "none-of-these", "callback": "lost"}]
    with running(Settings(port=0)) as server:
        httpx.put(f"{server.origin}/__mock__/faults", json=plan).raise_for_status()
        examiner = controlled(server.url("evolink"))
        found = outcomes(examiner, checks)
        left = httpx.get(f"{server.origin}/__mock__/faults").json()
    assert [(outcome.result, outcome.text) for outcome in found] == [("passed", "")] * len(checks)
    assert {rule: examiner.results.tallies[rule].status for rule in RULES} == dict.fromkeys(RULES, "pass")
    assert [fault | {"probability": 1.0} for fault in plan] == [
        {name: fault[name] for name in (*plan[0], "probability")} for fault in left
    ]
    assert threading.active_count() <= before


def test_wrong_callbacks_are_found_over_http(checks: list[Check]) -> None:
    """A server that takes a redirect to an internal address."""

    async def follow(poster: Poster, posted: Posted) -> int:
        status = await posted.by(poster)
        if status == 307:
            posted.url = posted.url + "-elsewhere"
            status = await posted.by(poster)
        return status

    fault = Fault("follows redirects", "evolink", between=changing(follow))
    with serving(fault.calling_out(PROVIDER)) as port:
        examiner = controlled(f"http://127.0.0.1:{port}/evolink")
        found = outcomes(examiner, [check for check in checks if "forbidden" in check.name])
    assert {outcome.result for outcome in found} == {"failed"}, found
    assert "where a redirect led" in found[0].text


def test_double_that_cannot_reach_this_machine_is_not_accused(checks: list[Check]) -> None:
    """In a container, an address on this machine leads nowhere."""

    async def lost(_poster: Poster, _posted: Posted) -> int:
        raise OutboundError("ConnectError")

    with serving(Fault("in a container", "evolink", between=changing(lost)).calling_out(PROVIDER)) as port:
        examiner = controlled(f"http://127.0.0.1:{port}/evolink")
        found = outcomes(examiner, checks)
    assert {outcome.result for outcome in found} == {"skipped"}
    assert "cannot reach this machine" in examiner.results.tallies[RULES[0]].reason


@pytest.mark.parametrize("name", ["comes twice", "with another id", "before the bill"])
def test_wrong_server_is_found_over_http(name: str, checks: list[Check]) -> None:
    fault = next(fault for fault in callback_faults.faults(PROVIDER) if fault.name == f"callback {name}")
    with serving(fault.calling_out(PROVIDER)) as port:
        found = outcomes(controlled(f"http://127.0.0.1:{port}/evolink"), checks[:1])
    assert {outcome.result for outcome in found} == {"failed"}, found


def test_target_that_refuses_this_machine_is_not_examined_and_the_report_says_why(
    server: RunningServer, checks: list[Check], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWENMOCK_EVOLINK_KEY", "sk-mock")
    examiner = create_examiner(
        PROVIDER, Options(providers=("evolink",), url=server.url("evolink"), budget=Decimal(100))
    )
    assert {outcome.result for outcome in outcomes(examiner, checks)} <= {"skipped", "passed"}
    assert "refuses callback URLs on this machine" in examiner.results.tallies[RULES[0]].reason
    assert examiner.results.tallies[RULES[0]].status == "skipped"
    # The address on this machine was refused and got nothing.
    assert examiner.results.tallies[f"{PROVIDER.slug}/callback/address"].status == "pass"


@pytest.fixture(params=usually([0, 1], [0]))
def right(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Options]:
    """Return the options for a right server of some style, and for a receiver that it reaches by a public name."""
    monkeypatch.setenv("QWENMOCK_EVOLINK_KEY", KEY)
    for purpose, key in KEYS.items():
        monkeypatch.setenv(f"QWENMOCK_EVOLINK_KEY_{purpose.upper()}", key)
    printed: list[str] = []
    with serving(create_listener(None, 0, printed.append)) as port:
        server = EvoLink(Style.of(request.param), hooks={"hooks.example.com": f"http://127.0.0.1:{port}"})
        with serving_right(server) as origin:
            yield Options(
                providers=("evolink",),
                url=origin,
                budget=Decimal(100),
                callback_url="https://hooks.example.com/",
                callback_poll=f"http://127.0.0.1:{port}/",
            )


def test_right_server_that_calls_a_receiver_elsewhere_is_not_accused(right: Options, checks: list[Check]) -> None:
    examiner = create_examiner(PROVIDER, right)
    found = outcomes(examiner, checks)
    assert [outcome.text for outcome in found if outcome.result == "failed"] == []
    statuses = {rule.rpartition("/")[2]: examiner.results.tallies[rule].status for rule in RULES}
    assert statuses == dict.fromkeys(statuses, "pass") | {"after-billing": "skipped"}


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"at": 1}]', "nonsense", '[{"at": "x", "method": "POST"}]'])
def test_list_that_cannot_be_read_is_no_verdict(content: str, right: Options, checks: list[Check]) -> None:
    with serving(Starlette(routes=[Route("/", lambda _: PlainTextResponse(content))])) as port:
        options = Options(
            providers=right.providers,
            url=right.url,
            budget=right.budget,
            callback_url=right.callback_url,
            callback_poll=f"http://127.0.0.1:{port}/",
        )
        [found] = outcomes(create_examiner(PROVIDER, options), checks[:1])
    assert found.result == "skipped"
    assert "the list of callbacks cannot be read" in found.text
