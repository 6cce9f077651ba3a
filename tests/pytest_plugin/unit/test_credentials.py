"""The keys of an examination: which one is used for what, and how they are kept out of what is printed and written."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from qwenmock.pytest_plugin.examiner.connection import reproduction
from qwenmock.pytest_plugin.examiner.connection.credentials import Credentials
from qwenmock.pytest_plugin.examiner.connection.reproduction import (
    INLINE_MAX,
    PICTURE_MAX,
    PICTURES_MAX,
    Reproduction,
    Reproductions,
)
from qwenmock.pytest_plugin.examiner.findings import Request
from qwenmock.pytest_plugin.examiner.results import NotExaminable

SPECIAL = {"expired": "sk-mock-expired", "limited": "sk-mock-limited", "throttled": "sk-mock-throttled"}
KEYS = Credentials("a-b", "sk-mock", SPECIAL)
NAME = "QWENMOCK_A_B_KEY"


def test_key_that_pays() -> None:
    assert KEYS.paying_key() == "sk-mock"
    assert KEYS.headers() == {"Authorization": "Bearer sk-mock", "Content-Type": "application/json"}
    assert KEYS.headers("sk-mock-other")["Authorization"] == "Bearer sk-mock-other"
    with pytest.raises(NotExaminable, match=f"^{NAME} is not set$"):
        Credentials("a-b", None, {}).paying_key()


def test_key_that_causes_an_error() -> None:
    for purpose, key in SPECIAL.items():
        assert KEYS.key_for(purpose) == key
    with pytest.raises(NotExaminable, match=f"^this error needs a key made for it: {NAME}_EMPTY is not set$"):
        KEYS.key_for("empty")


def test_rate_limit_is_provoked_only_if_that_is_allowed() -> None:
    careful = Credentials("a-b", "sk-mock", SPECIAL, may_limit_rate=False)
    assert careful.key_for("expired") == "sk-mock-expired"
    for purpose in ("limited", "throttled"):
        with pytest.raises(NotExaminable, match="only with --live-allow rate-limit"):
            careful.key_for(purpose)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Bearer sk-mock", f"Bearer ${NAME}"),
        ("sk-mock, sk-mock-expired", f"${NAME}, ${NAME}_EXPIRED"),
        ("sk-mockery", f"${{{NAME}}}ery"),
        ("SK-MOCK-EXPIRED", f"${{{NAME}_EXPIRED^^}}"),
        ("(k-mock)", f"(${{{NAME}#?}})"),
        ("no key", "no key"),
    ],
)
def test_keys_are_shown_as_their_variables(text: str, masked: str) -> None:
    assert KEYS.mask(text) == masked
    assert KEYS.mask_bytes(b"\xff" + text.encode()) == b"\xff" + masked.encode()


@pytest.mark.parametrize(
    ("key", "text", "masked"),
    [
        ("abcd", "ABCD bcd", f"${{{NAME}^^}} bcd"),
        ("abcde", "bcde", f"${{{NAME}#?}}"),
        ("abc", "ABC bc abc", f"ABC bc ${NAME}"),
    ],
)
def test_other_forms_of_a_short_key_are_usual_words(key: str, text: str, masked: str) -> None:
    assert Credentials("a-b", key, {}).mask(text) == masked


def test_without_a_key_only_the_others_are_masked() -> None:
    assert Credentials("a-b", None, SPECIAL).mask("sk-mock sk-mock-expired") == f"sk-mock ${NAME}_EXPIRED"


# The command that sends a request again.

HEADERS = {"X-Name": "it's", "Authorization": "Bearer sk-mock", "Content-Type": "application/json"}


def again(folder: Path, content: bytes = b"", headers: Mapping[str, str] = HEADERS) -> Reproduction:
    return Reproductions(KEYS, folder / "files").of(Request("POST", "http://127.0.0.1:9/v1?a=1&b", headers, content))


def test_command_has_the_headers_and_the_key_as_a_variable(tmp_path: Path) -> None:
    expected = (
        "curl -sS -X POST 'http://127.0.0.1:9/v1?a=1&b' -H 'Content-Type: application/json'"
        f" -H 'X-Name: it'\"'\"'s' -H \"Authorization: Bearer ${NAME}\""
    )
    assert again(tmp_path) == Reproduction(expected)
    assert again(tmp_path, b'{"a": 1}') == Reproduction(f"{expected} --data-binary '{{\"a\": 1}}'")
    assert again(tmp_path, b'"sk-mock"').curl.endswith(f" --data-binary '\"${NAME}\"'")
    assert not (tmp_path / "files").exists()


@pytest.mark.parametrize(
    ("content", "is_inline"),
    [
        (b"x" * INLINE_MAX, True),
        (b"x" * (INLINE_MAX + 1), False),
        (b"\xff", False),
        (b"a\nb", False),
        (b"@name", False),
        (b"a@name", True),
    ],
)
def test_body_that_a_command_cannot_have_is_in_a_file(tmp_path: Path, content: bytes, *, is_inline: bool) -> None:
    made = again(tmp_path, content)
    assert bool(made.files) is not is_inline
    if not is_inline:
        [file] = made.files
        assert Path(file).read_bytes() == content
        assert (Path(file).parent.name, Path(file).suffix, len(Path(file).stem)) == ("files", ".body", 12)
        assert made.curl.endswith(f" --data-binary @{file}")


def url(data: bytes | str, media_type: str = "png") -> bytes:
    text = data if isinstance(data, str) else base64.b64encode(data).decode()
    return f"data:image/{media_type};base64,{text}".encode()


def pictures(folder: Path, *urls: bytes) -> list[tuple[str, bytes]]:
    body, *files = again(folder, b'"sk-mock"\n' + b" ".join(urls)).files
    assert b"sk-mock" not in Path(body).read_bytes()
    return [(Path(file).name.removeprefix(Path(body).stem), Path(file).read_bytes()) for file in files]


def test_pictures_of_a_body_are_files_of_their_own(tmp_path: Path) -> None:
    found = pictures(tmp_path, url(b"one"), url(b"two", "svg+xml"), url("abc"), url("ab=="), url(b"five", "jpeg"))
    assert found == [("-1.png", b"one"), ("-2.svg", b"two"), ("-4.png", b"i"), ("-5.jpeg", b"five")]
    assert pictures(tmp_path, url("aGk=aGk=")) == [], "it is no base64"


def test_first_pictures_of_a_body_are_files(tmp_path: Path) -> None:
    found = pictures(tmp_path, *[url(b"%d" % number) for number in range(PICTURES_MAX + 2)])
    assert [data for _, data in found] == [b"%d" % number for number in range(PICTURES_MAX)]


def test_large_picture_is_in_the_body_only(tmp_path: Path) -> None:
    assert pictures(tmp_path, url("A" * PICTURE_MAX), url("A" * (PICTURE_MAX + 4)), url(b"next")) == [
        ("-1.png", bytes(PICTURE_MAX // 4 * 3)),
        ("-3.png", b"next"),
    ]


def test_without_a_folder_one_is_made_for_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[str] = []

    def folder(**names: Any) -> str:
        made.append(names["prefix"])
        return str(tmp_path)

    monkeypatch.setattr(reproduction.tempfile, "mkdtemp", folder)
    reproduction._temporary_folder.cache_clear()
    try:
        for content in (b"\x00", b"\x01"):
            [file] = Reproductions(KEYS, None).of(Request("POST", "http://127.0.0.1:9", {}, content)).files
            assert Path(file).parent == tmp_path
    finally:
        reproduction._temporary_folder.cache_clear()
    assert made == ["qwenmock-"]
