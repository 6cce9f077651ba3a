"""The recording format: what is scrubbed, written and read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qwenmock import fixtures
from qwenmock.schemas.errors import RecordingError
from qwenmock.schemas.recordings import Recording, fingerprint, load_recordings, save, scrub

PATH = "/v1/images/generations"
SECRET = "sk-mock.a-secret-9f8e7d6c5b4a"


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("Bearer abcdef123456", "abcdef"),
        ("https://x.example/a.png?Expires=1&OSSAccessKeyId=LTAI5tABC&Signature=q%2Bz", "LTAI5t"),
        ("https://x.example/a.png?X-Amz-Signature=deadbeef&X-Amz-Security-Token=tok", "deadbeef"),
        ("call +86 13912345678 now", "13912345678"),
        ("my key is sk-1234567890abcdef", "1234567890"),
        ("who@where.example", "who@"),
        ("data:image/png;base64,iVBORw0KGgo=", "iVBOR"),
    ],
)
def test_secrets_and_people_are_scrubbed(text: str, gone: str) -> None:
    assert gone not in json.dumps(scrub({text: [text]}))


@pytest.mark.parametrize("text", ["1328*1328", "2025-10-30", "sk-", "token", "12345678901", "qwen-image-edit-plus"])
def test_what_is_no_secret_stays(text: str) -> None:
    assert scrub(text) == text


def test_leaking_recording_is_not_written(tmp_path: Path) -> None:
    recording = Recording("nebula", "POST", PATH, {"a": SECRET[3:14]}, 200, {})
    with pytest.raises(RecordingError, match="was not written"):
        save(tmp_path / "kept", recording, (SECRET,))
    assert not (tmp_path / "kept").exists()


def test_requests_that_mean_the_same_have_one_fingerprint() -> None:
    body: dict[str, Any] = {"a": 1, "b": {"c": fixtures.data_url("landscape.png")}}
    same = {"b": {"c": scrub(body)["b"]["c"]}, "a": 1}
    assert fingerprint("nebula", PATH, body) == fingerprint("nebula", PATH, same)
    assert fingerprint("nebula", PATH, body) != fingerprint("aigc", PATH, body)


def test_file_keeps_every_member_of_a_recording(tmp_path: Path) -> None:
    recording = Recording(
        provider="nebula",
        method="POST",
        path=PATH,
        request={"model": "qwen-image-plus"},
        status=429,
        answer={"code": 429},
        headers={"Retry-After": "7", "Set-Cookie": "a=b"},
        seconds=1.5,
        violations=("nebula: status 429 is not documented",),
        at=1_767_225_600.5,
    )
    path = save(tmp_path, recording)
    assert load_recordings(tmp_path) == [replace(recording, headers={"Retry-After": "7"})]
    assert json.loads(path.read_text("utf-8"))["version"] == 1


def test_folder_or_file_that_is_not_valid_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="none: folder not found"):
        load_recordings(tmp_path / "none")
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(RecordingError, match=r"broken\.json.*'version' is a required property"):
        load_recordings(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"a cat"', '"\\ud800"'),
        ('"a cat"', "NaN"),
        ('"a cat"', "[" * 2000 + "]" * 2000),
        ('"nebula"', '"../nebula"'),
        ('"nebula"', '"a\\u0000b"'),
    ],
    ids=["half a character", "NaN", "depth", "folder in the slug", "zero in the slug"],
)
def test_file_that_could_not_be_written_again_is_refused(tmp_path: Path, old: str, new: str) -> None:
    path = save(tmp_path, Recording("nebula", "POST", PATH, {"prompt": "a cat"}, 200, {}))
    assert len(load_recordings(tmp_path)) == 1
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(RecordingError, match=path.name):
        load_recordings(tmp_path)
