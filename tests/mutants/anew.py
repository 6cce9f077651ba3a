"""Trials that import the project anew, with one module changed, and run all tests of the module."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from . import trial
from .mutations import Mutant


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


def module_name(path: str) -> str:
    """Return the name by which a file is imported."""
    return "qwenmock." + path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def start(path: str, tests: Sequence[str], mutant: Mutant, limits: trial.Limits) -> int:
    """Start a trial that imports the project anew, and return its process id. Its exit status is that of pytest."""

    def run() -> int:
        sys.meta_path.insert(0, Changed(module_name(path), Path(trial.file_of(path)), mutant))
        return int(pytest.main([*trial.ARGUMENTS, *tests], plugins=[trial.OneTestLimit(limits.test)]))

    return trial.fork(run, limits)
