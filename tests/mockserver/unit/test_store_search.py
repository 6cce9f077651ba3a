"""What a search of the journal finds, and what it shows of the headers."""

import asyncio
from typing import Any

import pytest
from store_values import compact, on

from qwenmock.mockserver.store.compact import CompactEntry, CompactRefusal, Line
from qwenmock.mockserver.store.search import Cursor, Search, cursor_of, expand, search
from qwenmock.mockserver.store.sqlite.store import SqliteStore

RULE = "nebula/edit/parameters/size/enum"


def line(id_: str = "r", **more: Any) -> Line:
    """Return a line with everything that can be searched."""
    entry: Any = {
        "id": id_, "at": 1.5, "provider": "nebula", "endpoint": "create", "variant": "edit", "model": "m", "task": "t",
        "key": "sk-m…", "status": 400, "path": "/path", "effective_prompt": "p", "effective_negative_prompt": "np",
        "request": {"seed": 7}, "answer": {"code": "wrong"}, "refusal": {"kind": "invalid", "detail": "bad size"},
        "rule": {"id": RULE, "source": "s", "certainty": "c"},
    }  # fmt: skip
    return "sk-mock", entry | more


@pytest.mark.parametrize(
    ("name", "matching", "other"),
    [
        ("id", "r", "R"),
        ("provider", "nebula", "aigc"),
        ("variant", "edit", "contents"),
        ("model", "m", "M"),
        ("task", "t", ""),
        ("key", "sk-mock", "sk-mock.b"),
        ("key", "sk-m…", "sk-…"),
        ("rule", RULE, f"{RULE}/x"),
        ("rule", "nebula/edit", "nebula/edi"),
        ("rule", "nebula/edit/", "edit"),
        ("statuses", (400, 499), (401, 499)),
        ("statuses", (400, 400), (300, 399)),
        ("statuses", (300, 499), (300, 399)),
        ("since", 1.5, 1.6),
        ("until", 1.5, 1.4),
        ("text", "SIZE", "sizes"),
        ("text", "wrong", "right"),
        ("text", "/path", "path/"),
        ("text", "np", "pn"),
        ("text", "seed", "seeds"),
        ("text", "", "…"),
    ],
)
def test_line_matches_what_it_has(name: str, matching: Any, other: Any) -> None:
    assert Search(**{name: matching}).matches(line())
    assert not Search(**{name: other}).matches(line())


def test_every_filter_must_match() -> None:
    assert Search(provider="nebula", model="m", statuses=(400, 499), text="size").matches(line())
    assert not Search(provider="nebula", model="x", text="size").matches(line())
    assert not Search(provider="nebula", model="m", text="other").matches(line())
    assert not Search(rule=RULE).matches(line(rule=None))
    assert Search(text="ü").matches(line(effective_prompt="Ü"))
    assert not Search(text="invalid type").matches(line(refusal=None))


@pytest.mark.parametrize("query", [Search(), Search(limit=3), Search(after=Cursor("x", 1.0))])
def test_search_without_a_filter_matches_everything(query: Search) -> None:
    assert not query.has_filter
    assert query.matches(line())
    assert Search(text="x", limit=query.limit).has_filter


@pytest.mark.parametrize(
    ("request_", "text", "is_found"),
    [
        (b'{"prompt":"a CAT"}', "a cat", True),
        (b'{"prompt":"a CAT"}', "a dog", False),
        (b'{"prompt":"\\u732b"}', "猫", True),
        (b'{"prompt":"a\\/b"}', "a/b", True),
        (b'{"prompt":"say \\"hi\\""}', 'SAY "HI"', True),
        ('{"prompt":"KÜRBIS"}'.encode(), "kürbis", True),
        (b'{"prompt":"%s"}' % (b"x" * 5000 + b"end"), "end", False),
        (b'{"prompt":"a"}', "/PATH", True),
        (b'{"prompt":"a"}', "answered", True),
    ],
)
def test_text_is_searched_in_what_the_entry_shows(request_: bytes, text: str, is_found: bool) -> None:
    found = compact("r", request=request_, answer=b'{"state":"answered"}')
    assert Search(text=text).matches(found) is is_found
    assert Search(text=text).matches((found.key, found.expand())) is is_found


def test_compact_line_is_selected_by_its_fields() -> None:
    found = compact("r", key="sk-mock.b")._replace(task="t9")
    for query in (
        Search(id="r"), Search(provider="nebula"), Search(variant="edit"), Search(model="m"), Search(task="t9"),
        Search(key="sk-mock.b"), Search(key="sk-m…"), Search(statuses=(200, 200)), Search(since=1.5, until=1.5),
    ):  # fmt: skip
        assert query.matches(found), query
    for query in (Search(id="s"), Search(variant="x"), Search(statuses=(201, 299)), Search(rule="nebula")):
        assert not query.matches(found), query
    assert (cursor_of(found), cursor_of(line("s"))) == (Cursor("r", 1.5), Cursor("s", 1.5))
    assert str(cursor_of(found)) == "r/1.5"
    assert expand(found) == found.expand()


def test_compact_refusal_is_selected_by_its_rule_and_its_words() -> None:
    refusal = CompactRefusal(400, "invalid", "bad size", RULE, "s", "c", "", {})
    found = compact("r")._replace(refusal=refusal)
    for query in (
        Search(statuses=(400, 499)), Search(rule=RULE), Search(rule="nebula/edit"), Search(text="bad SIZE"),
        Search(text="invalid"),
    ):  # fmt: skip
        assert query.matches(found), query
        assert query.matches((found.key, found.expand())), query
    for query in (Search(statuses=(200, 299)), Search(rule="nebula/edi"), Search(text="good size")):
        assert not query.matches(found), query


def test_search_counts_all_and_returns_a_part() -> None:
    async def steps(store: SqliteStore) -> None:
        for number in range(500):
            _, entry = line(f"r{number}", model="even" if number % 2 == 0 else "odd")
            await store.record(entry, "sk-mock")  # type: ignore[arg-type]

        async def ids(query: Search) -> tuple[list[str], int, str | None]:
            found = await search(store, query)
            return [each["id"] for each in found.entries], found.total, found.next and str(found.next)

        assert await ids(Search(model="even", limit=2)) == (["r498", "r496"], 250, "r496/1.5")
        after = Cursor("r496", 1.5)
        assert await ids(Search(model="even", limit=2, after=after)) == (["r494", "r492"], 250, "r492/1.5")
        assert await ids(Search(model="even", limit=2, after=Cursor("r4", 1.5))) == (["r2", "r0"], 250, None)
        assert await ids(Search(limit=1)) == (["r499"], 500, "r499/1.5")
        assert await ids(Search(limit=500, after=Cursor("r1", 1.5))) == (["r0"], 500, None)
        assert await ids(Search(limit=0)) == ([], 500, None)
        assert await ids(Search(limit=2, after=Cursor("r496", 1.6))) == ([], 500, None)
        assert await ids(Search(model="none")) == ([], 0, None)
        assert len((await search(store, Search())).entries) == 500
        assert Search().limit == 1000

    on(None, steps)


def test_search_without_a_filter_reads_no_further_than_asked() -> None:
    reads: list[int] = []

    class Store:
        async def read_journal(self) -> Any:
            for number in range(5):
                reads.append(number)
                yield [line(f"{number}-{each}") for each in range(10)]

        async def journal_length(self) -> int:
            return 50

    store: Any = Store()
    found = asyncio.run(search(store, Search(limit=12)))
    assert (len(found.entries), found.total, found.next) == (12, 50, Cursor("1-1", 1.5))
    assert reads == [0, 1]

    async def beside_others() -> bool:
        others: list[bool] = []
        asyncio.get_running_loop().call_soon(others.append, True)
        await search(store, Search(model="none"))
        return others == [True]

    assert asyncio.run(beside_others()), "other requests wait for the search"
    assert not isinstance(line(), CompactEntry)
