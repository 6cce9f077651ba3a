"""The module that pytest loads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from qwenmock.pytest_plugin import plugin
from qwenmock.pytest_plugin.examiner.runner import run_alone

HEAVY = ("hypothesis", "PIL", "starlette", "qwenmock.schemas", "qwenmock.mockserver", "qwenmock.pytest_plugin.examiner")
LIGHT = ("qwenmock.pytest_plugin.examiner", "qwenmock.pytest_plugin.examiner.defaults")
"""A docstring, and a module that imports nothing."""


def is_hook_or_fixture(function: ast.FunctionDef) -> bool:
    decorators = {ast.unparse(decorator).partition("(")[0] for decorator in function.decorator_list}
    return function.name.startswith("pytest_") or "pytest.fixture" in decorators


def test_plugin_is_hooks_and_fixtures_only() -> None:
    tree = ast.parse(Path(plugin.__file__).read_text("utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert functions
    assert [f.name for f in functions if not (isinstance(f, ast.FunctionDef) and is_hook_or_fixture(f))] == []
    assert [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)] == []


def test_plugin_imports_nothing_heavy() -> None:
    """Every pytest run pays for what the plugin imports, also one that does not use it."""
    code = "import sys, qwenmock.pytest_plugin.plugin; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [name for name in done.stdout.split() if name.startswith(HEAVY) and name not in LIGHT] == []


class Reverse:
    """A plugin that changes the order of tests, as pytest-randomly does."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.reverse()


class Names:
    """A plugin that keeps the names of the tests in their order."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.names = [item.nodeid for item in session.items]


def test_other_plugins_do_not_change_the_order_of_contract_tests() -> None:
    """The order decides what a budget examines."""
    usual, reversed_ = Names(), Names()
    chosen = ["--collect-only", "--provider", "ai302"]
    run_alone(chosen, [usual])
    run_alone(chosen, [reversed_, Reverse()])
    assert usual.names
    assert usual.names == reversed_.names
