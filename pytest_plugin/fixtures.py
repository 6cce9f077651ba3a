"""The fixtures for tests of code that calls the APIs."""

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, get_args

import pytest

from qwenmock.pytest_plugin import QwenmockWarning

if TYPE_CHECKING:
    from qwenmock.mockserver.testing.asynchronous import AsyncMock
    from qwenmock.mockserver.testing.intercept import Interception
    from qwenmock.mockserver.testing.mock import Mock
    from qwenmock.pytest_plugin.testkit.usage import Usage

USAGE: "pytest.StashKey[Usage]" = pytest.StashKey()
JOURNAL_MAX = 10_000


@pytest.fixture(scope="session")
def qwenmock_settings() -> Mapping[str, object]:
    """Settings of the double. Session scope. Override this fixture in a `conftest.py` to change them.

    Returns:
        Options of `qwenmock serve` by name, with `_` for `-`. The default is empty.

    Example:
        ```python
        @pytest.fixture(scope="session")
        def qwenmock_settings():
            return {"latency": "200", "strict": True}
        ```

    """
    return {}


@pytest.fixture(scope="session")
def qwenmock_session(qwenmock_settings: Mapping[str, object]) -> "Generator[Mock]":
    """A running double that all tests of a process share. Session scope.

    Nothing resets it between tests. Use it for fixtures of session scope, and `qwenmock` in tests.

    Yields:
        The double.

    """
    from qwenmock.mockserver.commands.options import read_settings
    from qwenmock.mockserver.http.server import running
    from qwenmock.mockserver.testing.mock import Mock

    defaults = {"port": 0, "allow_local_callbacks": True, "journal_max": JOURNAL_MAX}
    with running(read_settings({**defaults, **qwenmock_settings})) as server:
        mock = Mock(server)
        yield mock
        mock.close()


@pytest.fixture
def qwenmock_scenario(request: pytest.FixtureRequest) -> str:
    """The scenario that a test runs under. Function scope.

    With `--qwenmock-scenarios all` or some names, a test with the marker `qwenmock_scenarios` runs once under each.

    Returns:
        The scenario's name; `""` for none.

    """
    return getattr(request, "param", "")


@pytest.fixture
def qwenmock(qwenmock_session: "Mock", qwenmock_scenario: str, request: pytest.FixtureRequest) -> "Generator[Mock]":
    """A running double, reset before the test. Function scope.

    The server is the same for all tests of a process; with pytest-xdist each process has its own.

    Yields:
        The double. Its `url(slug)` replaces a provider's production base URL.

    Example:
        ```python
        def test_pays(qwenmock):
            call_my_code(base_url=qwenmock.url("nebula"), api_key=qwenmock.key)
            qwenmock.assert_billed("0.18")
        ```

    """
    from qwenmock.pytest_plugin.testkit.usage import Usage, money

    allowed = _allowed_kinds(request.node)
    qwenmock_session.reset()
    if qwenmock_scenario:
        qwenmock_session.scenario(qwenmock_scenario)
    yield qwenmock_session
    stash = request.config.stash
    if USAGE not in stash:
        stash[USAGE] = Usage()
    use = stash[USAGE].take(request.node.nodeid, qwenmock_session, allowed)
    if use.calls:
        request.node.user_properties.append(("qwenmock_calls", use.calls))
        request.node.user_properties.append(("qwenmock_images", use.images))
        request.node.user_properties.append(("qwenmock_cost", money(use.cost, use.usd)))
        for remark in _remarks(qwenmock_session):
            request.node.warn(QwenmockWarning(remark))


def _remarks(double: "Mock") -> list[str]:
    """Return what the double remarked on preferences and directives that it does not know."""
    from qwenmock.mockserver.calls.misspelt import REQUESTED

    advisories = [remark for entry in reversed(double.journal()) for remark in entry["advisories"]]
    return [*dict.fromkeys(remark for remark in advisories if remark.startswith(REQUESTED))]


def _allowed_kinds(test: pytest.Item) -> set[str]:
    """Return the kinds of findings that a test and its module expect.

    Raises:
        UsageError: There is no such kind.

    """
    from qwenmock.mockserver.settings import unknown
    from qwenmock.mockserver.testing.entries import FindingKind

    kinds = get_args(FindingKind)
    allowed = [kind for marker in test.iter_markers("qwenmock_allow") for kind in marker.args]
    for kind in allowed:
        if kind not in kinds:
            raise pytest.UsageError(f"qwenmock_allow: {unknown('kind of finding', kind, kinds)}")
    return set(allowed)


@pytest.fixture
def qwenmock_async(qwenmock: "Mock") -> "AsyncMock":
    """The double of the fixture `qwenmock`, for asynchronous tests. Function scope.

    Its methods are coroutines that never stop the event loop.

    Returns:
        The double.

    Example:
        ```python
        async def test_pays(qwenmock_async):
            await call_my_code(base_url=qwenmock_async.url("nebula"), api_key=qwenmock_async.key)
            await qwenmock_async.assert_billed("0.18")
        ```

    """
    from qwenmock.mockserver.testing.asynchronous import AsyncMock

    return AsyncMock(qwenmock)


@pytest.fixture
def qwenmock_intercept(qwenmock: "Mock") -> "Generator[Interception]":
    """Redirect requests for the providers' production hosts to the double, and refuse all other hosts. Function scope.

    It works for httpx, requests, urllib3, aiohttp, http.client and urllib, and so for the SDKs that use them. A key
    that the double does not know is replaced by one that it accepts: no real key reaches the journal. Loopback
    addresses are let through, and each hop of a redirect is checked. Proxies are not used. Child processes and clients
    that do not use these libraries are out of reach.

    Yields:
        The interception. Its `allow("example.com")` lets requests to a host through.

    Raises:
        HostRefused: In the code under test, when it calls a host that is not allowed.
        AssertionError: At the end of the test, if such a call was made.

    """
    with qwenmock.intercept() as interception:
        yield interception
