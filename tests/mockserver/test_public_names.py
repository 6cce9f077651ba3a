"""The names that users import stay where they are."""

import subprocess
import sys

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


def test_an_unknown_name_is_an_attribute_error() -> None:
    import qwenmock.mockserver

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = qwenmock.mockserver.nothing


def test_importing_the_package_loads_no_server() -> None:
    """The package is imported by most of its users for one name; each name is loaded when it is used."""
    code = "import sys, qwenmock.mockserver; print(sorted({'starlette', 'uvicorn', 'jsonschema'} & set(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert output.strip() == "[]"
