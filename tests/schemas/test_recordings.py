"""The recording format: what is scrubbed, written and read."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qwenmock import fixtures
from qwenmock.schemas.errors import RecordingError
from qwenmock.schemas.recordings import Recording, fingerprint, load_recordings, save, scrub, scrub_text

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


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("a Bearer abcdef z", "a Bearer removed z"),
        ("Bearer abcde", "Bearer abcde"),
        ("sk-12345678", "removed"),
        ("sk-1234567", "sk-1234567"),
        ("?Signature=abc&x=1", "?Signature=removed&x=1"),
        ("?key=abc def", "?key=removed def"),
        ("a.b+c@where.example", "person@example.com"),
        ("a@b", "a@b"),
        ("13912345678", "13800000000"),
        ("+86 13912345678", "13800000000"),
        ("12912345678", "12912345678"),
        ("139123456789", "139123456789"),
        ("1.13912345678", "1.13912345678"),
    ],
)
def test_text_is_scrubbed_and_the_rest_stays(text: str, scrubbed: str) -> None:
    assert scrub_text(text) == scrubbed


def test_image_is_replaced_by_its_digest() -> None:
    digest = hashlib.sha256(b"AAAA").hexdigest()[:32]
    assert scrub_text("x data:image/png;base64,AAAA y") == f"x data:image/png;sha256={digest} y"
    assert scrub_text("data:image/png;base64,AAAB") != scrub_text("data:image/png;base64,AAAA")


def test_longer_secrets_are_removed_first() -> None:
    assert scrub_text("a secret-longer b secret", ["secret", "secret-longer"]) == "a removed b removed"


def test_every_kind_of_value_is_scrubbed() -> None:
    value = {"secret": ["secret", 1, None, True, 2.5, {"a": "secret"}]}
    assert scrub(value, ["secret"]) == {"removed": ["removed", 1, None, True, 2.5, {"a": "removed"}]}


def test_every_member_of_a_file_is_scrubbed(tmp_path: Path) -> None:
    recording = Recording(
        "nebula", "GET", f"/v1/{SECRET}", {SECRET: SECRET}, 200, [SECRET], {"X-Request-Id": SECRET}, 0.5, (SECRET,), 2.0
    )
    path = save(tmp_path / "new" / "folder", recording, (SECRET, ""))
    assert SECRET[3:11] not in path.read_text("utf-8")
    [found] = load_recordings(path.parent)
    assert (found.path, found.request, found.answer) == ("/v1/removed", {"removed": "removed"}, ["removed"])
    assert (found.headers, found.violations) == ({"X-Request-Id": "removed"}, ("removed",))


@pytest.mark.parametrize(
    ("part", "is_leak"),
    [(SECRET[3:11], True), (SECRET[-8:], True), (SECRET[3:10], False), (SECRET[-7:], False), ("sk-mock.", False)],
)
def test_eight_characters_of_a_secret_are_a_leak(tmp_path: Path, part: str, is_leak: bool) -> None:
    recording = Recording("nebula", "POST", PATH, {"a": f"<{part}>"}, 200, {})
    if is_leak:
        with pytest.raises(RecordingError, match="was not written"):
            save(tmp_path, recording, (SECRET,))
    else:
        save(tmp_path, recording, (SECRET,))


def test_short_secret_is_a_leak_as_a_whole(tmp_path: Path) -> None:
    recording = Recording("abcd", "POST", PATH, {}, 200, {})
    with pytest.raises(RecordingError, match="was not written"):
        save(tmp_path, recording, ("abcd",))
    save(tmp_path, recording, ("abce",))


def test_name_of_a_file(tmp_path: Path) -> None:
    one = Recording("nebula", "POST", PATH, {"a": 1}, 200, {"b": 1})
    path = save(tmp_path, one)
    request, answer = path.stem.removeprefix("nebula-200-").split("-")
    assert (len(request), len(answer)) == (12, 6)
    assert request == fingerprint("nebula", PATH, {"a": 1})[:12]
    assert save(tmp_path, replace(one, answer={"b": 2})) != path
    assert save(tmp_path, replace(one, at=5.0)) == path
    ordered, reversed_ = ({"b": 1, "c": 2}, {"c": 2, "b": 1})
    assert save(tmp_path, replace(one, answer=ordered)) == save(tmp_path, replace(one, answer=reversed_))
    assert '"answer": {\n    "b": 1' in path.read_text("utf-8")


def test_text_outside_ascii_stays_readable(tmp_path: Path) -> None:
    path = save(tmp_path, Recording("nebula", "POST", PATH, "猫", 200, {}))
    assert "猫" in path.read_text("utf-8")


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RecordingError, match=r"Not a directory|File exists"):
        save(tmp_path / "file" / "folder", Recording("nebula", "POST", PATH, {}, 200, {}))


def test_recordings_come_oldest_first_and_of_one_provider(tmp_path: Path) -> None:
    for slug, at in (("nebula", 3.0), ("aigc", 2.0), ("nebula", 1.0)):
        save(tmp_path, Recording(slug, "POST", PATH, {"at": at}, 200, {}, at=at))
    assert [recording.at for recording in load_recordings(tmp_path)] == [1, 2, 3]
    assert [recording.at for recording in load_recordings(tmp_path, "nebula")] == [1, 3]
    assert load_recordings(tmp_path, "evolink") == []


def test_file_without_optional_members(tmp_path: Path) -> None:
    content = {"version": 1, "provider": "a", "method": "GET", "path": "/", "request": None, "status": 200, "answer": 1}
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert load_recordings(tmp_path) == [Recording("a", "GET", "/", None, 200, 1)]
    (tmp_path / "a.json").write_text("no json")
    with pytest.raises(RecordingError, match=r"a\.json: "):
        load_recordings(tmp_path)
