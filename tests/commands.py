"""The commands in processes of their own, as users run them, and in this one."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from unittest.mock import patch

from qwenmock.mockserver.cli import main

COMMAND = [sys.executable, "-m", "qwenmock.mockserver", "serve"]
CONTRACT_TESTS = [sys.executable, "-m", "pytest", "--pyargs", "qwenmock.contract_tests", "-q", "-p", "no:cacheprovider"]


def run_here(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in this process: it is the same function, and a start takes longer than most commands.

    Args:
        arguments: As they are typed after `qwenmock`.
        environment: The whole environment; that of the tests by default.

    """
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, {} if environment is None else environment, clear=environment is not None),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main(arguments)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def serving(
    *options: str, environment: dict[str, str] | None = None, prefix: Sequence[str] = ()
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command until the block ends; gives the process, which leads a group of its own, and its address.

    The command follows `prefix`, which runs it.
    """
    process = subprocess.Popen(
        [*prefix, *COMMAND, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        yield process, first.rpartition(" ")[2].strip()
    finally:
        process.terminate()
        try:
            process.communicate(timeout=20)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
