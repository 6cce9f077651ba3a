"""What recorded answers show beside the documents: what differs, how it is reported, and what is proposed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.pytest_plugin.recording.drift import (
    Drift,
    Undocumented,
    as_html,
    as_json,
    as_markdown,
    drift,
    propose,
    write,
)
from qwenmock.schemas.catalog import load
from qwenmock.schemas.recordings import Recording

CATALOG = load()
NEBULA, EVOLINK = CATALOG["nebula"], CATALOG["evolink"]
PATH = "/v1/images/generations"
SUCCESS = NEBULA.variants["simplified"].answer


def request(n: int | None = None, size: str = "1328*1328") -> dict[str, Any]:
    numbers = {} if n is None else {"n": n}
    return {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": size, **numbers}}


def answer(count: int = 1, width: int = 1328, height: int = 1328, **more: Any) -> dict[str, Any]:
    """Return a success of Nebula; `more` is put beside the numbers of what was used."""
    urls = [f"https://mock.example/{number}.png" for number in range(count)]
    content = [{"image": url} for url in urls]
    message = {"role": "assistant", "content": content}
    metadata = {
        "output": {
            "choices": [{"finish_reason": "stop", "message": message}],
            "task_metric": {"FAILED": 0, "SUCCEEDED": count, "TOTAL": count},
        },
        "usage": {"width": width, "height": height, "image_count": count, **more},
        "request_id": "3f0c8a52-7d1e-4b9a-9c64-0a5d2e7b1f38",
    }
    images = [{"url": url, "b64_json": "", "revised_prompt": ""} for url in urls]
    return {
        "code": 200,
        "msg": "Operation successful",
        "data": {"data": images, "created": 1_700_000_000, "metadata": metadata},
    }


def seen(body: Any, asked: Any = None, status: int = 200, **more: Any) -> Recording:
    return Recording("nebula", "POST", PATH, request() if asked is None else asked, status, body, **more)


def test_answer_of_these_tests_is_documented() -> None:
    assert not broken_rules(SUCCESS, answer())


def test_exchanges_that_keep_the_contract_show_no_drift() -> None:
    found = drift(NEBULA, [seen(answer()), seen(answer(), request(1))])
    assert not found.is_any
    assert found == Drift("nebula", exchanges=2, statuses={"200": 2}, unseen=found.unseen)
    assert as_json(found)["drift"] is False


@pytest.mark.parametrize(
    "difference",
    [
        {"undocumented": [Undocumented("d", "a", ("string",), '"x"', 1, "d.schema.json")]},
        {"broken": {"rule": "1 x"}},
        {"unknown_statuses": [418]},
        {"wrong_sizes": ["x"]},
        {"quantities": ["x"]},
    ],
)
def test_each_difference_is_drift(difference: dict[str, Any]) -> None:
    found = Drift("nebula", **difference)
    assert found.is_any
    assert as_json(found)["drift"] is True
    assert "production and documents differ" in as_markdown(found)


def test_members_that_did_not_occur_are_no_drift() -> None:
    found = Drift("nebula", unseen=["answer: a"], statuses={"200": 1}, exchanges=1)
    assert not found.is_any
    assert "1 exchange: production keeps what the documents say." in as_markdown(found)


def test_statuses_and_times() -> None:
    error = {"code": 400, "msg": "Parameter Error: why", "data": None}
    recordings = [
        seen(answer(), seconds=2.0),
        seen(error, status=400, seconds=9.0),
        seen("teapot", status=418, seconds=0.1),
        seen(answer(), seconds=0.5),
        seen(answer(), seconds=0.0),
        seen(answer(), seconds=1.0004),
        seen(answer(), seconds=1.0019),
    ]
    found = drift(NEBULA, recordings)
    assert (found.exchanges, found.statuses) == (7, {"200": 5, "400": 1, "418": 1})
    assert found.unknown_statuses == [418]
    assert found.seconds == (0.5, 1.001, 2.0)
    assert drift(NEBULA, [seen(error, status=400, seconds=9.0)]).seconds is None
    assert drift(NEBULA, recordings[:1]).seconds == (2.0, 2.0, 2.0)


def test_undocumented_members_are_counted_with_their_types_and_the_first_value() -> None:
    odd: Any = answer(tier="gold")
    odd["data"]["data"][0]["score"] = 0.5
    odd["trace"] = {"deep": ["x" * 80]}
    found = drift(NEBULA, [seen(answer(tier=None)), seen(odd), seen(answer(tier=True))])
    file = SUCCESS.file
    text = '{"deep": ["' + "x" * 49 + "…"
    assert found.undocumented == [
        Undocumented(SUCCESS.name, "data.data[].score", ("number",), "0.5", 1, file),
        Undocumented(SUCCESS.name, "data.metadata.usage.tier", ("boolean", "null", "string"), "null", 3, file),
        Undocumented(SUCCESS.name, "trace", ("object",), text, 1, file),
    ]
    assert found.is_any


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "boolean"),
        (1, "integer"),
        (1.5, "number"),
        ("a", "string"),
        ([], "array"),
        ({}, "object"),
        (None, "null"),
    ],
)
def test_types(value: Any, kind: str) -> None:
    assert drift(NEBULA, [seen(answer(x=value))]).undocumented[0].types == (kind,)


@pytest.mark.parametrize("wrong", [5, "a", None, True])
def test_value_of_another_type_has_no_members(wrong: Any) -> None:
    for body in (wrong, {**answer(), "data": wrong}, {**answer(), "data": {**answer()["data"], "data": wrong}}):
        assert drift(NEBULA, [seen(body)]).undocumented == []
    assert drift(NEBULA, [seen({**answer(), "code": {"a": 1}, "msg": [1]})]).undocumented == []


@pytest.mark.parametrize(("length", "shown"), [(58, '"' + "x" * 58 + '"'), (59, '"' + "x" * 59 + "…")])
def test_long_values_are_cut(length: int, shown: str) -> None:
    assert drift(NEBULA, [seen(answer(x="x" * length))]).undocumented[0].example == shown
    assert drift(NEBULA, [seen(answer(x="图"))]).undocumented[0].example == '"图"'


def test_documented_members_that_never_came() -> None:
    bare: Any = answer()
    del bare["data"]["metadata"]["output"]["task_metric"]
    bare["data"]["data"] = []
    found = drift(NEBULA, [seen(bare)])
    name = SUCCESS.name
    gone = [
        "data.data[].url", "data.data[].b64_json", "data.data[].revised_prompt",
        *(f"data.metadata.output.task_metric{each}" for each in ("", ".TOTAL", ".FAILED", ".SUCCEEDED")),
    ]  # fmt: skip
    assert sorted(found.unseen) == sorted(f"{name}: {each}" for each in gone)
    assert drift(NEBULA, [seen(bare), seen(answer())]).unseen == []


def test_broken_rules_are_counted_with_the_first_value() -> None:
    one, two, none = answer(), answer(), answer()
    one["data"]["created"], two["data"]["created"] = "yesterday", "today"
    del none["msg"]
    found = drift(NEBULA, [seen(one), seen(two), seen(none)])
    prefix = f"nebula/{SUCCESS.name}"
    assert found.broken == {
        f"{prefix}/data/created/type": '2 x, for one "yesterday"',
        f"{prefix}/msg/required": "1 x, for one it is missing",
    }
    assert list(found.broken) == sorted(found.broken)


def test_answer_is_compared_with_the_document_that_it_fits_best() -> None:
    body = {"error": {"code": "invalid_request", "message": "m", "type": "invalid_request_error"}}
    recording = Recording("evolink", "GET", "/v1/tasks/t", None, 200, {"object": "image.generation.task"})
    wrong = Recording("evolink", "POST", PATH, {"model": "qwen-image-edit"}, 400, body)
    found = drift(EVOLINK, [recording, wrong, replace(wrong, path="/v1/elsewhere", status=403)])
    assert found.exchanges == 3
    assert not any("error" in each.document for each in found.undocumented)
    assert all(rule.startswith("evolink/") for rule in found.broken)
    documents = list(EVOLINK.answers_of(EVOLINK.endpoints["task"]))
    fewest = min(len(broken_rules(each, recording.answer)) for each in documents)
    assert len(found.broken) == fewest


# What was asked for.


@pytest.mark.parametrize(
    ("asked", "body", "sizes", "quantities"),
    [
        (request(), answer(), [], []),
        (request(3), answer(3), [], []),
        (request(size="1664*928"), answer(), ["1664*928 was asked for, 1328*1328 came"], []),
        (request(), answer(width=928), ["1328*1328 was asked for, 928*1328 came"], []),
        (request(2), answer(), [], ["2 pictures were asked for, 1 came"]),
        (request(), answer(2), [], ["1 pictures were asked for, 2 came"]),
        ({"model": "qwen-image-plus", "prompt": "a cat"}, answer(), [], []),
        ({"model": "qwen-image-plus", "prompt": "a cat"}, answer(2), [], ["1 pictures were asked for, 2 came"]),
        ({"model": "unknown", "parameters": {"n": 2, "size": "1*1"}}, answer(), [], []),
    ],
)
def test_size_and_number_are_compared_with_the_request(
    asked: Any, body: Any, sizes: list[str], quantities: list[str]
) -> None:
    found = drift(NEBULA, [seen(body, asked)])
    where = f"POST {PATH}: "
    assert found.wrong_sizes == [where + each for each in sizes]
    assert found.quantities == [where + each for each in quantities]


def test_pictures_are_counted_where_their_number_is_not_stated() -> None:
    unstated = answer(2)
    del unstated["data"]["metadata"]["usage"]["image_count"]
    del unstated["data"]["metadata"]["output"]["task_metric"]["SUCCEEDED"]
    found = drift(NEBULA, [seen(unstated, request(3))])
    assert found.quantities == [f"POST {PATH}: 3 pictures were asked for, 2 came"]
    assert drift(NEBULA, [seen(unstated, request(2))]).quantities == []


def test_size_that_is_stated_in_part_is_not_compared() -> None:
    unstated = answer(width=5)
    del unstated["data"]["metadata"]["usage"]["height"]
    assert drift(NEBULA, [seen(unstated)]).wrong_sizes == []


def test_refusals_are_not_compared_with_the_request() -> None:
    error = {"code": 400, "msg": "Parameter Error: why", "data": None}
    found = drift(NEBULA, [seen(error, request(2), 400)])
    assert found.wrong_sizes == found.quantities == []


# The report.

EVERYTHING = Drift(
    "nebula",
    exchanges=3,
    undocumented=[Undocumented("made", "a.b", ("null", "string"), '"<x>"', 2, "made.schema.json")],
    unseen=["made: c"],
    broken={"nebula/made/d/type": "1 x, for one 5"},
    statuses={"200": 2, "418": 1},
    unknown_statuses=[418],
    seconds=(0.5, 1.0, 2.5),
    wrong_sizes=["POST /x: 1*1 was asked for, 2*2 came"],
    quantities=["POST /x: 1 pictures were asked for, 2 came"],
)
REPORT = """# Drift of nebula

3 exchanges: production and documents differ.

| status | answers |
|---|---|
| 200 | 2 |
| 418 | 1 |

Successes took 0.5 s at least, 1.0 s in the median, 2.5 s at most.

## Members that no document names

| member | answer | type | for one | answers |
|---|---|---|---|---|
| `a.b` | made | null, string | `"<x>"` | 2 |

## Rules that answers broke

- `nebula/made/d/type`: 1 x, for one 5

## Statuses that no document names

- 418

## Sizes that were not asked for

- POST /x: 1*1 was asked for, 2*2 came

## Numbers of pictures that were not asked for

- POST /x: 1 pictures were asked for, 2 came

## Documented members that never came

- `made: c`
"""


def test_report() -> None:
    assert as_markdown(EVERYTHING) == REPORT
    nothing = "# Drift of nebula\n\n0 exchanges: production keeps what the documents say.\n\n"
    assert as_markdown(Drift("nebula")) == nothing + "| status | answers |\n|---|---|\n"
    page = as_html(EVERYTHING)
    assert "| `a.b` | made | null, string | `&quot;&lt;x&gt;&quot;` | 2 |" in page
    assert page.startswith('<!doctype html><html lang="en">')
    assert "<title>Drift of nebula</title>" in page


def test_report_is_written_as_its_ending_says(tmp_path: Path) -> None:
    for ending in (".md", ".html", ".json"):
        write(replace(EVERYTHING, unseen=["图"]), tmp_path / f"drift{ending}")
    written = (tmp_path / "drift.json").read_text("utf-8")
    assert json.loads(written) == json.loads(json.dumps(as_json(replace(EVERYTHING, unseen=["图"]))))
    assert '\n  "provider": "nebula"' in written
    assert '"图"' in written
    assert (tmp_path / "drift.md").read_text("utf-8") == REPORT.replace("made: c", "图")
    assert (tmp_path / "drift.html").read_text("utf-8") == as_html(replace(EVERYTHING, unseen=["图"]))


# The proposal.

SCHEMA = """{
  "type": "object",
  "properties": {
    "early": {"type": "object", "properties": {"last": {"type": "string"}}},
    "one": {"properties": {"a": {}, "b": {"x": 1}}},
    "list": {
      "type": "array",
      "items": {
        "type": "object",
        "properties": {
          "x": {"type": "string"}
        }
      }
    },
    "elsewhere": {"$ref": "other.schema.json"},
    "plain": {"type": "object"},
    "empty": {"properties": {}},
    "spaced": {"properties": {"y" : 1}},
    "last":   {"type": "string"}
  }
}
"""
"""The first and the last object end alike: a member of one must not be put into the other."""


def proposed(folder: Path, *members: tuple[str, tuple[str, ...]]) -> str:
    place = folder / "nebula"
    place.mkdir(exist_ok=True)
    (place / "made.schema.json").write_text(SCHEMA, "utf-8")
    found = [Undocumented("made", name, types, "1", 1, "made.schema.json") for name, types in members]
    return propose(NEBULA, Drift("nebula", undocumented=found), folder)


def lines(patch: str) -> list[str]:
    return [line for line in patch.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]


OBSERVED = '"x-source": "observed: production", "x-certainty": "observed"}'


@pytest.mark.parametrize(
    ("place", "types", "changed"),
    [
        (
            "new",
            ("string",),
            [
                '-    "last":   {"type": "string"}',
                '+    "last":   {"type": "string"},',
                '+    "new": {"type": "string", ' + OBSERVED,
            ],
        ),
        (
            "new",
            ("null", "string"),
            [
                '-    "last":   {"type": "string"}',
                '+    "last":   {"type": "string"},',
                '+    "new": {"type": ["null", "string"], ' + OBSERVED,
            ],
        ),
        (
            "list[].图",
            ("integer",),
            [
                '-          "x": {"type": "string"}',
                '+          "x": {"type": "string"},',
                '+          "\\u56fe": {"type": "integer", ' + OBSERVED,
            ],
        ),
        (
            "one.c",
            ("integer",),
            [
                '-    "one": {"properties": {"a": {}, "b": {"x": 1}}},',
                '+    "one": {"properties": {"a": {}, "b": {"x": 1},',
                '+  "c": {"type": "integer", ' + OBSERVED + "}},",
            ],
        ),
        (
            "early.new",
            ("integer",),
            [
                '-    "early": {"type": "object", "properties": {"last": {"type": "string"}}},',
                '+    "early": {"type": "object", "properties": {"last": {"type": "string"},',
                '+  "new": {"type": "integer", ' + OBSERVED + "}},",
            ],
        ),
        ("last", ("string",), []),
        ("elsewhere.new", ("string",), []),
        ("elsewhere.deep.new", ("string",), []),
        ("plain.new", ("string",), []),
        ("empty.new", ("string",), []),
        ("early.last", ("string",), []),
        ("spaced.new", ("string",), []),
        ("gone.new", ("string",), []),
        ("plain[].new", ("string",), []),
    ],
)
def test_member_is_proposed_where_it_was_seen(
    place: str, types: tuple[str, ...], changed: list[str], tmp_path: Path
) -> None:
    assert lines(proposed(tmp_path, (place, types))) == changed


def test_proposal_is_a_patch_of_the_files_that_change(tmp_path: Path) -> None:
    patch = proposed(tmp_path, ("new", ("string",)), ("newer", ("object",)))
    assert patch.startswith("--- a/schemas/nebula/made.schema.json\n+++ b/schemas/nebula/made.schema.json\n@@ ")
    assert lines(patch)[1:] == [
        '+    "last":   {"type": "string"},',
        '+    "new": {"type": "string", ' + OBSERVED + ",",
        '+    "newer": {"type": "object", ' + OBSERVED,
    ]
    assert propose(NEBULA, Drift("nebula"), tmp_path) == ""
    assert (tmp_path / "nebula" / "made.schema.json").read_text("utf-8") == SCHEMA
