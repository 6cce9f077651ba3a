"""The tool behind `make mutants`: the changes that it makes, and its tables."""

import tomllib
from pathlib import Path

import pytest
from mutants.__main__ import Module, report, touched
from mutants.collected import changed_function
from mutants.mutations import mutants_of

ROOT = Path(__file__).parent.parent
TABLES = ROOT / "tests" / "mutants"
MODULES = tomllib.loads((TABLES / "modules.toml").read_text("utf-8"))
ACCEPTED = tomllib.loads((TABLES / "accepted.toml").read_text("utf-8"))


def names(source: str) -> list[str]:
    return [mutant.name for mutant in mutants_of(source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < 1", ["`a < 1` -> `a <= 1`", "`a < 1` -> `a < 2`", "`a < 1` -> `a < 0`"]),
        ("x = a and not b", ["`a and (not b)` -> `a or not b`", "`a and (not b)` -> `a and b`"]),
        ("x = a + b", ["`a + b` -> `a - b`"]),
        ("x = min(a)", ["`min(a)` -> `max(a)`"]),
        ("x = True", ["`x = True` -> `x = False`"]),
        ("if a: pass", ["`if a` -> `if not a`"]),
        ("raise a", ["without `raise a`"]),
        ("a.b = c", ["without `a.b = c`"]),
        ("f(a)", ["without `f(a)`"]),
        ("a = b", []),
        ("x: TypeAlias = a | b", []),
        ("assert a < 1", []),
        ('"""Text."""', []),
        ("x = f'{a[:1]}'", []),
        ("@f(1)\nclass A: pass", []),
    ],
)
def test_changes(source: str, expected: list[str]) -> None:
    assert names(source) == [f": {name}" for name in expected]


def test_results_of_functions() -> None:
    assert names("def f():\n    return a") == ["f: `return a` -> `return None`"]
    assert names("def f() -> bool:\n    return a") == ["f: `return a` -> `return not a`"]
    assert names("class C:\n    def f(self, a=1):\n        return None") == [
        "C.f: `self, a=1` -> `self, a=2`",
        "C.f: `self, a=1` -> `self, a=0`",
    ]


def test_changes_of_sql() -> None:
    assert names('x = "WHERE c<=?1 AND d = 0"') == [
        ": `WHERE c<=?1 AND d = 0` -> `WHERE c<?1 AND d = 0`",
        ": `WHERE c<=?1 AND d = 0` -> `WHERE c<=?1 OR d = 0`",
        ": `WHERE c<=?1 AND d = 0` -> `WHERE c<=?1 AND d = 1`",
    ]
    assert names('x = "DELETE FROM a WHERE b = (1)"') == [
        ": `DELETE FROM a WHERE b = (1)` -> `DELETE FROM a WHERE b = (0)`",
        ": `DELETE FROM a WHERE b = (1)` -> `DELETE FROM a`",
    ]
    assert names('x = "a ORDER BY b DESC"') == [": `a ORDER BY b DESC` -> `a ORDER BY b`"]
    assert names("x = f'{a} WHERE b < ?'") == [
        ": ` WHERE b < ?` -> ` WHERE b <= ?`",
        ": ` WHERE b < ?` -> ``",
    ]
    assert names('x = "no more than 1 and < 2"') == []
    (mutant, _) = mutants_of("x = f'{a} WHERE b < ?'")
    values = {"a": "c"}
    exec(mutant.code("f.py"), values)
    assert values["x"] == "c WHERE b <= ?"


def test_equal_changes_are_numbered() -> None:
    assert names("f()\nf()") == [": without `f()`", ": without `f()` #2"]


def test_each_mutant_has_its_one_change() -> None:
    source = "def f(a):\n    return a < 3 and a > 0\n"
    values = []
    for index in range(len(mutants_of(source))):
        module: dict[str, object] = {}
        exec(mutants_of(source)[index].code("f.py"), module)
        values.append([module["f"](a) for a in (0, 1, 2, 3)])  # type: ignore[operator]
    assert len(values) == 7
    assert [False, True, True, False] not in values
    assert values[0] == [None] * 4


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f():\n    return not a", "f"),
        ("def f():\n    def g():\n        return not a\n    g", "f"),
        ("class C:\n    class D:\n        def f(self):\n            return not a", "C.D.f"),
        ("class C(B):\n    def f(self):\n        super().f()", None),
        ("x = not a", None),
        ("class C:\n    x = not a", None),
        ("def f(a=not b):\n    pass", None),
        ("def f():\n    if __debug__ or not a:\n        pass", None),
    ],
)
def test_function_that_is_changed(source: str, expected: str | None) -> None:
    unchanged = compile(source, "f.py", "exec", dont_inherit=True)
    mutant = mutants_of(source)[-1]
    pair = changed_function(unchanged, mutant.code("f.py"))
    assert (pair and [each.co_qualname for each in pair]) == (expected and [expected, expected])


@pytest.mark.parametrize("path", MODULES)
def test_tables_name_what_exists(path: str) -> None:
    assert (ROOT / path).is_file()
    assert all((ROOT / test).is_file() for test in MODULES[path])
    found = names((ROOT / path).read_text("utf-8"))
    assert len(found) == len(set(found))
    assert ACCEPTED.get(path, {}).keys() <= set(found)
    assert all(reason.startswith(("equivalent", "accepted: ")) for reason in ACCEPTED.get(path, {}).values())


def test_accepted_mutants_are_of_listed_modules() -> None:
    assert ACCEPTED.keys() <= MODULES.keys()


def module(path: str = "a.py", *, source: str = "f(1)", results: tuple[str, ...] = ()) -> Module:
    """Return a module with the results of its first mutants."""
    found = Module(path, [f"tests/test_{path}", "tests/test_both.py"], {}, mutants_of(source))
    found.results = {mutant.name: result for mutant, result in zip(found.mutants, results, strict=False)}
    return found


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a.py"}, ["a.py"]),
        ({"tests/test_b.py", "c.py"}, ["b.py"]),
        ({"tests/test_both.py"}, ["a.py", "b.py"]),
        ({"c.py", ""}, []),
    ],
)
def test_change_touches_modules_and_their_tests(files: set[str], expected: list[str]) -> None:
    assert [each.path for each in touched([module("a.py"), module("b.py")], files)] == expected


@pytest.mark.parametrize(
    ("results", "must_finish", "is_good"),
    [
        (("noticed", "noticed", "noticed"), True, True),
        (("noticed",), True, False),
        (("noticed",), False, True),
        ((), False, True),
        (("survived", "noticed", "noticed"), True, False),
        (("survived",), False, False),
    ],
)
def test_running_out_of_time_is_a_failure_of_whole_runs_only(
    capsys: pytest.CaptureFixture[str], results: tuple[str, ...], must_finish: bool, is_good: bool
) -> None:
    assert report([module(results=results)], must_finish=must_finish) is is_good
    printed = capsys.readouterr().out
    assert ("not yet run" in printed) is (len(results) < 3)
    assert ("a.py:1: no test notices : without `f(1)`" in printed) is ("survived" in results)


def test_accepted_mutant_may_survive_and_must_not_be_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    for result, is_good in (("survived", True), ("noticed", False)):
        one = module(results=(result, "noticed", "noticed"))
        one.accepted = {one.mutants[0].name: "equivalent: a reason"}
        assert report([one], must_finish=False) is is_good
    assert "in accepted.toml, but does not survive" in capsys.readouterr().out
