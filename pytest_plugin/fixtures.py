"""The fixtures for users' own tests."""

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from qwenmock.pytest_plugin.testkit.intercept import Interception
    from qwenmock.pytest_plugin.testkit.mock import Mock
    from qwenmock.pytest_plugin.testkit.usage import Usage

USAGE: "pytest.StashKey[Usage]" = pytest.StashKey()
JOURNAL_MAX = 10_000


@pytest.fixture(scope="session")
def qwenmock_settings() -> Mapping[str, Any]:
    """Return settings of the double; override it in a conftest: `{"latency": "200", "strict": True}`.

    The names are those of `qwenmock serve`'s options, with `_` for `-`.
    """
    return {}


@pytest.fixture(scope="session")
def qwenmock_session(qwenmock_settings: Mapping[str, Any]) -> "Generator[Mock]":
    """Return the double that all tests of a process share; not reset between them."""
    from qwenmock.mockserver.commands.options import read_settings
    from qwenmock.mockserver.http.server import running
    from qwenmock.pytest_plugin.testkit.mock import Mock

    defaults = {"port": 0, "allow_local_callbacks": True, "journal_max": JOURNAL_MAX}
    with running(read_settings({**defaults, **qwenmock_settings})) as server:
        mock = Mock(server)
        yield mock
        mock.close()


@pytest.fixture
def qwenmock(qwenmock_session: "Mock", request: pytest.FixtureRequest) -> "Generator[Mock]":
    """Return a running double with everything at its beginning.

    `.url(slug)` stands in for a provider's production base URL, `.key` works there; `.journal()`, `.ledger()`,
    `.last_request`, `.expect_calls(2)`, `.assert_billed("0.36")`, `.fail_next(429)`, `.advance(3600)`,
    `.complete_tasks()`, `.assert_well_behaved()`.
    """
    from qwenmock.pytest_plugin.testkit.usage import Usage, money

    qwenmock_session.reset()
    yield qwenmock_session
    stash = request.config.stash
    if USAGE not in stash:
        stash[USAGE] = Usage()
    use = stash[USAGE].take(request.node.nodeid, qwenmock_session)
    if use.calls:
        request.node.user_properties.append(("qwenmock_calls", use.calls))
        request.node.user_properties.append(("qwenmock_images", use.images))
        request.node.user_properties.append(("qwenmock_cost", money(use.cost)))


@pytest.fixture
def qwenmock_intercept(qwenmock: "Mock") -> "Generator[Interception]":
    """Let calls to the providers' production hosts land on the double, and refuse all other hosts.

    httpx, requests and urllib3, aiohttp. `.allow("example.com")` lets a host through.
    """
    from qwenmock.pytest_plugin.testkit.intercept import intercepting

    with intercepting(qwenmock) as interception:
        yield interception
    assert not interception.refused, f"hosts were called that are not allowed here: {', '.join(interception.refused)}"
