"""Whether a target is a double on this machine or in a private network, whose control API can be used."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from qwenmock.pytest_plugin.examiner.connection.control import CONTROL_PATH
from qwenmock.pytest_plugin.examiner.results import NotExaminable
from qwenmock.pytest_plugin.examiner.target import ControlledTarget, HttpTarget, Target, TargetError

NEAR = (".localhost", ".local", ".internal", ".test", ".home.arpa")
"""Ends of names that no server of the internet has."""
SECONDS = 5.0


def find_control(url: str, token: str | None) -> str | None:
    """Return the URL of the control API at a target's origin; None if the target is no double, or is not near.

    Raises:
        NotExaminable: There is one, and it refuses calls.

    """
    if not is_near(url):
        return None
    control = urlsplit(url)._replace(path=CONTROL_PATH, query="", fragment="").geturl()
    target: Target = HttpTarget(url, SECONDS)
    target = ControlledTarget(target, control, token) if token else target
    try:
        if "x-qwenmock" not in target.send("GET", f"{control}/health", {}).headers:
            return None
        reply = target.send("GET", f"{control}/ledger?limit=0", {})
    except TargetError:
        return None
    finally:
        target.close()
    if reply.status != 200:
        raise NotExaminable(f"the control API at {control} refuses calls: status {reply.status}")
    return control


def is_near(url: str) -> bool:
    """Return whether a URL's host is this machine or in a private network, as far as its name tells."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    try:
        address = ip_address(host)
    except ValueError:
        return host != "" and ("." not in host or host.endswith(NEAR))
    return address.is_loopback or address.is_private
