"""Run a double for tests: in a `with` block, or in an `async with` block that never stops the event loop."""

import asyncio
from contextlib import ExitStack
from types import TracebackType

from qwenmock.mockserver.http import server
from qwenmock.mockserver.settings import Settings
from qwenmock.mockserver.testing.asynchronous import AsyncMock
from qwenmock.mockserver.testing.mock import Mock


class Running:
    """A double that runs in a thread until the block ends: `with` gives a `Mock`, `async with` an `AsyncMock`."""

    def __init__(self, settings: Settings | None) -> None:
        self._settings = settings
        self._stack = ExitStack()

    def __enter__(self) -> Mock:
        mock = Mock(self._stack.enter_context(server.running(self._settings)))
        self._stack.callback(mock.close)
        return mock

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    async def __aenter__(self) -> AsyncMock:
        return AsyncMock(await asyncio.to_thread(self.__enter__))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._stack.close)


def running(settings: Settings | None = None) -> Running:
    """Run a double in a thread until the `with` or `async with` block ends.

    Args:
        settings: Settings of the double; by default `Settings(port=0)`, which takes a free port. `workers` is ignored:
            the double runs in this process.

    Returns:
        A context manager. `with` gives the object of the fixture `qwenmock`, `async with` that of `qwenmock_async`.

    Raises:
        SettingsError: The settings contradict each other or the catalogue, or the port is in use.
        StoreError: The state cannot be opened.
        CatalogError: The catalogue cannot be loaded.

    Example:
        ```python
        from qwenmock.mockserver import Settings, running

        with running(Settings(port=0, strict=True)) as double:
            call_my_code(base_url=double.url("nebula"), api_key=double.key)
            double.assert_billed("0.18")
        ```

    """
    return Running(settings)
