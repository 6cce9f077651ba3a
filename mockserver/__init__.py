"""The offline double: a server that answers as the documented providers do.

`running()` runs one in a thread, with what tests need. `create_app(create_double())` makes one an ASGI application.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from qwenmock.mockserver._version import __version__

if TYPE_CHECKING:
    from qwenmock.mockserver.calls.double import create_double
    from qwenmock.mockserver.http.app import create_app
    from qwenmock.mockserver.http.server import RunningServer
    from qwenmock.mockserver.settings import Settings
    from qwenmock.mockserver.testing.running import running

__all__ = ["RunningServer", "Settings", "__version__", "create_app", "create_double", "running"]
_HOMES = {
    "create_app": "http.app",
    "create_double": "calls.double",
    "RunningServer": "http.server",
    "running": "testing.running",
    "Settings": "settings",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is used: most programs need only one of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return __all__
