"""HAR files from elsewhere, with values that no recording can have."""

import json
from pathlib import Path

import pytest

from qwenmock.pytest_plugin.recording.har import as_har, from_har
from qwenmock.schemas.catalog import load
from qwenmock.schemas.errors import RecordingError
from qwenmock.schemas.recordings import Recording

RECORDED = Recording("nebula", "POST", "/v1/images/generations", {"model": "qwen-image-plus"}, 400, {"code": 400})


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
    entry = json.dumps(as_har([RECORDED], load())["log"]["entries"][0])
    file = tmp_path / "exchanges.har"
    file.write_text(f'{{"log": {{"entries": [{entry[:-1]}, "{name}": {value}}}]}}}}', "utf-8")
    with pytest.raises(RecordingError) as found:
        from_har(file, load())
    assert str(found.value).startswith(f"{file}: {expected}")


def test_har_whose_entries_are_no_list_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "exchanges.har"
    file.write_text('{"log": {"entries": 1.5}}')
    with pytest.raises(RecordingError, match="not a HAR file: TypeError"):
        from_har(file, load())
