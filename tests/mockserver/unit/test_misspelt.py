"""Remarks on preferences and directives that have no effect."""

import pytest

from qwenmock.mockserver.calls.misspelt import MOST, on_directives, on_preferences
from qwenmock.schemas.catalog import load

CATALOG = load()
STATUSES = "expected one of 400, 401, 403, 429, 500"
KNOWN = "expected one of status, wait, refuse, fail-images, fail-task"


@pytest.mark.parametrize(
    ("header", "remarks"),
    [
        ("", []),
        ('code=429, Wait=0; code="500"', []),
        ("respond-async, return=minimal, handling=lenient,", []),
        ("cod=429", ["unknown preference 'cod' (did you mean code?): expected one of code, wait"]),
        ("code=418", [f"code: {STATUSES}, got '418'"]),
        ("code=200, code", [f"code: {STATUSES}, got '200'", f"code: {STATUSES}, got ''"]),
        ("wait=soon", ["wait: expected seconds, as in 0.5, got 'soon'"]),
    ],
)
def test_preferences(header: str, remarks: list[str]) -> None:
    assert on_preferences(CATALOG["nebula"], header) == [f"requested effect: {remark}" for remark in remarks]


@pytest.mark.parametrize(
    ("prompt", "remarks"),
    [
        ("a cat", []),
        ("[[qwenmock: status=429, wait=0; refuse, fail-images=1]] [[qwenmock:refuse]]", []),
        ("[[qwenmock: fail-image=1]]", [f"unknown directive 'fail-image' (did you mean fail-images?): {KNOWN}"]),
        ("[[qwenmock: code=429]]", [f"unknown directive 'code': {KNOWN}"]),
        ("[[qwenmock: status=418]]", [f"status: {STATUSES}, got '418'"]),
        ("[[qwenmock: fail-images=all]]", ["fail-images: expected a number of images, got 'all'"]),
        ("[[qwenmock: fail-task=x]]", ["fail-task: expected no value, as this provider has no tasks, got 'x'"]),
        ("[[qwenmock status=429]]", ["expected a directive as in [[qwenmock: status=429]], got one without : or ]]"]),
        ("[[qwenmock: wait=1]", ["expected a directive as in [[qwenmock: status=429]], got one without : or ]]"]),
        (f"[[qwenmock: {'x' * 90}]]", [f"unknown directive '{'x' * 60}': {KNOWN}"]),
    ],
)
def test_directives(prompt: str, remarks: list[str]) -> None:
    assert on_directives(CATALOG["nebula"], prompt) == [f"requested effect: {remark}" for remark in remarks]


def test_code_of_a_task_must_be_documented() -> None:
    evolink = CATALOG["evolink"]
    assert on_directives(evolink, "[[qwenmock: fail-task=generation_timeout]]") == []
    (remark,) = on_directives(evolink, "[[qwenmock: fail-task=generation_timout]]")
    assert remark.startswith("requested effect: fail-task: expected one of ")
    assert ", generation_timeout, " in remark
    assert remark.endswith(", got 'generation_timout'")


def test_number_of_remarks_is_bounded() -> None:
    assert MOST == 5
    assert len(on_preferences(CATALOG["nebula"], "x," * 100)) == MOST
    assert len(on_directives(CATALOG["nebula"], "[[qwenmock: x]]" * 100)) == MOST
