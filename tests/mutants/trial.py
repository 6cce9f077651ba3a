"""One run of the unit tests of a module in a process of its own, with the module changed."""

import importlib
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

import hypothesis
import pytest

from .mutations import Mutant

ROOT = Path(__file__).parent.parent.parent
MEMORY_BYTES = 4 * 2**30
PRELOADED = (
    "anyio", "httpcore", "httpx", "jsonschema", "jsonschema_rs", "orjson", "PIL.Image", "prometheus_client",
    "pybase64", "starlette.applications", "starlette.responses", "starlette.testclient", "_pytest.pytester",
)  # fmt: skip
"""What most tests import. A process that is forked afterwards need not load it again."""
ARGUMENTS = ("-x", "-q", "-p", "no:cacheprovider", "--noconftest", "-W", "ignore")


class Changed(MetaPathFinder, SourceFileLoader):
    """Imports one module from another code than that of its file."""

    def __init__(self, name: str, path: Path, mutant: Mutant) -> None:
        super().__init__(name, str(path))
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        spec.loader = self
        return spec

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002, of the protocol
        return self._mutant.code(self.path)


def prepare() -> None:
    """Load what every trial needs. Nothing of the project may be loaded: each trial imports it anew."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in PRELOADED:
        importlib.import_module(name)
    hypothesis.settings.register_profile("mutants", derandomize=True, database=None, deadline=None)
    hypothesis.settings.load_profile("mutants")
    assert not any(name.startswith("qwenmock") for name in sys.modules)


def module_name(path: str) -> str:
    """Return the name by which a file is imported."""
    return "qwenmock." + path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def start(path: str, tests: Sequence[str], mutant: Mutant | None) -> int:
    """Start a trial and return its process id. Its exit status is that of pytest."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, *((2,) if mutant else ())):
            os.dup2(null, descriptor)
        if mutant is not None:
            sys.meta_path.insert(0, Changed(module_name(path), ROOT / ".links/qwenmock" / path, mutant))
        os._exit(int(pytest.main([*ARGUMENTS, *tests])))
    finally:
        os._exit(99)


def ended(pid: int) -> int | None:
    """Return the exit status of a trial, or minus the number of the signal that ended it; None while it runs."""
    found, status = os.waitpid(pid, os.WNOHANG)
    return None if found == 0 else os.waitstatus_to_exitcode(status)


def stop(pid: int) -> None:
    """Stop a trial with everything that it started."""
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def seconds_of(path: str, tests: Sequence[str]) -> float:
    """Return how long the tests of a module take without a change.

    Raises:
        RuntimeError: They fail.

    """
    began = time.monotonic()
    pid = start(path, tests, None)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0:
        raise RuntimeError(f"{path}: its tests fail without a change (exit status {status}): {' '.join(tests)}")
    return time.monotonic() - began
