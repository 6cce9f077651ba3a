"""Run a command as if it were started by hand, and end all of it with this process, however this process ends.

The command gets a process group of its own, the terminal, and the signals that this process gets. A small shell waits
in a session of its own for this process to disappear, and then kills the group: so it ends even after SIGKILL.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

NOT_FOUND, NOT_EXECUTABLE, SIGNALLED = 127, 126, 128
"""Exit codes, as shells use them."""
FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
ENDING = ("SIGTERM", "SIGHUP")
"""Signals after which the command has `GRACE_SECONDS` to end."""
GRACE_SECONDS = 5.0
PAUSE_SECONDS = 0.02
WATCH = """
read group && [ "$group" != end ] || exit
read end || { kill -KILL "-$group"; rm -rf -- "$1"; }
"""


def run_command(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> int:
    """Run a command to its end; return its exit code, as a shell would.

    Args:
        command: Program and arguments.
        environment: Its environment.
        folder: Removed too when this process is killed.

    """
    with _watchdog(folder) as watch:
        try:
            process = subprocess.Popen(command, env=dict(environment), process_group=0)
        except OSError as error:
            print(f"qwenmock: cannot run {command[0]}: {error.strerror}", file=sys.stderr)
            return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        watch(process.pid)
        with _forwarding(process.pid), _Terminal(process.pid) as terminal:
            process.returncode = os.waitstatus_to_exitcode(_wait(process.pid, terminal))
        _end_group(process.pid)
        return process.returncode if process.returncode >= 0 else SIGNALLED - process.returncode


def _wait(pid: int, terminal: "_Terminal") -> int:
    """Wait until a process has ended; return its status."""
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return status
        if os.WSTOPSIG(status) in {signal.SIGTTIN, signal.SIGTTOU} and terminal.give():
            os.killpg(pid, signal.SIGCONT)
            continue
        # Ctrl-Z: stop too, so that the shell has its prompt, and go on together.
        terminal.take_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        terminal.give()
        os.killpg(pid, signal.SIGCONT)


class _Terminal:
    """The terminal of this process, which a command in another group cannot read until it is given to it.

    It is given at once where the command could draw on it, and else when the command wants to read: programs beside
    this one in a pipeline keep it until then.
    """

    def __init__(self, group: int) -> None:
        self._group = group
        self._is_given = False

    def __enter__(self) -> "_Terminal":
        if all(os.isatty(number) for number in (0, 1)):
            self.give()
        return self

    def __exit__(self, *_: object) -> None:
        self.take_back()

    def give(self) -> bool:
        """Give it to the command; return whether this process had it."""
        with contextlib.suppress(OSError):
            if os.tcgetpgrp(0) == os.getpgrp():
                self._is_given = _set_foreground(self._group)
        return self._is_given

    def take_back(self) -> None:
        """Take it back from the command."""
        if self._is_given:
            _set_foreground(os.getpgrp())
            self._is_given = False


def _set_foreground(group: int) -> bool:
    """Make a group the foreground of the terminal at standard input; return whether that worked."""
    # From the background this would stop the process.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        os.tcsetpgrp(0, group)
    except OSError:
        return False
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return True


@contextmanager
def _forwarding(group: int) -> Generator[None]:
    """Send the signals that this process gets to a command's group until the block ends."""

    def forward(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, number)
        if signal.Signals(number).name in ENDING:
            signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)

    def kill(_number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)

    handlers = {getattr(signal, name): forward for name in FORWARDED} | {signal.SIGALRM: kill}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_group(group: int) -> None:
    """End what a command has left in its group: the double that it could call ends too."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
        until = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < until:
            os.killpg(group, 0)
            time.sleep(PAUSE_SECONDS)
        os.killpg(group, signal.SIGKILL)


class _Watch:
    """Tells the shell which group it must kill."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def __call__(self, group: int) -> None:
        os.write(self._pipe, f"{group}\n".encode())


@contextmanager
def _watchdog(folder: Path) -> Generator[_Watch]:
    receiver, sender = os.pipe()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        ["/bin/sh", "-c", WATCH, "qwenmock-watchdog", str(folder)],
        stdin=receiver,
        stdout=quiet,
        stderr=quiet,
        start_new_session=True,
    )
    os.close(receiver)
    try:
        yield _Watch(sender)
        os.write(sender, b"end\n")
    finally:
        os.close(sender)
        process.wait()
