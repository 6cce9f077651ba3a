"""Queries of tasks, credits and upload policies: whose task it is, in which state, on which page."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from call_values import CATALOG, call, caller, trace
from store_values import task

from qwenmock.mockserver.api_error import ApiError
from qwenmock.mockserver.calls.double import Double, create_double
from qwenmock.mockserver.calls.extraction import FALLBACKS, extractor
from qwenmock.mockserver.calls.queries import LONGEST_PAGE, answer_query
from qwenmock.mockserver.calls.reading import compile_reader
from qwenmock.mockserver.clock import Clock
from qwenmock.mockserver.models import Task
from qwenmock.mockserver.settings import Settings
from qwenmock.mockserver.store.protocols import AccountDefaults

EVOLINK = AccountDefaults("evolink", "sk-mock", "credits", Decimal(10), None)
DASHSCOPE = AccountDefaults("dashscope", "sk-mock", "CNY", Decimal(10), None)
ID = "task-unified-1-a"


class Still(Clock):
    """A clock that stands."""

    def now(self) -> float:
        return 20.0


def on(steps: Callable[[Double], Awaitable[None]]) -> None:
    async def run() -> None:
        double = create_double(Settings(seed=1), CATALOG)
        double.clock = Still()
        try:
            await steps(double)
        finally:
            await double.store.close()

    asyncio.run(run())


async def asked(
    double: Double, slug: str, endpoint: str, task_id: str = "", key: str = "sk-mock", query: Mapping[str, str] = {}
) -> Any:
    """Return the body that answers, or kind and detail of the refusal."""
    headers = {"authorization": f"Bearer {key}"}
    seen = trace()
    try:
        body = await answer_query(
            double,
            call(slug, endpoint, headers=headers, task_id=task_id, query=query, request_id=seen.request_id),
            seen,
        )
    except ApiError as error:
        return error.kind, error.detail
    assert (seen.key, seen.task_id) == (key, task_id)
    return body


def of_evolink(task_id: str = ID, ends: float = 30.0, **more: Any) -> Task:
    return task(task_id, ends, EVOLINK, model="qwen-image-edit", variant="edit", **more)


def of_dashscope(task_id: str, ends: float = 30.0, **more: Any) -> Task:
    return task(task_id, ends, DASHSCOPE, **{"model": "qwen-image", "variant": "synthesis", "starts": 25.0} | more)


def test_task_is_told_to_its_own_key() -> None:
    async def steps(double: Double) -> None:
        await double.store.add_task(of_evolink())
        body = await asked(double, "evolink", "task", ID)
        assert (body["id"], body["status"], body["progress"]) == (ID, "processing", 64)
        forbidden = ("task_forbidden", "the task belongs to another key")
        assert await asked(double, "evolink", "task", ID, "sk-mock.b") == forbidden
        unknown = ("task_not_found", "unknown task 'task-unified-2'")
        assert await asked(double, "evolink", "task", "task-unified-2") == unknown
        kind, detail = await asked(double, "evolink", "task", "t" * 200)
        assert (kind, detail) == (
            "task_id_invalid",
            f"expected a task id that begins with 'task-unified-', got '{'t' * 100}'",
        )
        kind, detail = await asked(double, "evolink", "task", "task-unified-" + "2" * 100)
        assert (kind, detail) == ("task_not_found", f"unknown task 'task-unified-{'2' * 87}'")
        await double.store.add_task(of_dashscope("task-unified-3"))
        assert (await asked(double, "evolink", "task", "task-unified-3"))[0] == "task_not_found"

    on(steps)


def test_provider_without_an_error_for_it_says_unknown() -> None:
    async def steps(double: Double) -> None:
        await double.store.add_task(of_dashscope("t"))
        unknown = {"task_id": "t", "task_status": "UNKNOWN"}
        assert (await asked(double, "dashscope", "task", "t"))["output"]["task_status"] == "PENDING"
        assert (await asked(double, "dashscope", "task", "t", "sk-mock.b"))["output"] == unknown
        assert (await asked(double, "dashscope", "task", "u"))["output"] == unknown | {"task_id": "u"}

    on(steps)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("sk-mock-throttled", ("rate_limited", "this key always fails with rate_limited")),
        ("sk-mock-broken", ("internal", "this key always fails with internal")),
        ("nobody", ("unauthorized", "the API key is not valid")),
    ],
)
def test_key_with_a_behaviour_is_refused(key: str, expected: tuple[str, str]) -> None:
    async def steps(double: Double) -> None:
        assert await asked(double, "evolink", "credits", key=key) == expected
        assert (await asked(double, "evolink", "credits", key="sk-mock-forbidden"))["success"]

    on(steps)


def test_tasks_that_have_ended_are_settled_first() -> None:
    async def steps(double: Double) -> None:
        await double.store.account(EVOLINK)
        await double.store.reserve(EVOLINK, "r-t", Decimal(3), None)
        await double.store.add_task(of_evolink("t", 10.0, failure="x"))
        data = (await asked(double, "evolink", "credits"))["data"]
        assert data["token"]["remaining_credits"] == 10.0
        assert data["user"]["used_credits"] == 0.0

    on(steps)


def test_credits_are_those_of_the_account() -> None:
    async def steps(double: Double) -> None:
        data = (await asked(double, "evolink", "credits"))["data"]
        assert data["token"]["remaining_credits"] == 1000000.0
        who = caller(double, "evolink")
        await double.store.reserve(who.defaults, "r-t", Decimal(3), None)
        await double.store.add_task(of_evolink("t", 10.0))
        data = (await asked(double, "evolink", "credits"))["data"]
        spent = 2 * float(CATALOG["evolink"].price_of("qwen-image-edit").amount or 0)
        assert (data["token"]["used_credits"], data["token"]["remaining_credits"]) == (spent, 1000000 - spent)

    on(steps)


# Cancellation.

NOT_CANCELLABLE = ("task_not_cancellable", "only a pending task can be cancelled")


@pytest.mark.parametrize(
    ("change", "is_cancelled"),
    [({}, True), ({"starts": 20.5}, True), ({"starts": 20.0}, False), ({"cancelled": 3.0}, False)],
)
def test_only_a_pending_task_can_be_cancelled(change: dict[str, Any], is_cancelled: bool) -> None:
    async def steps(double: Double) -> None:
        await double.store.add_task(of_dashscope("t", **change))
        assert await asked(double, "dashscope", "cancel", "t", "sk-mock.b") == NOT_CANCELLABLE
        assert await asked(double, "dashscope", "cancel", "u") == NOT_CANCELLABLE
        found = await asked(double, "dashscope", "cancel", "t")
        assert found == ({"request_id": "a-request"} if is_cancelled else NOT_CANCELLABLE)
        kept = await double.store.task("t")
        assert kept is not None
        assert kept.cancelled == (20.0 if is_cancelled else change.get("cancelled"))
        assert await asked(double, "dashscope", "cancel", "t") == NOT_CANCELLABLE

    on(steps)


def test_task_that_was_settled_meanwhile_cannot_be_cancelled() -> None:
    async def steps(double: Double) -> None:
        await double.store.add_task(of_dashscope("t"))

        async def never(*_: object) -> bool:
            return False

        double.store.finish_task = never  # type: ignore[method-assign]
        assert await asked(double, "dashscope", "cancel", "t") == NOT_CANCELLABLE

    on(steps)


# Pages.


@pytest.mark.parametrize(
    ("query", "ids", "number", "size", "total"),
    [
        ({}, "lkjihgfedc", 1, 10, 12),
        ({"page_no": "2"}, "ba", 2, 10, 12),
        ({"page_no": "3"}, "", 3, 10, 12),
        ({"page_no": "2", "page_size": "5"}, "gfedc", 2, 5, 12),
        ({"page_no": "0", "page_size": "0"}, "l", 1, 1, 12),
        ({"page_no": "x", "page_size": "-1"}, "lkjihgfedc", 1, 10, 12),
        ({"page_no": "", "page_size": "１"}, "lkjihgfedc", 1, 10, 12),
        ({"page_size": "100"}, "lkjihgfedcba", 1, 100, 12),
        ({"page_size": "999999"}, "lkjihgfedcba", 1, 100, 12),
        ({"page_size": "1000000"}, "lkjihgfedc", 1, 10, 12),
        ({"page_no": "999999", "page_size": "1"}, "", 100, 1, 12),
        ({"status": "SUCCEEDED"}, "ba", 1, 10, 2),
        ({"status": "PENDING", "page_size": "3"}, "lkj", 1, 3, 10),
        ({"status": "other"}, "", 1, 10, 0),
        ({"model_name": "qwen-image-plus"}, "c", 1, 10, 1),
        ({"model_name": "qwen-image-plus", "status": "SUCCEEDED"}, "", 1, 10, 0),
    ],
)
def test_page_of_the_tasks_of_a_key(query: dict[str, str], ids: str, number: int, size: int, total: int) -> None:
    async def steps(double: Double) -> None:
        names = double.dialects["dashscope"].list_parameters
        assert names is not None
        given = {"page_no": names.page, "page_size": names.size, "status": names.status, "model_name": names.model}
        for letter in "abcdefghijkl":
            model = "qwen-image-plus" if letter == "c" else "qwen-image"
            await double.store.add_task(
                of_dashscope(
                    letter, 15.0 if letter in "ab" else 30.0, model=model, starts=10.0 if letter in "ab" else 25.0
                )
            )
        await double.store.add_task(task("other", 30.0, DASHSCOPE._replace(key="sk-mock.b"), variant="synthesis"))
        await double.store.add_task(task("another", 30.0, EVOLINK, variant="edit"))
        found = await asked(double, "dashscope", "tasks", query={given[name]: value for name, value in query.items()})
        assert [each["task_id"] for each in found["data"]] == list(ids)
        assert (found["page_no"], found["page_size"], found["total"]) == (number, size, total)

    on(steps)
    assert LONGEST_PAGE == 100


def test_policy_is_for_the_folder_of_the_provider() -> None:
    async def steps(double: Double) -> None:
        data = (await asked(double, "dashscope", "uploads"))["data"]
        assert data["upload_dir"].startswith(double.dialects["dashscope"].upload_folder + "/")
        assert data["upload_host"].startswith("http://mock.example/")

    on(steps)


# From a body to its job.


def extracted(slug: str, variant: str, body: dict[str, Any]) -> Any:
    provider = CATALOG[slug]
    return extractor(provider, provider.variants[variant])(body)


def test_job_has_what_the_body_says() -> None:
    body = {
        "model": "qwen-image-plus",
        "prompt": "a cat",
        "parameters": {
            "size": "1328*1140",
            "n": 2.0,
            "negative_prompt": "dogs",
            "prompt_extend": False,
            "watermark": True,
        },
    }
    found = extracted("nebula", "simplified", body)
    assert found[2:] == ("qwen-image-plus", "a cat", "dogs", 2, (1328, 1140), None, True, False, (), None)
    assert type(found.n) is int
    assert (found.provider.slug, found.variant.name) == ("nebula", "simplified")
    edit = {
        "model": "qwen-image-edit-plus",
        "contents": [{"role": "user", "parts": [{"image": "a"}, {"image": "b"}, {"text": "inner"}]}],
        "prompt": "outer",
        "parameters": {"seed": 7.0},
    }
    found = extracted("nebula", "contents", edit)
    assert (found.images, found.seed, type(found.seed)) == (("a", "b"), 7, int)
    hook = {"model": "qwen-image-edit", "prompt": "p", "image_urls": ["u"], "callback_url": "https://hook.example"}
    assert extracted("evolink", "edit", hook).callback_url == "https://hook.example"


@pytest.mark.parametrize(("slug", "variant"), [("dashscope", "generation"), ("dashscope", "image"), ("aigc", "edit")])
def test_first_of_several_texts_is_the_prompt(slug: str, variant: str) -> None:
    content = [{"text": "first"}, {"text": "second"}]
    body = {"model": "qwen-image", "input": {"messages": [{"role": "user", "content": content}]}}
    assert extracted(slug, variant, body).prompt == "first"


def test_defaults_of_the_schema_come_before_those_of_all() -> None:
    found = extracted("nebula", "simplified", {"model": "qwen-image-plus", "prompt": "p"})
    schema: Any = CATALOG["nebula"].variants["simplified"].request.schema
    parameters = schema["properties"]["parameters"]["properties"]
    assert found.watermark is parameters["watermark"].get("default", False)
    assert found.prompt_extend is parameters["prompt_extend"].get("default", False)
    assert found.n == parameters["n"].get("default", 1)
    assert FALLBACKS == {
        "prompt": "", "negative_prompt": "", "n": 1, "size": None, "seed": None, "watermark": False,
        "prompt_extend": False, "callback_url": None,
    }  # fmt: skip


def test_long_prompt_is_cut_where_the_contract_says() -> None:
    truncated = [
        (provider.slug, variant.name, rule)
        for provider in CATALOG
        for variant in provider.variants.values()
        for rule in variant.request.rules
        if rule.keyword == "x-truncate"
    ]
    assert truncated
    slug, variant, rule = next(each for each in truncated if each[0] == "dashscope" and each[1] == "synthesis")
    assert rule.path == ("input", "prompt")
    body = {"model": "qwen-image", "input": {"prompt": "x" * (rule.number + 1)}}
    assert extracted(slug, variant, body).prompt == "x" * rule.number
    assert extracted(slug, variant, {"model": "qwen-image", "input": {"prompt": "x"}}).prompt == "x"


# The reader that is generated.


def test_reader_reads_groups_of_places() -> None:
    read = compile_reader([[("a", "*", "b"), ("c",)], [("a", "*", "d")], [("e",)]], {2: "default"})
    assert read({}) == ([], [], "default")
    assert read({"a": [{"b": 1, "d": 2}, {"b": 3}, 4], "c": 5, "e": 6}) == ([5, 1, 3], [2], 6)
    assert read({"a": {"b": 1}, "c": None, "e": None}) == ([None], [], None)
    assert read([1]) == ([], [], "default")
    assert compile_reader([[("*",)]])([1, [2]]) == ([1, [2]],)
    assert compile_reader([[("*", "*")]])([[1], 2, [3, 4]]) == ([1, 3, 4],)
    assert compile_reader([[()]])(7) == ([7],)
    assert compile_reader([[("a",)], [("a", "b")]])({"a": {"b": 1}}) == ([{"b": 1}], [1])
    assert compile_reader([])({}) == ()
    quotes = compile_reader([[("it's", '"x"')]])
    assert quotes({"it's": {'"x"': 1}}) == ([1],)
