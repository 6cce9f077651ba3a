"""A running double for coroutines: its methods wait in a thread, so that the event loop of a test goes on."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from qwenmock.mockserver.testing.exchanges import Exchange
from qwenmock.mockserver.testing.intercept import Interception, import_libraries
from qwenmock.mockserver.testing.mock import Mock
from qwenmock.schemas.catalog import Catalog

Given = ParamSpec("Given")
Result = TypeVar("Result")


def _in_thread(
    method: Callable[Concatenate[Mock, Given], Result],
) -> Callable[Concatenate["AsyncMock", Given], Coroutine[None, None, Result]]:
    """Return a method as a coroutine that runs it in a thread, and raises what it raises in the line of the test."""

    @wraps(method)
    async def call(self: "AsyncMock", *args: Given.args, **options: Given.kwargs) -> Result:
        __tracebackhide__ = True
        try:
            return await asyncio.to_thread(method, self.mock, *args, **options)
        except (AssertionError, ValueError) as error:
            raise error.with_traceback(None)  # noqa: B904, it is the same one, without the frames of the thread

    return call


def _exchanges(self: Mock) -> Sequence[Exchange]:
    """Return the requests of the code under test, the oldest first; without the callbacks that the double sent."""
    return self.exchanges


def _last_request(self: Mock) -> Exchange:
    """Return the newest request.

    Raises:
        AssertionError: The double received no request.

    """
    return self.last_request


class AsyncMock:
    """A running double for asynchronous tests. `async with running()` and the fixture `qwenmock_async` give it.

    It has the methods of `Mock`, as coroutines: `await double.fail_next(429)`. What `Mock` has as properties that ask
    the double, `exchanges` and `last_request`, are coroutines too: `await double.exchanges()`.

    Attributes:
        mock: The same double for code that is not asynchronous. Its methods stop the event loop while they wait.
        key: An API key that every provider of the double accepts.

    Example:
        ```python
        async def test_pays_once(qwenmock_async):
            my_client = MyClient(base_url=qwenmock_async.url("nebula"), api_key=qwenmock_async.key)
            await my_client.paint("a cat")
            await qwenmock_async.assert_billed("0.18")
        ```

    """

    def __init__(self, mock: Mock) -> None:
        self.mock = mock
        self.key = mock.key

    @property
    def origin(self) -> str:
        """Scheme, host and port, for example `http://127.0.0.1:40123`."""
        return self.mock.origin

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the double."""
        return self.mock.address

    @property
    def catalog(self) -> Catalog:
        """The providers that the double serves, by slug."""
        return self.mock.catalog

    def url(self, slug: str) -> str:
        """Return the URL that replaces a provider's production base URL.

        Args:
            slug: The provider, for example `nebula`.

        Returns:
            The URL, without a slash at the end.

        Raises:
            KeyError: The catalogue has no such provider.

        """
        __tracebackhide__ = True
        return self.mock.url(slug)

    control = _in_thread(Mock.control)
    journal = _in_thread(Mock.journal)
    ledger = _in_thread(Mock.ledger)
    exchanges = _in_thread(_exchanges)
    last_request = _in_thread(_last_request)
    table = _in_thread(Mock.table)
    spent = _in_thread(Mock.spent)
    verdict = _in_thread(Mock.verdict)
    expect_calls = _in_thread(Mock.expect_calls)
    assert_billed = _in_thread(Mock.assert_billed)
    assert_well_behaved = _in_thread(Mock.assert_well_behaved)
    fail_next = _in_thread(Mock.fail_next)
    scenario = _in_thread(Mock.scenario)
    advance = _in_thread(Mock.advance)
    complete_tasks = _in_thread(Mock.complete_tasks)
    set_balance = _in_thread(Mock.set_balance)
    reset = _in_thread(Mock.reset)

    @asynccontextmanager
    async def intercept(self, *allow: str) -> AsyncGenerator[Interception]:
        """Redirect requests for the providers' production hosts to the double in an `async with` block.

        Args:
            allow: Hosts to which requests are let through.

        Yields:
            The interception, as `Mock.intercept` gives it.

        Raises:
            HostRefused: In the code under test, when it calls a host that is not allowed.
            AssertionError: At the end of the block, if such a call was made.

        """
        __tracebackhide__ = True
        await asyncio.to_thread(import_libraries)
        with self.mock.intercept(*allow) as interception:
            yield interception
