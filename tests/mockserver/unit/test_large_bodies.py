"""Large bodies are parsed by pieces: with the same result as at once, or refused with a reason."""

import asyncio
import json
import threading
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qwenmock.mockserver.api_error import ApiError
from qwenmock.mockserver.calls import large_bodies
from qwenmock.mockserver.calls.large_bodies import Unreadable, in_turn, parsed
from qwenmock.schemas.vocabulary import JSON

TEXTS = st.text(st.sampled_from('a"\\/\n\té图😀,:{}[]'), max_size=20) | st.text(max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
URL = "data:image/png;base64," + 'ab/\\"+\n' * 40
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every body count as large, and strings of 4 bytes as long."""
    for name, value in (("LARGE", -1), ("LONG_STRING", 4), ("PIECE", 16)):
        monkeypatch.setattr(large_bodies, name, value)


@pytest.fixture
def limited(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let texts have at most 250 bytes, too."""
    monkeypatch.setattr(large_bodies, "LARGEST_TEXT", 250)


def outcome(parse: Any, data: bytes) -> JSON:
    try:
        return [parse(data)]
    except (orjson.JSONDecodeError, Unreadable):
        return "not JSON"


@pytest.mark.usefixtures("small")
@given(value=VALUES, is_ascii=st.booleans(), indent=st.sampled_from([None, 2]))
@SHARED
def test_result_is_the_same_as_at_once(value: JSON, is_ascii: bool, indent: int | None) -> None:
    data = json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode("utf-8", "surrogatepass")
    assert outcome(parsed, data) == outcome(orjson.loads, data)
    assert outcome(parsed, bytearray(data)) == outcome(orjson.loads, data)


@pytest.mark.usefixtures("small")
@given(value=VALUES, place=st.integers(0, 100), byte=st.sampled_from(b'"\\{}[]:,a1\xff\x00 '))
@SHARED
def test_what_is_not_json_is_found_as_at_once(value: JSON, place: int, byte: int) -> None:
    data = bytearray(json.dumps(value).encode())
    data[place % len(data)] = byte
    assert outcome(parsed, data) == outcome(orjson.loads, bytes(data))


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("shift", range(8))
@pytest.mark.parametrize("slash", ["/", "\\/", "\\u002f", "\\u002F"])
def test_data_url_is_decoded_by_pieces(shift: int, slash: str) -> None:
    """The pieces end at every place of an escape sequence."""
    url = "x" * shift + URL
    text = json.dumps({"a": url.replace("x" * shift, "data:" + "x" * shift, 1), "b": [URL], URL: 1})
    data = text.replace("/", slash).encode()
    assert parsed(data) == orjson.loads(data)


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("place", [30, 31, 32, 250, 299, 300])
def test_data_url_without_escapes_is_checked_by_pieces(place: int) -> None:
    url = b"data:image/png;base64,".ljust(301, b"A")
    assert parsed(b'["%b"]' % url) == [url.decode()]
    assert parsed(bytearray(b'{"a": "%b"}' % url)) == {"a": url.decode()}
    with pytest.raises(Unreadable):
        parsed(b'["%b"]' % (url[:place] + b"\n" + url[place + 1 :]))
    with pytest.raises(ApiError, match="a data URL must be ASCII"):
        parsed(b'["%b"]' % (url[:place] + b"\xc3\xa9" + url[place + 2 :]))


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (["x" * 401], "only images may have more than 250 bytes"),
        ({"x" * 401: 1}, "only images may have more than 250 bytes"),
        (["data:" + "é" * 401], "a data URL must be ASCII"),
        (["data:" + "\\" * 1000], "fewer than 1000 backslashes in a row"),
        ([["abc"] * 80], "at most 250 bytes besides its images"),
        (["abcdefgh", ["abc"] * 80], "at most 250 bytes besides its images"),
    ],
)
@pytest.mark.parametrize("is_ascii", [True, False])
def test_limits(body: JSON, message: str, is_ascii: bool) -> None:
    with pytest.raises(ApiError, match=message) as refusal:
        parsed(json.dumps(body, ensure_ascii=is_ascii).encode())
    assert refusal.value.kind == "malformed"


@pytest.mark.usefixtures("limited")
def test_limits_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parsed(b'["%b"]' % (b"x" * 249)) == ["x" * 249]
    assert parsed(b"[%b]" % (b" " * 248)) == []
    with pytest.raises(ApiError, match="besides its images"):
        parsed(b"[%b]" % (b" " * 249))
    monkeypatch.setattr(large_bodies, "MAX_QUOTES", 4)
    assert parsed(b'["a", "b"]') == ["a", "b"]
    with pytest.raises(ApiError, match="at most 4 quotation marks"):
        parsed(b'["a", "b", "]')
    monkeypatch.setattr(large_bodies, "MAX_COMMAS", 2)
    assert parsed(b"[1, 2, 3]") == [1, 2, 3]
    assert parsed(b'[1, 2, ",,,"]') == [1, 2, ",,,"]
    for data in (b"[1, 2, 3, 4]", b'[1, 2, 3, ","]'):
        with pytest.raises(ApiError, match="at most 2 commas"):
            parsed(data)


def test_limits_that_clients_meet() -> None:
    assert parsed(b"[" + b" " * (2**20 - 2) + b"]") == []
    with pytest.raises(ApiError, match="at most 1048576 bytes besides its images"):
        parsed(b"[" + b" " * (2**20 - 1) + b"]")
    assert parsed(b"[0" + b",0" * 4000 + b"]") == [0] * 4001
    with pytest.raises(ApiError, match="at most 4000 commas outside of its strings"):
        parsed(b"[0" + b",0" * 4001 + b"]")


@pytest.mark.usefixtures("small")
def test_limit_of_quotation_marks_that_clients_meet() -> None:
    data = b'["a"' + b',"a"' * 19_999 + b"]"
    with pytest.raises(ApiError, match="commas"):
        parsed(data)
    with pytest.raises(ApiError, match="at most 40000 quotation marks"):
        parsed(data + b'"')


@pytest.mark.usefixtures("limited")
def test_short_strings_are_text() -> None:
    assert parsed(json.dumps(["abc"] * 31).encode()) == ["abc"] * 31


@pytest.mark.usefixtures("limited")
def test_text_is_judged_before_the_image_behind_it() -> None:
    with pytest.raises(ApiError, match="at most 250 bytes besides its images"):
        parsed(json.dumps([["abc"] * 80, "x" * 401]).encode())
    with pytest.raises(ApiError, match="only images may have more than 250 bytes"):
        parsed(json.dumps("x" * 401).encode())


@pytest.mark.usefixtures("small")
def test_strings_of_every_length_are_read() -> None:
    for length in range(1100):
        assert parsed(b'"%b"' % (b"x" * length)) == "x" * length


@pytest.mark.usefixtures("small")
def test_string_without_an_end() -> None:
    for data in (b'{"a": "bcdefg', b'"bcdefg'):
        with pytest.raises(Unreadable, match="a string has no end"):
            parsed(data)


@pytest.mark.usefixtures("small")
def test_nesting_is_no_recursion() -> None:
    data = b"[" * 1000 + b'"a long string"' + b"]" * 1000
    value: Any = parsed(data)
    while isinstance(value, list):
        (value,) = value
    assert value == "a long string"


def test_small_bodies_are_parsed_at_once() -> None:
    text = "é" * 100_000
    assert parsed(json.dumps([text], ensure_ascii=False).encode()) == [text]


def test_what_is_large_is_done_in_one_thread() -> None:
    """Also while it has much to do: a second thread would begin with what waits."""
    may_end = threading.Event()

    def step(number: int) -> tuple[str, int]:
        may_end.wait()
        return threading.current_thread().name, number

    async def play() -> tuple[list[str], list[tuple[str, int]]]:
        steps = asyncio.gather(*(in_turn(step, number) for number in range(100)))
        await asyncio.sleep(0)  # now all of them wait
        started = [each.name for each in threading.enumerate() if each.name.startswith("large-bodies")]
        may_end.set()
        return started, await steps

    started, found = asyncio.run(play())
    (name,) = started
    assert found == [(name, number) for number in range(100)]
    assert name != threading.main_thread().name
