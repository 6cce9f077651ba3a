"""Run a command as if it were started by hand, and end all of it with this process, however this process ends.

The command gets a process group of its own, the terminal, and the signals that this process gets. A small shell waits
in a session of its own for this process to disappear, and then kills the group: so it ends even after SIGKILL. The
group exists before the command, so that there is no moment in which the command runs and the shell does not know it.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
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
group=
while read line; do
  [ "$line" = end ] && exit
  group=$line
done
[ -n "$group" ] && kill -KILL "-$group"
rm -rf -- "$1"
"""
LEAD = "trap '' INT TERM HUP QUIT TSTP; read end"
"""A group exists as long as it has a process: this one waits for the end of its input."""


def run_command(command: Sequence[str], environment: Mapping[str, str], watch: "Watch") -> int:
    """Run a command to its end; return its exit code, as a shell would.

    Args:
        command: Program and arguments.
        environment: Its environment.
        watch: Ends the command if this process is killed.

    """
    with Signals() as signals, process_group(watch) as group:
        try:
            process = subprocess.Popen(command, env=dict(environment), process_group=group)
        except OSError as error:
            say(f"cannot run {command[0]}: {error.strerror}")
            return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        with _Terminal(group) as terminal:
            signals.forward_to(group)
            process.returncode = os.waitstatus_to_exitcode(_wait(process.pid, group, terminal, signals))
        return process.returncode if process.returncode >= 0 else SIGNALLED - process.returncode


def say(text: str) -> None:
    """Write a line to stderr; where that is closed or full, the command's exit code counts, and nothing is said."""
    if sys.stderr is not None:  # `print` would write to stdout
        with contextlib.suppress(OSError):
            print(f"qwenmock: {text}", file=sys.stderr, flush=True)


def _wait(pid: int, group: int, terminal: "_Terminal", signals: "Signals") -> int:
    """Wait until a process of a group has ended; return its status."""
    while True:
        found, status = os.waitpid(pid, os.WUNTRACED | os.WNOHANG)
        if not found:
            signals.wait()
            continue
        if not os.WIFSTOPPED(status):
            return status
        if os.WSTOPSIG(status) in {signal.SIGTTIN, signal.SIGTTOU} and terminal.give():
            os.killpg(group, signal.SIGCONT)
            continue
        # Ctrl-Z: stop too, so that the shell has its prompt, and go on together.
        terminal.take_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        terminal.give()
        os.killpg(group, signal.SIGCONT)


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


class Signals:
    """Sends the signals that this process gets to a command's group, until the block ends.

    Those that come before the command has started are kept for it. Waiting is a read from a pipe that each signal
    writes to: a signal that comes just before a blocking `waitpid` would be seen only when the command has ended.

    Attributes:
        is_ending: Whether one has come that ends a command.

    """

    def __init__(self) -> None:
        self.is_ending = False
        self._group: int | None = None
        self._early: list[int] = []

    def __enter__(self) -> "Signals":
        self._receiver, self._sender = os.pipe()
        os.set_blocking(self._sender, False)
        # Those that are ignored, as under `nohup`, stay so: the command inherits it.
        numbers = [number for name in FORWARDED if signal.getsignal(number := getattr(signal, name)) != signal.SIG_IGN]
        handlers = dict.fromkeys(numbers, self._forward)
        handlers |= {signal.SIGALRM: self._kill, signal.SIGCHLD: self._note}
        self._before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        self._woken_before = signal.set_wakeup_fd(self._sender, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.set_wakeup_fd(self._woken_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._sender)
        os.close(self._receiver)

    def forward_to(self, group: int) -> None:
        """Send signals to this group from now on, first those that came before."""
        self._group = group
        while self._early:
            self._forward(self._early.pop(0), None)

    def wait(self) -> None:
        """Return when a signal has come since the last call: SIGCHLD says that a child has stopped or ended."""
        os.read(self._receiver, 4096)

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        self.is_ending = True
        if self._group is None:
            self._early.append(number)
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._group, number)
        if signal.Signals(number).name in ENDING:
            signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)

    def _kill(self, _number: int, _frame: FrameType | None) -> None:
        if self._group is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._group, signal.SIGKILL)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        """Let SIGCHLD be written to the pipe, which needs a handler."""


def _end_group(group: int) -> None:
    """End what a command has left in its group: the double that it could call ends too."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
        until = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < until:
            os.killpg(group, 0)
            time.sleep(PAUSE_SECONDS)
        os.killpg(group, signal.SIGKILL)


@contextmanager
def process_group(watch: "Watch") -> Generator[int]:
    """Yield an empty process group, of which nothing is left afterwards."""
    leader = subprocess.Popen(["/bin/sh", "-c", LEAD], stdin=subprocess.PIPE, process_group=0)
    assert leader.stdin is not None
    watch(leader.pid)
    try:
        yield leader.pid
    finally:
        leader.kill()
        leader.stdin.close()
        leader.wait()
        _end_group(leader.pid)


class Watch:
    """Tells the shell which group it must kill."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def __call__(self, group: int) -> None:
        """Let it kill this group."""
        self._write(str(group))

    def dismiss(self) -> None:
        """Tell it to kill none."""
        self._write("end")

    def _write(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # it was killed
            os.write(self._pipe, f"{line}\n".encode())


@contextmanager
def private_folder() -> Generator[tuple[Path, Watch]]:
    """Yield a folder that only this user can read, removed at the end, also if this process is killed.

    With it comes what tells the shell that removes it which process group to kill.
    """
    with (
        tempfile.TemporaryDirectory(prefix="qwenmock-run-", ignore_cleanup_errors=True) as folder,
        _watchdog(Path(folder)) as watch,
    ):
        yield Path(folder), watch


@contextmanager
def _watchdog(folder: Path) -> Generator[Watch]:
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
    watch = Watch(sender)
    try:
        yield watch
        watch.dismiss()
    finally:
        os.close(sender)
        process.wait()
