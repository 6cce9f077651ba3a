"""Whether what the proxy needs is installed. This module needs none of it."""

from importlib.util import find_spec

from qwenmock.mockserver.errors import SettingsError

NEEDED = ("certifi", "cryptography", "h11")


def require_extra() -> None:
    """Make sure that the extra is installed.

    Raises:
        SettingsError: It is not.

    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise SettingsError(f"{missing[0]} is not installed, which the proxy needs: pip install 'qwenmock[run]'")
