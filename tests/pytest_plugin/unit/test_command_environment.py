"""What a command finds in its environment."""

import json
from pathlib import Path

from qwenmock.mockserver.gateway.authority import TrustFiles
from qwenmock.mockserver.gateway.hosts import HostPolicy
from qwenmock.pytest_plugin.programs.environment import ADDED, BUNDLE, PRELOAD, command_environment

FILES = TrustFiles(Path("/t/ca.pem"), Path("/t/bundle.pem"), Path("/t/store.p12"), Path("/t/php"))
POLICY = HostPolicy(frozenset({"b.example", "a.example"}), frozenset({"c.example"}))


def test_proxy_and_trust_replace_what_was_set() -> None:
    before = {"https_proxy": "http://corporate:3128", "NO_PROXY": "*", "SSL_CERT_FILE": "/etc/other.pem", "HOME": "/me"}
    found = command_environment(before, "http://127.0.0.1:4010", 4013, FILES, POLICY)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        assert found[name] == found[name.lower()] == "http://127.0.0.1:4013"
    assert found["NO_PROXY"] == found["no_proxy"] == "localhost,127.0.0.1,::1"
    assert {found[name] for name in BUNDLE} == {"/t/bundle.pem"}
    assert {found[name] for name in ADDED} == {"/t/ca.pem"}
    assert found["HOME"] == "/me"
    assert found["QWENMOCK_URL"] == "http://127.0.0.1:4010"


def test_options_of_runtimes_are_added_to_those_that_were_set() -> None:
    before = {"NODE_OPTIONS": "--trace-warnings", "JAVA_TOOL_OPTIONS": "-Xmx1g", "PYTHONPATH": "src"}
    found = command_environment(before, "", 4013, FILES, POLICY)
    assert found["PHP_INI_SCAN_DIR"] == ":/t/php"
    assert (
        command_environment({"PHP_INI_SCAN_DIR": "/etc/php"}, "", 1, FILES, POLICY)["PHP_INI_SCAN_DIR"]
        == "/etc/php:/t/php"
    )
    assert found["NODE_OPTIONS"] == f'--trace-warnings --require="{PRELOAD}/node.cjs"'
    assert found["PYTHONPATH"] == f"{PRELOAD}:src"
    assert found["JAVA_TOOL_OPTIONS"].startswith("-Xmx1g -Dhttp.proxyHost=127.0.0.1 ")
    for option in ("-Dhttps.proxyPort=4013", "-Djavax.net.ssl.trustStore=/t/store.p12", "localhost|127.*|[::1]"):
        assert option in found["JAVA_TOOL_OPTIONS"]
    plan = {"port": 4013, "hosts": ["a.example", "b.example"], "allowed": ["c.example"], "passThrough": False}
    assert json.loads(found["QWENMOCK_PRELOAD"]) == plan
    assert (PRELOAD / "node.cjs").exists()
    assert (PRELOAD / "sitecustomize.py").exists()
