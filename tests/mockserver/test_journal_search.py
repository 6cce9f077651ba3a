"""Searching the journal through the control API, with state in memory, in a file and in Redis."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest

from qwenmock.mockserver.calls.journal_feed import MAX_ENTRIES
from qwenmock.mockserver.http.server import RunningServer

PATH = "/v1/images/generations"
BODY = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
OTHER = {"Authorization": "Bearer sk-mock.other"}
EDIT = {
    "model": "qwen-image-edit-plus",
    "prompt": "A CAT again",
    "contents": [{"role": "user", "parts": [{"image": "https://example.com/in.png"}, {"text": "A CAT again"}]}],
    "parameters": {"n": 1},
}
TASK = {"model": "qwen-image-edit", "prompt": "a hat", "image_urls": ["https://example.com/a.png"]}
SIZE = "nebula/simplified/parameters/size/enum"
CHINESE = 'Ein "Kürbis" 一只猫'


@pytest.fixture
def ids(server: RunningServer, nebula: httpx.Client) -> dict[str, str]:
    """Send some requests; return their ids by name, the oldest first."""
    sent = {
        "cat": nebula.post(PATH, json=BODY),
        "warm": nebula.post(PATH, json=BODY | {"prompt": "again"}),
        "other": nebula.post(PATH, json=EDIT, headers=OTHER),
        "chinese": nebula.post(
            PATH,
            content=json.dumps(BODY | {"prompt": CHINESE}),  # with \\u escapes
            headers={"Content-Type": "application/json"},
        ),
        "size": nebula.post(PATH, json=BODY | {"parameters": {"size": "1x1"}}),
        "unknown": nebula.post(PATH, json=BODY, headers={"Authorization": "Bearer wrong"}),
        "long": nebula.post(PATH, json=BODY | {"prompt": "word " * 100 + "needle"}),
        "task": httpx.post(f"{server.url('evolink')}{PATH}", json=TASK, headers=OTHER),
    }
    return {name: answer.headers["x-request-id"] for name, answer in sent.items()}


def found(control: httpx.Client, ids: dict[str, str], **query: Any) -> list[str]:
    """Return the names of the entries that are found; check that they are counted."""
    answer = control.get("/journal", params=query).raise_for_status()
    names = {id_: name for name, id_ in ids.items()}
    assert answer.headers["x-total-count"] == str(len(answer.json()))
    return [names[entry["id"]] for entry in reversed(answer.json())]


def test_each_filter_finds_what_it_names(control: httpx.Client, ids: dict[str, str]) -> None:
    accepted = ["cat", "warm", "other", "chinese", "long"]
    assert found(control, ids) == list(ids)
    for query, names in (
        ({"status": "2xx"}, [*accepted, "task"]),
        ({"status": "4xx"}, ["size", "unknown"]),
        ({"status": "400"}, ["size"]),
        ({"status": "5xx"}, []),
        ({"provider": "evolink"}, ["task"]),
        ({"variant": "contents", "status": "2xx"}, ["other"]),
        ({"model": "qwen-image-edit-plus"}, ["other"]),
        ({"key": "sk-mock.other"}, ["other", "task"]),
        ({"key": "sk-m…ther"}, ["other", "task"]),
        ({"rule": SIZE}, ["size"]),
        ({"rule": "nebula/simplified"}, ["size"]),
        ({"rule": "nebula/simplified/"}, ["size"]),
        ({"rule": "nebula/simpl"}, []),
        ({"rule": "nebula"}, ["size", "unknown"]),
        ({"id": ids["warm"]}, ["warm"]),
        ({"text": "a cat"}, ["cat", "other", "size"]),
        ({"text": "cAt AGAIN"}, ["other"]),
        ({"text": "猫"}, ["chinese"]),
        ({"text": '"KÜRBIS'}, ["chinese"]),
        ({"text": "needle"}, ["long"]),
        ({"text": "1x1"}, ["size"]),
        ({"text": "image_urls"}, ["task"]),
        ({"text": "https://example.com/a"}, ["task"]),
        ({"text": "/evolink/v1"}, ["task"]),
        ({"text": "not in any"}, []),
        ({"text": "a cat", "status": "2xx", "key": "sk-mock"}, ["cat"]),
    ):
        assert found(control, ids, **query) == names, query  # type: ignore[arg-type]


def test_time_and_task_are_filters(server: RunningServer, control: httpx.Client, ids: dict[str, str]) -> None:
    times = {entry["id"]: entry["at"] for entry in control.get("/journal").json()}
    at = {name: times[id_] for name, id_ in ids.items()}
    assert found(control, ids, since=at["size"]) == ["size", "unknown", "long", "task"]
    assert found(control, ids, until=at["warm"]) == ["cat", "warm"]
    assert found(control, ids, since=at["warm"], until=at["other"]) == ["warm", "other"]
    [task] = control.get("/tasks").json()
    httpx.get(f"{server.url('evolink')}/v1/tasks/{task['id']}", headers=OTHER).raise_for_status()
    query, created = control.get("/journal", params={"task": task["id"]}).json()
    assert (query["method"], created["method"], created["id"]) == ("GET", "POST", ids["task"])


def pages(control: httpx.Client, query: str) -> Iterator[httpx.Response]:
    url: str | None = f"/__mock__/journal?{query}"
    while url is not None:
        answer = httpx.get(str(control.base_url.copy_with(raw_path=url.encode()))).raise_for_status()
        yield answer
        url = answer.links.get("next", {}).get("url")


@pytest.mark.parametrize(
    ("query", "sizes"),
    [("limit=3", [3, 3, 2]), ("limit=4", [4, 4]), ("limit=2&status=2xx&text=a", [2, 2, 2]), ("limit=8", [8])],
)
def test_pages_hold_every_entry_once(
    control: httpx.Client, nebula: httpx.Client, ids: dict[str, str], query: str, sizes: list[int]
) -> None:
    whole = control.get(f"/journal?{query.partition('&')[2]}").json()
    answers = []
    for answer in pages(control, query):
        answers.append(answer)
        nebula.post(PATH, json=BODY)  # what comes meanwhile changes no later page
    assert [len(answer.json()) for answer in answers] == sizes
    assert [entry for answer in answers for entry in answer.json()] == whole
    before, after = answers[0].headers["x-total-count"], answers[-1].headers["x-total-count"]
    assert int(after) - int(before) == len(answers) - 1, "the total is that of the whole search, now"


def test_cursor_of_an_entry_that_was_dropped_ends_the_search(control: httpx.Client, ids: dict[str, str]) -> None:
    answer = control.get("/journal?cursor=gone/1.5&limit=2")
    assert (answer.json(), answer.headers["x-total-count"], "link" in answer.headers) == ([], str(len(ids)), False)
    assert control.get("/journal?limit=0").headers["x-total-count"] == str(len(ids))


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("colour=red", 400, 'unknown parameter "colour"; expected id, provider, variant, model, task, key, '
         "status, rule, text, since, until, cursor, limit"),
        ("status=4xx&status=5xx", 400, "status: expected one value, got 2"),
        ("status=6xx", 400, 'status: expected a status as 404 or a class as 4xx, got "6xx"'),
        ("status=-1", 400, 'status: expected a status as 404 or a class as 4xx, got "-1"'),
        ("since=yesterday", 400, 'since: expected unix seconds, got "yesterday"'),
        ("until=nan", 400, 'until: expected unix seconds, got "nan"'),
        ("cursor=x", 400, 'cursor: expected ID/AT, the id and the time of an entry, got "x"'),
        ("limit=-1", 400, 'limit: expected an integer of at least 0, got "-1"'),
        ("provider=acme", 404, 'unknown provider "acme"; expected one of ai302, aigc, dashscope, evolink, nebula'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["journal", "events"])
def test_wrong_parameter_is_named(control: httpx.Client, path: str, query: str, status: int, message: str) -> None:
    answer = control.get(f"/{path}?{query}")
    assert (answer.status_code, answer.json()["error"]) == (status, message)


def events(stream: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in stream.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def test_events_lose_no_match(control: httpx.Client, nebula: httpx.Client) -> None:
    for name in ("first", "other"):
        nebula.post(PATH, json=BODY | {"prompt": name})
    with control.stream("GET", "/events?text=needle") as rare, control.stream("GET", "/events") as every:
        rare_news, every_news = events(rare), events(every)
        began = next(rare_news)
        assert (began["begins"], began["entries"], began["total"]) == (True, [], 0)
        began = next(every_news)
        assert [entry["effective_prompt"] for entry in began["entries"]] == ["other", "first"]
        assert (began["total"], began["skipped"]) == (2, False)
        for number in range(2 * MAX_ENTRIES + 10):
            nebula.post(PATH, json=BODY | {"prompt": "needle 1" if number == 1 else "hay"})
        seen: list[dict[str, Any]] = []
        while sum(news["matching"] for news in seen) < 2 * MAX_ENTRIES + 10:
            seen.append(next(every_news))
        assert seen[-1]["total"] == 2 * MAX_ENTRIES + 12
        assert all(len(news["entries"]) <= MAX_ENTRIES and not news["begins"] for news in seen)
        assert all(news["skipped"] == (news["matching"] > len(news["entries"])) for news in seen)
        assert any(news["skipped"] for news in seen) or len(seen) > 2
        news = next(rare_news)
        assert ([entry["effective_prompt"] for entry in news["entries"]], news["total"]) == (["needle 1"], 1)
        times = [entry["at"] for news in seen for entry in reversed(news["entries"])]
        assert all(earlier <= later for earlier, later in pairwise(times))
        control.post("/reset/journal")
        assert next(every_news)["total"] == 0
