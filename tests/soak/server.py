"""The server with two workers on one state file, and what its processes use."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

START_SECONDS = 60
LISTENING = "0A"
"""The state of a listening socket in /proc/net/tcp."""


@dataclass
class Server:
    """A running server.

    Attributes:
        origin: Its address.
        errors: The file with its standard error output.
        killed: The workers that were killed.

    """

    process: subprocess.Popen[bytes]
    origin: str
    errors: Path
    killed: list[int] = field(default_factory=list[int])

    def workers(self) -> list[int]:
        """Return the worker processes that listen, the oldest first."""
        inodes = listening_inodes(int(self.origin.rpartition(":")[2]))
        return [pid for pid in children_of(self.process.pid) if inodes & socket_inodes(pid)]

    def kill(self, worker: int) -> None:
        """Kill a worker with SIGKILL."""
        os.kill(worker, signal.SIGKILL)
        self.killed.append(worker)

    def error_lines(self) -> list[str]:
        """Return what was written to the standard error output, but for the deaths of the workers that were killed."""
        expected = {f"qwenmock: worker {pid} died with -9" for pid in self.killed}
        return [line for line in self.errors.read_text("utf-8").splitlines() if line not in expected]


def children_of(pid: int) -> list[int]:
    return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def socket_inodes(pid: int) -> set[str]:
    """Return the sockets that a process has open; none if it has ended."""
    found: set[str] = set()
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.update(re.findall(r"^socket:\[(\d+)\]$", str(entry.readlink())))
    return found


def listening_inodes(port: int) -> set[str]:
    """Return the sockets that listen on a port."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {line[9] for line in lines if line[3] == LISTENING and int(line[1].rpartition(":")[2], 16) == port}


def resident_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@contextlib.contextmanager
def running(folder: Path, *options: str) -> Iterator[Server]:
    """Run a server until the block ends; its processes are in a group of their own."""
    errors = folder / "errors.txt"
    command = [sys.executable, "-m", "qwenmock.mockserver", "serve", "--port", "0", "--workers", "2", "--quiet"]
    with errors.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--state", str(folder / "state.db"), *options],
            stdout=subprocess.PIPE,
            stderr=stream,
            start_new_session=True,
        )
    assert process.stdout is not None
    try:
        origin = process.stdout.readline().decode().rpartition(" ")[2].strip()
        httpx.get(f"{origin}/health", timeout=START_SECONDS).raise_for_status()
        yield Server(process, origin, errors)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


@dataclass(frozen=True)
class Sample:
    """What the worker that is never killed used at a moment."""

    at: float
    resident_mb: float
    descriptors: int


def sample(pid: int) -> Sample:
    return Sample(time.monotonic(), resident_mb(pid), descriptors(pid))
