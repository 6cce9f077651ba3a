"""The names that users import stay where they are."""

import subprocess
import sys
from importlib import import_module

import pytest


def test_the_server_offers_its_public_names() -> None:
    from qwenmock.mockserver import RunningServer, Settings, __version__, create_app, create_double, running

    with running(Settings(port=0)) as server:
        assert isinstance(server, RunningServer)
    assert create_app(create_double(Settings())).double.settings == Settings()
    assert __version__


def test_the_pytest_plugin_offers_autouse() -> None:
    from qwenmock.pytest_plugin import autouse

    assert callable(autouse)


def test_what_moved_keeps_its_names_of_before() -> None:
    from qwenmock.mockserver.testing import entries, exchanges, intercept, mock
    from qwenmock.pytest_plugin import testkit

    for module, homes in (("mock", (mock, exchanges)), ("intercept", (intercept,)), ("entries", (entries,))):
        before = import_module(f"{testkit.__name__}.{module}")
        for name in before.__all__:
            assert any(getattr(home, name, None) is getattr(before, name) for home in homes), name


def test_an_unknown_name_is_an_attribute_error() -> None:
    import qwenmock.mockserver

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = qwenmock.mockserver.nothing


def test_importing_the_package_loads_no_server() -> None:
    """The package is imported by most of its users for one name; each name is loaded when it is used."""
    code = "import sys, qwenmock.mockserver; print(sorted({'starlette', 'uvicorn', 'jsonschema'} & set(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert output.strip() == "[]"
