"""A double in a `with` block, without pytest, and in an `async with` block."""

import asyncio
import logging
import selectors
import subprocess
import sys
import threading
import traceback
from collections.abc import Coroutine
from typing import Any

import aiohttp
import httpx
import pytest

from qwenmock.mockserver import RunningServer, Settings, running
from qwenmock.mockserver.testing.asynchronous import AsyncMock
from qwenmock.mockserver.testing.intercept import HostRefused
from qwenmock.mockserver.testing.mock import Mock

PRODUCTION = "https://llm.ai-nebula.com/v1/images/generations"
BODY = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
EVOLINK = {"model": "qwen-image-edit", "prompt": "a hat", "image_urls": ["https://example.com/a.png"]}
ANY_KEY = {"Authorization": "Bearer sk-of-a-real-account"}


def paint() -> int:
    return httpx.post(PRODUCTION, json=BODY, headers=ANY_KEY).status_code


def test_everything_works_in_a_block() -> None:
    threads = threading.active_count()
    with running() as double:
        assert isinstance(double, RunningServer)
        with double.intercept():
            double.fail_next(429)
            assert [paint(), paint()] == [429, 200]
            task = httpx.post("https://api.evolink.ai/v1/images/generations", json=EVOLINK, headers=ANY_KEY).json()
            double.complete_tasks()
            assert double.control("GET", f"tasks/{task['id']}")["state"] == "succeeded"
        double.expect_calls(3)
        double.assert_billed("0.18", provider="nebula")
        with pytest.raises(AssertionError, match=r"expected a charge of 0\.2, got 0\.18 CNY:\n  method "):
            double.assert_billed(0.2, provider="nebula")
        for amount in ("abc", "", float("nan")):
            with pytest.raises(ValueError, match=rf'expected an amount such as "0\.36", got {amount!r}'):
                double.assert_billed(amount)
        with pytest.raises(ValueError, match="times: expected an integer from 1 on, got 0"):
            double.fail_next(500, times=0)
        double.reset()
        double.expect_calls(0)
    assert threading.active_count() == threads


def test_settings_are_those_of_the_double() -> None:
    with running(Settings(port=0, strict=True)) as double:
        assert double.double.settings.strict
        headers = {"Authorization": f"Bearer {double.key}"}
        url = f"{double.url('nebula')}/v1/images/generations"
        assert httpx.post(url, json=BODY | {"colour": "red"}, headers=headers).status_code == 400


def call_another_host(double: Mock) -> None:
    with double.intercept("allowed.example"), pytest.raises(HostRefused):
        httpx.get("https://other.example/")


def test_block_of_an_interception_ends_with_the_hosts_that_were_refused() -> None:
    with running() as double:
        with pytest.raises(AssertionError, match=r"^hosts that are not allowed were called: other\.example$"):
            call_another_host(double)
        with double.intercept("other.example") as interception:
            assert not interception.is_redirected("other.example")
        with pytest.raises(ZeroDivisionError), double.intercept():
            raise ZeroDivisionError


def test_pytest_is_not_needed() -> None:
    code = (
        "import sys\n"
        "from qwenmock.mockserver import running\n"
        "with running() as double, double.intercept():\n"
        "    double.fail_next(500)\n"
        "    double.assert_billed(0)\n"
        "print(sorted({'pytest', 'hypothesis', 'qwenmock.pytest_plugin'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# Asynchronous


async def use_everything(double: AsyncMock) -> None:
    headers = {"Authorization": f"Bearer {double.key}"}
    async with httpx.AsyncClient(headers=headers) as client:
        await double.fail_next(429)
        url = f"{double.url('nebula')}/v1/images/generations"
        assert [(await client.post(url, json=BODY)).status_code for _ in range(2)] == [429, 200]
        await double.expect_calls(2)
        await double.assert_billed("0.18")
        assert (await double.last_request()).status == 200
        assert [exchange.status for exchange in await double.exchanges()] == [429, 200]
        assert (await double.table()).count("\n") == len(await double.journal()) == 2
        assert (await double.ledger())["charges"][0]["amount"] == "0.18"
        assert await double.spent() != {}
        assert (await double.verdict())["calls"] == 2
        await double.assert_well_behaved(allow=["retry_after_ignored"])
        await double.set_balance(5, provider="nebula")
        before = (await double.control("GET", "health"))["now"]
        assert await double.advance(10) >= before + 10
        await double.scenario("outage")
        assert (await client.post(url, json=BODY)).status_code == 500
        await double.reset()
        task = (await client.post(f"{double.url('evolink')}/v1/images/generations", json=EVOLINK)).json()
        await double.complete_tasks()
        assert (await double.control("GET", f"tasks/{task['id']}"))["state"] == "succeeded"


def test_no_call_is_made_in_the_thread_of_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[str] = set()
    control = Mock.control

    def noted(*given: Any, **options: Any) -> Any:
        threads.add(threading.current_thread().name)
        return control(*given, **options)

    async def use() -> None:
        async with running() as double:
            await use_everything(double)

    monkeypatch.setattr(Mock, "control", noted)
    asyncio.run(use())
    assert threads
    assert threading.current_thread().name not in threads


def test_asynchronous_double_has_every_method() -> None:
    public = {name for name in dir(Mock) if not name.startswith("_")} - {"close"}
    assert public <= {name for name in dir(AsyncMock) if not name.startswith("_")}


class Waiting(selectors.DefaultSelector):
    """Says whether the event loop waits, with no callback running."""

    def __init__(self) -> None:
        super().__init__()
        self.now = threading.Event()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now.set()
        try:
            return super().select(timeout)
        finally:
            self.now.clear()


class Loop(asyncio.SelectorEventLoop):
    """An event loop in debug mode, whose clock a slow call moves on."""

    def __init__(self) -> None:
        self.waiting = Waiting()
        self.seconds = 0.0
        super().__init__(self.waiting)
        self.set_debug(True)
        self.slow_callback_duration = 100.0

    def time(self) -> float:
        return super().time() + self.seconds


def test_event_loop_does_not_notice_a_slow_call(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio warns of a callback that took longer than a limit: never for `AsyncMock`, and for `Mock` it does."""
    loop, main = Loop(), threading.current_thread()
    control = Mock.control

    def slow(*given: Any, **options: Any) -> Any:
        if threading.current_thread() is not main:
            assert loop.waiting.now.wait(30)
        loop.seconds += 1000
        return control(*given, **options)

    async def use() -> int:
        async with running() as double, double.intercept():
            monkeypatch.setattr(Mock, "control", slow)
            await double.fail_next(429)
            await asyncio.sleep(0)
            before = len(caplog.records)
            double.mock.reset()
            await asyncio.sleep(0)
        return before

    with caplog.at_level(logging.WARNING, "asyncio"), asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(use()) == 0
    assert ["took 1000.0" in record.getMessage() for record in caplog.records] == [True]
    assert loop.seconds == 3000


async def call_another_host_from(double: AsyncMock) -> None:
    async with double.intercept(), httpx.AsyncClient() as client:
        with pytest.raises(HostRefused):
            await client.get("https://other.example/")


def test_interception_in_a_coroutine() -> None:
    async def use() -> None:
        async with running() as double:
            async with (
                double.intercept(),
                aiohttp.ClientSession() as session,
                session.post(PRODUCTION, json=BODY, headers=ANY_KEY) as answer,
            ):
                assert answer.status == 200
            await double.assert_billed("0.18")
            with pytest.raises(AssertionError, match=r"were called: other\.example$"):
                await call_another_host_from(double)

    asyncio.run(use())


def test_errors_are_raised_in_the_line_of_the_test() -> None:
    async def use() -> list[BaseException]:
        async with running() as double:
            wrong = (double.assert_billed(5), double.fail_next(418), double.last_request())
            return [await raised(each) for each in wrong]

    async def raised(call: Coroutine[None, None, object]) -> BaseException:
        with pytest.raises((AssertionError, ValueError)) as found:
            await call
        return found.value

    for error in asyncio.run(use()):
        assert error.__context__ is None
        assert [frame.name for frame in traceback.extract_tb(error.__traceback__)] == ["raised", "call"]


def test_double_ends_with_its_block_also_after_an_error() -> None:
    async def use() -> None:
        async with running():
            raise ZeroDivisionError

    threads = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        asyncio.run(use())
    assert threading.active_count() == threads
