"""What a `Prefer` header and a directive in the prompt request."""

import pytest

from qwenmock.mockserver.calls.effects import NO_EFFECTS, Effects, directives, preferences
from qwenmock.schemas.catalog import load

NEBULA = load()["nebula"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", NO_EFFECTS),
        ("code=429", Effects(error="rate_limited", applied=("code=429",))),
        ('Code="500"; WAIT=2.5', Effects(error="internal", wait=2.5, applied=("Code=500", "WAIT=2.5"))),
        ("wait=0", Effects(applied=("wait=0",))),
        ("wait=99999", Effects(wait=300.0, applied=("wait=300",))),
        ("code=418, wait=-1, respond-async, refuse, fail-images=1", NO_EFFECTS),
    ],
)
def test_preferences(header: str, expected: Effects) -> None:
    assert preferences(NEBULA, header) == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a cat", NO_EFFECTS),
        ("a cat [[qwenmock: status=500]]", Effects(error="internal")),
        (
            "[[qwenmock: refuse, wait=1]] [[qwenmock:fail-images=2; fail-task=Too.Bad]]",
            Effects("refused", 1.0, 2, "Too.Bad"),
        ),
        ("[[qwenmock: status=418, fail-images=many, fail-task=1 2, code=500]]", NO_EFFECTS),
    ],
)
def test_directives(prompt: str, expected: Effects) -> None:
    assert directives(NEBULA, prompt) == expected
