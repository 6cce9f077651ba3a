"""Scenarios: files, command line, control API and fixture."""

import re
from pathlib import Path

import httpx
import pytest

from qwenmock.mockserver.calls.scenarios import load_scenario, named_scenario, scenario_names
from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.http.server import running
from qwenmock.mockserver.settings import Settings
from qwenmock.mockserver.testing.mock import Mock
from qwenmock.schemas.catalog import load

PROVIDERS = load().providers
GUIDE = Path(__file__).parent.parent.parent / "docs" / "guides" / "failures.md"
BODY = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}


@pytest.fixture(scope="session")
def state() -> None:
    """The fault plan is tested on each kind of store elsewhere."""


def paint(origin: str) -> int:
    url = f"{origin}/nebula/v1/images/generations"
    return httpx.post(url, json=BODY, headers={"Authorization": "Bearer sk-mock"}).status_code


def test_every_scenario_is_valid_and_documented() -> None:
    shown = dict(
        re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", GUIDE.read_text("utf-8").partition("## A scenario")[2], re.M)
    )
    assert shown == {name: named_scenario(name, PROVIDERS).summary for name in scenario_names()}
    assert len(shown) == 18


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'missing member "summary"'),
        ("summary = ", "Invalid value"),
        ('summary = "A."\nstands_for = "B."\nfaults = []', "faults: "),
        ('summary = "A."\nstands_for = "B."\n[[faults]]\nstatus = 418', r"status: expected one of 400, "),
        ('summary = "A."\nstands_for = "B."\nextra = 1\n[[faults]]\nstatus = 429', "extra"),
    ],
)
def test_wrong_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=rf"^scenario {path}: .*{message}"):
        load_scenario(str(path), PROVIDERS)


def test_missing_scenario_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"unknown scenario 'outag' \(did you mean outage\?\)"):
        load_scenario("outag", PROVIDERS)
    with pytest.raises(SettingsError, match=r"mine\.toml: No such file"):
        load_scenario(str(tmp_path / "mine.toml"), PROVIDERS)


def test_server_starts_with_a_scenario_and_takes_another() -> None:
    with running(Settings(port=0, scenario="out-of-money")) as server:
        assert [paint(server.origin) for _ in range(3)] == [200, 200, 403]
        control = f"{server.origin}/__mock__"
        chosen = httpx.put(f"{control}/scenario", json={"name": "rate-limited"}).json()
        assert chosen["faults"] == httpx.get(f"{control}/faults").json()
        assert [paint(server.origin) for _ in range(4)] == [429, 429, 429, 200]
        assert [each["name"] for each in httpx.get(f"{control}/scenarios").json()] == scenario_names()
        for name in ("outag", "/etc/passwd", "../../etc/x.toml"):
            refused = httpx.put(f"{control}/scenario", json={"name": name})
            assert (refused.status_code, "name: expected one of " in refused.json()["error"]) == (400, True)


@pytest.mark.qwenmock_allow("fault_unused")
def test_fixture_sets_a_scenario(qwenmock: Mock) -> None:
    qwenmock.scenario("rate-limited")
    assert paint(qwenmock.origin) == 429
    with pytest.raises(ValueError, match=r"^name: expected one of "):
        qwenmock.scenario("outag")
