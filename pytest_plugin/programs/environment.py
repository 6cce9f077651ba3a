"""The environment in which a command finds the proxy and trusts it, whatever language it is written in."""

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from qwenmock.mockserver import gateway
from qwenmock.mockserver.gateway.authority import STORE_PASSWORD, TrustFiles
from qwenmock.mockserver.gateway.hosts import HostPolicy

PRELOAD = Path(gateway.__file__).parent / "preload"
"""What Node and Python load when they start, for clients that ignore the proxy variables."""
PROXY = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
LOCAL = ("localhost", "127.0.0.1", "::1")
BUNDLE = (
    "SSL_CERT_FILE",  # OpenSSL, and with it Python, Ruby; Go, .NET, Rust
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "GIT_SSL_CAINFO",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "HTTPLIB2_CA_CERTS",
    "PERL_LWP_SSL_CA_FILE",
    "PIP_CERT",
)
"""Variables whose file replaces the public authorities."""
ADDED = ("NODE_EXTRA_CA_CERTS", "DENO_CERT")
"""Variables whose file is added to them."""


def command_environment(
    base: Mapping[str, str], double: str, port: int, files: TrustFiles, policy: HostPolicy
) -> dict[str, str]:
    """Return the environment of a command.

    Args:
        base: The environment that it would have.
        double: Address of the double, for its control API.
        port: Of the proxy, on this machine.
        files: Files by which it trusts the proxy.
        policy: Which hosts lead where.

    """
    proxy = f"http://127.0.0.1:{port}"
    both = {**dict.fromkeys(PROXY, proxy), "NO_PROXY": ",".join(LOCAL)}
    plan = {"port": port, "hosts": sorted(policy.production), "allowed": sorted(policy.allowed)}
    return {
        **base,
        **both,
        **{name.lower(): value for name, value in both.items()},
        **dict.fromkeys(BUNDLE, str(files.bundle)),
        **dict.fromkeys(ADDED, str(files.certificate)),
        "NODE_USE_ENV_PROXY": "1",
        "NODE_OPTIONS": _added(base, "NODE_OPTIONS", f"--require={json.dumps(str(PRELOAD / 'node.cjs'))}"),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(PRELOAD), base.get("PYTHONPATH")))),
        "QWENMOCK_PRELOAD": json.dumps({**plan, "passThrough": policy.pass_through}),
        "JAVA_TOOL_OPTIONS": _added(base, "JAVA_TOOL_OPTIONS", _java_options(port, files)),
        # An empty folder in the list is the one that PHP was built with.
        "PHP_INI_SCAN_DIR": f"{base.get('PHP_INI_SCAN_DIR', '')}{os.pathsep}{files.php_settings}",
        "QWENMOCK_URL": double,
    }


def _java_options(port: int, files: TrustFiles) -> str:
    values = {
        **{f"{scheme}.proxyHost": "127.0.0.1" for scheme in ("http", "https")},
        **{f"{scheme}.proxyPort": str(port) for scheme in ("http", "https")},
        "http.nonProxyHosts": "localhost|127.*|[::1]",
        "javax.net.ssl.trustStore": str(files.java_store),
        "javax.net.ssl.trustStoreType": "PKCS12",
        "javax.net.ssl.trustStorePassword": STORE_PASSWORD,
    }
    return " ".join(shlex.quote(f"-D{name}={value}") for name, value in values.items())


def _added(base: Mapping[str, str], name: str, value: str) -> str:
    return " ".join(filter(None, (base.get(name), value)))
