"""Recordings as HAR files, and HAR files from elsewhere, with anything missing or wrong."""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qwenmock.mockserver._version import __version__
from qwenmock.pytest_plugin.recording.har import as_har, from_har
from qwenmock.schemas.catalog import load
from qwenmock.schemas.errors import RecordingError
from qwenmock.schemas.recordings import Recording

CATALOG = load()
PATH = "/v1/images/generations"
RECORDED = Recording("nebula", "POST", PATH, {"model": "图"}, 400, {"code": 400})
FULL = replace(RECORDED, headers={"x-request-id": "r"}, seconds=1.5, at=1_700_000_001.5, answer={"msg": "图"})


def test_recording_as_har() -> None:
    assert as_har([FULL], CATALOG) == {
        "log": {
            "version": "1.2",
            "creator": {"name": "qwenmock", "version": __version__},
            "entries": [
                {
                    "startedDateTime": "2023-11-14T22:13:20.000+00:00",
                    "time": 1500.0,
                    "request": {
                        "method": "POST",
                        "url": CATALOG["nebula"].base_url + PATH,
                        "httpVersion": "HTTP/1.1",
                        "headers": [],
                        "queryString": [],
                        "cookies": [],
                        "headersSize": -1,
                        "bodySize": -1,
                        "postData": {"mimeType": "application/json", "text": '{"model": "图"}'},
                    },
                    "response": {
                        "status": 400,
                        "statusText": "",
                        "httpVersion": "HTTP/1.1",
                        "headers": [{"name": "x-request-id", "value": "r"}],
                        "cookies": [],
                        "content": {"size": 14, "mimeType": "application/json", "text": '{"msg": "图"}'},
                        "redirectURL": "",
                        "headersSize": -1,
                        "bodySize": -1,
                    },
                    "cache": {},
                    "timings": {"send": 0, "wait": 1500.0, "receive": 0},
                }
            ],
        }
    }


def test_recording_of_an_unknown_provider_and_time_as_har() -> None:
    unknown = replace(RECORDED, provider="nobody", method="GET", request=None, at=1.0, seconds=2.0)
    [entry] = as_har([unknown], CATALOG)["log"]["entries"]
    assert (entry["request"]["url"], entry["startedDateTime"]) == (
        "https://example.com" + PATH,
        "1970-01-01T00:00:00.000+00:00",
    )
    assert "postData" not in entry["request"]


def read(folder: Path, *entries: Any) -> tuple[list[Recording], list[str]]:
    file = folder / "exchanges.har"
    file.write_text(json.dumps({"log": {"entries": entries}}), "utf-8-sig")
    return from_har(file, CATALOG)


def entry(**more: Any) -> dict[str, Any]:
    """Return an entry; members of the request and the response are given as `request_url`."""
    made: dict[str, Any] = json.loads(json.dumps(as_har([FULL], CATALOG)["log"]["entries"][0]))
    for name, value in more.items():
        place, _, member = name.partition("_")
        (made[place] if member else made)[member or name] = value
    return made


def test_recording_comes_back_from_har(tmp_path: Path) -> None:
    violation = "nebula/error/code/required: the answer breaks it"
    [found], secrets = read(tmp_path, entry())
    assert violation in found.violations
    assert replace(found, violations=()) == FULL
    assert secrets == []


@pytest.mark.parametrize(
    "other",
    [
        {"request_url": "https://elsewhere.example/v1/images/generations"},
        {"request_url": "/v1/images/generations"},
        {"request_url": CATALOG["nebula"].base_url + "/elsewhere"},
        {"request_method": "GET"},
    ],
)
def test_other_exchanges_are_left_out_with_their_keys(other: dict[str, str], tmp_path: Path) -> None:
    headers = [{"name": "Authorization", "value": "Bearer sk-mock-other"}]
    assert read(tmp_path, entry(**other, request_headers=headers)) == ([], [])


def test_keys_of_the_requests_are_returned(tmp_path: Path) -> None:
    sent = [
        {"name": "Authorization", "value": "Bearer sk-mock-one"},
        {"name": "x-other", "value": "Bearer sk-mock-two"},
        {"name": "AUTHORIZATION", "value": "sk-mock-three"},
    ]
    found, secrets = read(tmp_path, entry(request_headers=sent), entry())
    assert (len(found), secrets) == (2, ["sk-mock-one", "sk-mock-three"])


@pytest.mark.parametrize(
    ("change", "seconds", "at"),
    [
        ({"time": 250, "startedDateTime": "2023-11-14T22:13:20Z"}, 0.25, 1_700_000_000.25),
        ({"time": 250, "startedDateTime": "2023-11-15T00:13:20+02:00"}, 0.25, 1_700_000_000.25),
        ({"time": 250, "startedDateTime": "2023-11-14T22:13:20"}, 0.25, 1_700_000_000.25),
        ({"time": 0.4, "startedDateTime": "1970-01-01T00:00:01Z"}, 0.0, 1.0),
        ({"time": 0.4, "startedDateTime": "1970-01-01T00:00:01.0004Z"}, 0.0, 1.0),
        ({"time": 0.6, "startedDateTime": "1970-01-01T00:00:00.0004Z"}, 0.001, 0.001),
        ({"time": -1, "startedDateTime": "2023-11-14T22:13:20Z"}, 0.0, 1_700_000_000.0),
        ({"time": 1000, "startedDateTime": "1970-01-01T00:00:00Z"}, 1.0, 0.0),
        ({"time": 1000, "startedDateTime": "1969-12-31T23:59:59Z"}, 1.0, 0.0),
        ({"time": 1000, "startedDateTime": ""}, 1.0, 0.0),
    ],
)
def test_times(change: dict[str, Any], seconds: float, at: float, tmp_path: Path) -> None:
    [found], _ = read(tmp_path, entry(**change))
    assert (found.seconds, found.at) == (seconds, at)


def test_time_and_body_may_be_missing(tmp_path: Path) -> None:
    bare = entry()
    del bare["time"], bare["startedDateTime"], bare["request"]["postData"]
    bare["response"]["content"] = {"text": None}
    [found], _ = read(tmp_path, bare)
    assert (found.seconds, found.at, found.request, found.answer) == (0.0, 0.0, None, None)


def test_body_in_base64(tmp_path: Path) -> None:
    content = {"encoding": "base64", "text": base64.b64encode('{"msg": "图"}'.encode()).decode()}
    [found], _ = read(tmp_path, entry(response_content=content))
    assert found.answer == FULL.answer


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"response_content": {"encoding": "base64", "text": "e30*="}}, "ValueError: the body is not valid base64: "),
        ({"response_status": "what"}, "ValueError: "),
        ({"response_headers": [{"name": "x"}]}, "KeyError: 'value'"),
        ({"response": None}, "TypeError: "),
        ({"request_postData": "x"}, "AttributeError: "),
        ({"startedDateTime": "yesterday"}, "ValueError: "),
    ],
)
def test_entry_that_cannot_be_read_is_named(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(RecordingError) as found:
        read(tmp_path, entry(), entry(**change))
    assert str(found.value).startswith(f"{tmp_path / 'exchanges.har'}: entry 1: {reason}")


def test_file_that_is_missing_or_no_har_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="not a HAR file: FileNotFoundError: "):
        from_har(tmp_path / "none.har", CATALOG)
    for text, reason in (("{}", "KeyError: 'log'"), ("no", "JSONDecodeError: "), ("[]", "TypeError: ")):
        (tmp_path / "no.har").write_text(text, "utf-8")
        with pytest.raises(RecordingError, match=f"not a HAR file: {reason}"):
            from_har(tmp_path / "no.har", CATALOG)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("time", "NaN", "entry 0: ValueError: expected a number, got nan"),
        ("time", "1e999", "entry 0: ValueError: expected a number, got inf"),
        ("cache", "[" * 100_000 + "]" * 100_000, "not a HAR file: RecursionError"),
    ],
)
def test_har_with_values_that_no_recording_can_have_is_refused(
    tmp_path: Path, name: str, value: str, expected: str
) -> None:
    entry = json.dumps(as_har([RECORDED], CATALOG)["log"]["entries"][0])
    file = tmp_path / "exchanges.har"
    file.write_text(f'{{"log": {{"entries": [{entry[:-1]}, "{name}": {value}}}]}}}}', "utf-8")
    with pytest.raises(RecordingError) as found:
        from_har(file, CATALOG)
    assert str(found.value).startswith(f"{file}: {expected}")


def test_har_whose_entries_are_no_list_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "exchanges.har"
    file.write_text('{"log": {"entries": 1.5}}')
    with pytest.raises(RecordingError, match="not a HAR file: TypeError"):
        from_har(file, CATALOG)
