"""The applications' tests: no network, no money, no waiting."""

from pathlib import Path

import editor_dashscope
import editor_httpx
import editor_openai
import editor_tasks
import pytest

from qwenmock import fixtures
from qwenmock.mockserver.testing.mock import Mock


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NEBULA_KEY", "DASHSCOPE_KEY", "EVOLINK_KEY"):
        monkeypatch.setenv(name, "sk-mock")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "landscape.png"
    path.write_bytes(fixtures.image("landscape.png"))
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "edited.png"


def is_stored(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG")


def test_edits_and_stores(qwenmock: Mock, picture: Path, target: Path) -> None:
    assert is_stored(editor_httpx.edit(picture, "Make it night", target))
    assert qwenmock.last_request.json["prompt"] == "Make it night"
    qwenmock.assert_billed("0.18")
    qwenmock.assert_well_behaved()


def test_waits_when_there_were_too_many_requests(qwenmock: Mock, picture: Path, target: Path) -> None:
    qwenmock.fail_next(429)
    assert is_stored(editor_httpx.edit(picture, "Make it night", target))
    qwenmock.expect_calls(2)
    qwenmock.assert_billed("0.18")
    qwenmock.assert_well_behaved()


def test_gives_up_what_the_provider_refuses(qwenmock: Mock, picture: Path, target: Path) -> None:
    qwenmock.set_balance(0)
    with pytest.raises(editor_httpx.EditFailed):
        editor_httpx.edit(picture, "Make it night", target)
    qwenmock.expect_calls(1)
    qwenmock.assert_billed("0")
    assert not target.exists()


def test_paints_through_openai(qwenmock: Mock, target: Path) -> None:
    assert is_stored(editor_openai.paint("A harbour at dawn", target))
    qwenmock.assert_billed("0.18")


def test_edits_through_dashscope(qwenmock: Mock, picture: Path, target: Path) -> None:
    assert is_stored(editor_dashscope.edit(picture, "Make it night", target))
    assert qwenmock.last_request.provider == "dashscope"


def test_waits_for_a_task(qwenmock: Mock, target: Path) -> None:
    address = "https://pictures.example.com/landscape.png"
    assert is_stored(editor_tasks.edit(address, "Make it night", target, pause=qwenmock.advance))
    qwenmock.assert_well_behaved()


def test_failed_task_is_told(qwenmock: Mock, target: Path) -> None:
    prompt = "Make it night [[qwenmock: fail-task=generation_timeout]]"
    with pytest.raises(RuntimeError, match="timed out"):
        editor_tasks.edit("https://pictures.example.com/landscape.png", prompt, target, pause=qwenmock.advance)
