"""Members that depend on others: what is tried beside what, and that what is permitted is tried at its most."""

from typing import Any

import pytest

from qwenmock.pytest_plugin.examiner.boundaries import dependencies
from qwenmock.pytest_plugin.examiner.boundaries.edit import Edit
from qwenmock.schemas.models import Rule

IMAGE, TEXT = {"image": "i"}, {"text": "t"}
CONTENT: Any = {
    "type": "array",
    "items": {
        "type": "object",
        "oneOf": [{"required": ["image"]}, {"required": ["text"]}],
        "properties": {"image": {"const": "i"}, "text": {"const": "t"}, "mask": {"const": "m"}},
    },
    "x-parts": {"image": {"maxItems": 6}, "text": {"minItems": 1, "position": "last"}, "mask": {}},
}
MEMBERS: Any = {
    "model": {"enum": ["a", "b", "c"]},
    "mode": {"enum": ["plain", "agent", "other"]},
    "flag": {"type": "boolean"},
    "n": {"type": "integer", "minimum": 1, "maximum": 4},
    "count": {"type": "integer"},
    "list": {"type": "array", "items": {"const": 7}},
    "outer": {"type": "object", "properties": {"list": {"type": "array", "items": {"const": 7}}}},
    "content": CONTENT,
}
BODY: Any = {"model": "a", "content": [TEXT]}


def schema(member: str, **dependency: Any) -> Any:
    return {"type": "object", "required": ["model"], "properties": MEMBERS, "x-depends": {member: dependency}}


def rule(path: str, keyword: str = "depends") -> Rule:
    return Rule("x", "x", "x", tuple(path.split("/")), keyword, 1, "x", "documented", "documented", "invalid")


def tried(member: str, body: Any = BODY, **dependency: Any) -> list[tuple[str, str, Any]]:
    """Return side, note and what the edit changes of a body."""
    found = dependencies.edits(schema(member, **dependency), rule(member))
    changed: list[Any] = [edit.change(body) for edit in found]
    assert all(edit.rule.path == tuple(member.split("/")) for edit in found)
    return [
        (edit.side, edit.note, {name: value for name, value in each.items() if body.get(name) != value} or "unchanged")
        for edit, each in zip(found, changed, strict=True)
    ]


def test_member_beside_the_value_that_it_needs() -> None:
    assert tried("mode", on="flag", **{"is": True}) == [
        ("accept", "'plain' beside flag", {"mode": "plain", "flag": True}),
        ("accept", "'plain' beside flag", {"mode": "plain"}),
        ("reject", "'plain' beside flag", {"mode": "plain", "flag": False}),
    ]


def test_each_value_that_depends_is_tried() -> None:
    found = tried("mode", on="model", values=["agent", "other"], **{"is": "a"})
    assert [(side, changed) for side, _, changed in found if side == "reject"] == [
        ("reject", {"mode": "agent", "model": "b"}),
        ("reject", {"mode": "agent", "model": "c"}),
        ("reject", {"mode": "other", "model": "b"}),
        ("reject", {"mode": "other", "model": "c"}),
    ]
    assert len(found) == 8


def test_value_that_is_given_is_taken_away() -> None:
    [_, (_, _, changed), _] = tried("mode", BODY | {"flag": False}, on="flag", **{"is": True})
    assert changed == {"mode": "plain"}
    edit = dependencies.edits(schema("mode", on="flag", **{"is": True}), rule("mode"))[1]
    assert edit.change(BODY | {"flag": False}) == BODY | {"mode": "plain"}


def test_member_without_effect_is_accepted() -> None:
    assert [side for side, *_ in tried("mode", on="flag", advisory=True, **{"is": True})] == ["accept"] * 3


@pytest.mark.parametrize(
    ("on", "expected", "others"),
    [
        ("flag", True, [False]),
        ("flag", False, [True]),
        ("model", "b", ["a", "c"]),
        ("n", 1, [4]),
        ("n", 2, [1, 4]),
        ("count", 5, [0]),
    ],
)
def test_values_that_are_not_the_expected_one(on: str, expected: Any, others: list[Any]) -> None:
    found = dependencies.edits(schema("mode", on=on, **{"is": expected}), rule("mode"))
    refused: list[Any] = [edit.change(BODY) for edit in found if edit.side == "reject"]
    assert [body[on] for body in refused] == others
    accepted: list[Any] = [edit.change(BODY) for edit in found if edit.side == "accept"]
    assert accepted[0][on] == expected
    assert on not in accepted[1]


def test_member_that_nothing_may_stand_beside() -> None:
    assert tried("mode", on="content/*/image", absent=True, values=["agent"]) == [
        ("accept", "'agent' beside content/*/image", {"mode": "agent"}),
        ("reject", "'agent' beside content/*/image", {"mode": "agent", "content": [IMAGE, TEXT]}),
    ]
    with_images: Any = BODY | {"content": [IMAGE, TEXT, IMAGE]}
    [(_, _, without), (_, _, beside)] = tried("mode", with_images, on="content/*/image", absent=True, values=["agent"])
    assert without == {"mode": "agent", "content": [TEXT]}
    assert beside == {"mode": "agent", "content": [IMAGE, TEXT]}
    assert tried("mode", on="list", absent=True) == [
        ("accept", "'plain' beside list", {"mode": "plain"}),
        ("reject", "'plain' beside list", {"mode": "plain", "list": []}),
    ]


def test_part_is_put_where_there_are_no_parts_yet() -> None:
    found = dependencies.edits(schema("mode", on="content/*/image", absent=True), rule("mode"))
    assert found[1].change({"model": "a"}) == {"model": "a", "mode": "plain", "content": [IMAGE, TEXT]}
    assert found[1].change({"model": "a", "content": 5}) == {"model": "a", "mode": "plain", "content": [IMAGE]}
    strange = found[1].change({"model": "a", "content": ["x", IMAGE]})
    assert strange == {"model": "a", "mode": "plain", "content": [IMAGE, "x"]}


# Numbers of values.


def test_number_of_items_that_needs_a_value() -> None:
    assert tried("list/*", on="model", over=2, **{"is": "c"}) == [
        ("accept", "3 beside 'c'", {"list": [7, 7, 7], "model": "c"}),
        ("accept", "2 beside 'a'", {"list": [7, 7]}),
        ("accept", "2 beside 'b'", {"list": [7, 7], "model": "b"}),
        ("reject", "3 beside 'a'", {"list": [7, 7, 7]}),
        ("reject", "3 beside 'b'", {"list": [7, 7, 7], "model": "b"}),
    ]
    found = tried("outer/list/*", on="flag", over=0, **{"is": True})
    assert found[0] == ("accept", "1 beside True", {"outer": {"list": [7]}, "flag": True})


def test_number_of_parts_that_needs_a_value() -> None:
    assert tried("content/*/image", on="flag", over=1, **{"is": True}) == [
        ("accept", "2 beside True", {"content": [IMAGE, IMAGE, TEXT], "flag": True}),
        ("accept", "1 beside False", {"content": [IMAGE, TEXT], "flag": False}),
        ("reject", "2 beside False", {"content": [IMAGE, IMAGE, TEXT], "flag": False}),
    ]


@pytest.mark.parametrize(
    ("member", "over", "path", "keyword", "is_permitted"),
    [
        ("list/*", 2, "list", "maxItems", True),
        ("outer/list/*", 2, "outer/list", "maxItems", True),
        ("list/*", 2, "list", "minItems", False),
        ("list/*", 2, "content", "maxItems", False),
        ("list/*", None, "list", "maxItems", False),
        ("content/*/image", 2, "content", "image.maxItems", True),
        ("content/*/image", 2, "content", "text.maxItems", False),
        ("content/*/image", 2, "content", "maxItems", False),
        ("content/*/image", 2, "content/*", "image.maxItems", False),
    ],
)
def test_most_values_stand_beside_what_permits_them(
    member: str, over: int | None, path: str, keyword: str, is_permitted: bool
) -> None:
    limits = {} if over is None else {"over": over}
    limited = rule(path, keyword)
    edit = Edit(limited, "accept", "most", lambda body: {**body, "n": 4} if isinstance(body, dict) else body)
    found = dependencies.with_most(schema(member, on="flag", **limits, **{"is": True}), limited, edit)
    assert found.change(BODY) == BODY | {"n": 4} | ({"flag": True} if is_permitted else {})
    assert (found.rule, found.side, found.note) == (limited, "accept", "most")
    assert (found is edit) is not is_permitted


def test_dependency_that_counts_is_found_behind_others() -> None:
    both = schema("list/*", on="flag", over=2, **{"is": True})
    both["x-depends"] = {"mode": {"on": "flag", "is": True}, "content/*/image": {"on": "n", "is": 1, "over": 2}} | both[
        "x-depends"
    ]
    limited = rule("list", "maxItems")
    edit = Edit(limited, "accept", "most", lambda body: body)
    assert dependencies.with_most(both, limited, edit).change(BODY) == BODY | {"flag": True}
