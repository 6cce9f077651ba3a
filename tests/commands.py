"""The commands in processes of their own, as users run them."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence

COMMAND = [sys.executable, "-m", "qwenmock.mockserver", "serve"]
CONTRACT_TESTS = [sys.executable, "-m", "pytest", "--pyargs", "qwenmock.contract_tests", "-q", "-p", "no:cacheprovider"]


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
