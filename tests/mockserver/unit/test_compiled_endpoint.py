"""The compiled path alone: what it answers and books, and everything that it leaves to the general way unchanged."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import astuple, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from call_values import BASE, BODIES, CATALOG, call, caller, data_url, job

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.calls import compiled
from qwenmock.mockserver.calls.call import Answer
from qwenmock.mockserver.calls.compiled import (
    MAX_BODY,
    TERMS,
    CompiledEndpoint,
    CompiledQuery,
    SentAnswer,
    compile_endpoints,
    is_plain,
)
from qwenmock.mockserver.calls.compiled_refusals import LARGEST
from qwenmock.mockserver.calls.double import Double, create_double
from qwenmock.mockserver.calls.faults import Fault
from qwenmock.mockserver.calls.generation import new_task
from qwenmock.mockserver.calls.journal import sender_of
from qwenmock.mockserver.calls.templates import _blank, _learn, created_template, success_template
from qwenmock.mockserver.clock import Clock
from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.http.app import _is_usual
from qwenmock.mockserver.models import Job, Result, Task, TaskStatus
from qwenmock.mockserver.settings import Latency, Settings
from qwenmock.mockserver.store.brief import brief
from qwenmock.mockserver.store.compact import TUPLE_BYTES
from qwenmock.mockserver.store.protocols import InsufficientBalance, Selection
from qwenmock.mockserver.store.records import JOURNAL_BYTES
from qwenmock.pytest_plugin.examiner.sample_images import picture
from qwenmock.schemas.sources import cited
from qwenmock.schemas.vocabulary import JSON

NEBULA = CATALOG["nebula"]
PATH = NEBULA.endpoints["create"].path
BODY = BODIES["nebula", "create"]
PRICE = NEBULA.price_of("qwen-image-plus").amount
EDIT: dict[str, Any] = {
    "model": "qwen-image-edit-plus",
    "prompt": "a cat",
    "parameters": {"n": 2, "seed": 7},
    "contents": [{"role": "user", "parts": [{"image": "https://images.example/a.png"}, {"text": "a cat"}]}],
}
EVERYTHING = Selection()


def edit(*images: str) -> dict[str, Any]:
    parts: list[dict[str, str]] = [{"image": url} for url in images]
    return EDIT | {"contents": [{"role": "user", "parts": [*parts, {"text": "a cat"}]}]}


class Still(Clock):
    """A clock that stands."""

    def now(self) -> float:
        return 1000.75 + self.offset


Steps = Callable[[Double, CompiledEndpoint], Awaitable[None]]


def on(steps: Steps, *, slug: str = "nebula", endpoint: str = "create", **settings: Any) -> None:
    async def run() -> None:
        double = create_double(Settings(seed=1, **settings), CATALOG)
        double.clock = Still()
        await double.store.account(caller(double, slug).defaults)
        provider = CATALOG[slug]
        try:
            store = double.store.quick
            assert store is not None
            await steps(double, CompiledEndpoint(double, store, provider, provider.endpoints[endpoint]))
        finally:
            await double.store.close()

    asyncio.run(run())


async def sent(
    endpoint: CompiledEndpoint,
    body: object = BODY,
    *,
    key: str = "sk-mock",
    base: str = BASE,
    data: bytes | None = None,
    **headers: str,
) -> SentAnswer | Answer | None:
    names = {"authorization": f"Bearer {key}"} | headers
    made = call(endpoint._provider.slug, endpoint._endpoint.name, body, data=data, headers=names)
    return await endpoint.answer(made._replace(base_url=base))


async def balance(double: Double) -> Decimal:
    [found] = await double.store.accounts(EVERYTHING)
    return found.balance


def test_usual_request_is_answered_charged_and_noted() -> None:
    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        logged: list[Any] = []
        counted: list[tuple[Any, ...]] = []
        double.log = logged.append
        double.metrics.answered = lambda *values: counted.append(values)  # type: ignore[method-assign]
        answer = await sent(endpoint, EDIT)
        assert answer is not None
        cost = 2 * NEBULA.price_of("qwen-image-edit-plus").amount
        [charge] = await double.store.charges(EVERYTHING)
        assert charge == (
            answer.request_id, "nebula", "qwen-image-edit-plus", "sk-mock", 2, cost / 2, "CNY", cost, 1000.75,
        )  # fmt: skip
        assert await balance(double) == 1000000 - cost
        [entry] = await double.store.journal(EVERYTHING)
        milliseconds, microseconds = entry.pop("milliseconds"), entry.pop("microseconds")  # type: ignore[misc]
        assert 0 <= milliseconds < 10_000
        assert microseconds.keys() == {"compiled"}
        assert entry == {
            "id": answer.request_id, "at": 1000.75, "provider": "nebula", "endpoint": "create", "method": "POST",
            "path": PATH, "key": "sk-m…", "status": 200, "variant": "contents", "model": "qwen-image-edit-plus",
            "task": "", "effective_prompt": "a cat", "effective_negative_prompt": entry["effective_negative_prompt"],
            "request": EDIT, "answer": orjson.loads(answer.body), "retry_after": None, "refusal": None, "rule": None,
            "advisories": [],
            "charge": {"id": charge.id, "images": 2, "amount": f"{cost:f}", "currency": "CNY"},
            "request_headers": {"authorization": "Bearer sk-m…", "content-type": "application/json"},
            "answer_headers": {
                "x-request-id": answer.request_id, "content-type": "application/json", "x-qwenmock": __version__,
                "content-length": str(len(answer.body)),
            },
        }  # fmt: skip
        [(slug, status, stage, seconds, bill)] = counted
        assert (slug, status, stage, astuple(bill)) == ("nebula", 200, "charge", ("CNY", 2, cost))
        assert 0 <= seconds < 10
        assert [each.id for each in logged] == [answer.request_id]

    on(steps)


def test_answer_has_links_that_lead_to_its_images() -> None:
    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        answer = await sent(endpoint, EDIT)
        assert answer is not None
        text = answer.body.decode()
        links = [part.partition('"')[0] for part in text.split('"') if part.startswith(f"{BASE}/__files__/")]
        assert len(set(links)) == 2
        for number, link in enumerate(dict.fromkeys(links)):
            path, _, query = link.removeprefix(BASE).partition("?")
            token, name = path.split("/")[2:]
            assert name == f"{number}.png"
            recipe = await double.links.recipe(token)
            assert recipe is not None
            assert (recipe.seed, recipe.images, recipe.request_id) == (7, 2, answer.request_id)
            assert (recipe.width, recipe.height) == (1024, 1024)
            assert [each[1] for each in recipe.inputs] == ["https://images.example/a.png"]
            assert f"Expires={1000 + NEBULA.link_lifetime}&" in query
        assert '"created":1000' in text
        second = await sent(endpoint, BODY)
        assert second is not None
        assert second.request_id != answer.request_id

    on(steps)


def test_seed_that_is_not_given_is_drawn() -> None:
    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        seeds = set()
        for _ in range(8):
            answer = await sent(endpoint, BODY)
            assert answer is not None
            token = answer.body.decode().partition("/__files__/")[2].partition("/")[0]
            recipe = await double.links.recipe(token)
            assert recipe is not None
            assert 0 <= recipe.seed < 2**31
            assert (recipe.width, recipe.height) == (1328, 1328)
            seeds.add(recipe.seed)
        assert len(seeds) == 8

    on(steps)


@pytest.mark.parametrize(("images", "size"), [((), (2048, 2048)), (("https://images.example/a.png",), (1024, 1024))])
def test_size_that_is_not_given_is_that_of_images_with_and_without_inputs(
    images: tuple[str, ...], size: tuple[int, int]
) -> None:
    content = [*({"image": url} for url in images), {"text": "a cat"}]
    body = {"model": "qwen-image-2.0-pro", "input": {"messages": [{"role": "user", "content": content}]}}

    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        answer = await sent(endpoint, body)
        assert isinstance(answer, SentAnswer)
        token = answer.body.decode().partition("/__files__/")[2].partition("/")[0]
        recipe = await double.links.recipe(token)
        assert recipe is not None
        assert (recipe.width, recipe.height) == size

    on(steps, slug="dashscope")


# Tasks.


def test_task_is_created_reserved_and_noted() -> None:
    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        woken: list[bool] = []
        counted: list[tuple[Any, ...]] = []
        double.wake = lambda: woken.append(True)
        double.metrics.answered = lambda *values: counted.append(values)  # type: ignore[method-assign]
        body = BODIES["evolink", "create"] | {"callback_url": "https://hook.example/"}
        answer = await sent(endpoint, body)
        assert answer is not None
        price = CATALOG["evolink"].price_of("qwen-image-edit").amount
        [made] = await double.store.tasks(EVERYTHING)
        assert replace(made, urls=()) == Task(
            id=made.id, provider="evolink", endpoint="create", variant="edit", key="sk-mock",
            request_id=answer.request_id, model="qwen-image-edit", prompt="a cat", prompt_extend=made.prompt_extend,
            created=1000.75, starts=1000.95, ends=1001.75, urls=(), width=1024, height=1024, failed=0, failure=None,
            callback_url="https://hook.example/", callback_fault=None, reserved=price, input_images=1,
        )  # fmt: skip
        assert f"Expires={1001 + CATALOG['evolink'].link_lifetime}&" in made.urls[0]
        [found] = await double.store.accounts(EVERYTHING)
        assert (found.balance, found.reserved) == (1000000 - price, price)
        assert await double.store.charges(EVERYTHING) == []
        [entry] = await double.store.journal(EVERYTHING)
        assert (entry["task"], entry["charge"], entry["variant"]) == (made.id, None, "edit")
        assert entry["answer"] == double.dialects["evolink"].created(CATALOG["evolink"], made)
        [(slug, status, stage, _, bill)] = counted
        assert (slug, status, stage, bill, woken) == ("evolink", 200, "generate", None, [True])

    on(steps, slug="evolink")


def test_tasks_that_have_ended_are_settled_first() -> None:
    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        for _ in range(2):
            assert await sent(endpoint, BODIES["evolink", "create"]) is not None
            await double.store.tasks(EVERYTHING)
            double.clock.offset += 5
        assert [each.settled for each in await double.store.tasks(EVERYTHING)] == [False, True]
        assert len(await double.store.charges(EVERYTHING)) == 1

    on(steps, slug="evolink")


@pytest.mark.parametrize(("value", "is_usual"), [("enable", True), ("Enable", True), ("disable", False), ("", False)])
def test_endpoint_is_called_in_its_own_mode(value: str, is_usual: bool) -> None:
    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        answer = await sent(endpoint, BODIES["dashscope", "synthesize"], **{"x-dashscope-async": value})
        assert (answer is not None) is is_usual

    on(steps, slug="dashscope", endpoint="synthesize")


@pytest.mark.parametrize(
    ("brackets", "is_usual"), [("[" * 4, True), ("[" * 5, False), ("{" * 4, True), ("[[{{", True), ("[[{{{", False)]
)
def test_body_with_many_brackets_is_left_to_the_general_way(brackets: str, is_usual: bool) -> None:
    """The journal reads it within more brackets, and the reader of JSON has a limit."""
    own = orjson.dumps(BODY).count(b"{") + orjson.dumps(BODY).count(b"[")
    prompt = brackets + "[" * (1000 - 4 - own)

    async def steps(_: Double, endpoint: CompiledEndpoint) -> None:
        assert (await sent(endpoint, BODY | {"prompt": prompt}) is not None) is is_usual

    on(steps)


@pytest.mark.parametrize(("size", "is_usual"), [(8192, True), (8193, False)])
def test_head_of_8_kb_is_usual(size: int, is_usual: bool) -> None:
    fixed = {b"content-type": b"application/json"}
    headers = fixed | {b"x": b"x" * (size - 1 - sum(map(len, [*fixed, *fixed.values()])))}
    assert _is_usual(NEBULA.endpoints["create"], headers) is is_usual


def test_links_of_a_long_prompt_are_opened_too() -> None:
    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        answer = await sent(endpoint, BODY | {"prompt": "a cat " * 400})
        assert answer is not None
        url = re.search(rb'http://[^"]+', answer.body)
        assert url is not None
        token = url[0].decode().removeprefix(f"{BASE}/__files__/").partition("/")[0]
        assert token.startswith("~")
        recipe = await double.links.recipe(token)
        assert recipe is not None
        assert recipe.prompt == "a cat " * 400

    on(steps)


@pytest.mark.parametrize("slug", ["nebula", "evolink"])
def test_answer_waits_until_what_it_says_is_committed(slug: str) -> None:
    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        store = double.store.quick
        assert store is not None
        commit = asyncio.get_running_loop().create_future()
        logged: list[Any] = []
        double.log = logged.append
        store.sell = store.order = lambda *_: commit  # type: ignore[attr-defined, method-assign]
        answering = asyncio.ensure_future(sent(endpoint, BODIES[slug, "create"]))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not answering.done()
        assert not logged
        commit.set_result(None)
        assert await answering is not None
        assert logged

    on(steps, slug=slug)


# Queries.


async def asked(double: Double, name: str, **more: Any) -> SentAnswer | None:
    store = double.store.quick
    assert store is not None
    provider = CATALOG["evolink"]
    return await CompiledQuery(double, store, provider, provider.endpoints[name]).answer(call("evolink", name, **more))


def test_query_is_answered_and_noted() -> None:
    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        assert await sent(endpoint, BODIES["evolink", "create"]) is not None
        [task] = await double.store.tasks(EVERYTHING)
        logged: list[Any] = []
        counted: list[tuple[Any, ...]] = []
        double.log = logged.append
        double.metrics.answered = lambda *values: counted.append(values)  # type: ignore[method-assign]
        answer = await asked(double, "task", task_id=task.id, request_id="asked")
        assert answer is not None
        seen = TaskStatus("pending", 0)
        assert orjson.loads(answer.body) == double.dialects["evolink"].task(CATALOG["evolink"], task, seen, "asked")
        entry, _ = await double.store.journal(EVERYTHING)
        assert 0 <= entry.pop("milliseconds") < 10_000  # type: ignore[misc]
        assert entry.pop("microseconds").keys() == {"compiled"}  # type: ignore[misc]
        assert entry == {
            "id": "asked", "at": 1000.75, "provider": "evolink", "endpoint": "task", "method": "GET",
            "path": f"/v1/tasks/{task.id}", "key": "sk-m…", "status": 200, "variant": "", "model": "",
            "task": task.id, "effective_prompt": "", "effective_negative_prompt": "", "request": None,
            "answer": orjson.loads(answer.body), "retry_after": None, "refusal": None, "rule": None, "advisories": [],
            "charge": None,
            "request_headers": {"authorization": "Bearer sk-m…", "content-type": "application/json"},
            "answer_headers": {
                "x-request-id": "asked", "content-type": "application/json", "x-qwenmock": __version__,
                "content-length": str(len(answer.body)),
            },
        }  # fmt: skip
        [(slug, status, stage, seconds, bill)] = counted
        assert (slug, status, stage, bill) == ("evolink", 200, "authenticate", None)
        assert 0 <= seconds < 10
        assert [each.id for each in logged] == ["asked"]
        credit = await asked(double, "credits")
        assert credit is not None
        assert b"remaining_credits" in credit.body

    on(steps, slug="evolink")


@pytest.mark.parametrize(
    "unusual",
    [
        {"task_id": "task-unified-1-x"},
        {"task_id": "wrong"},
        {"headers": {"prefer": "wait=1"}},
        {"headers": {"authorization": "Bearer nobody"}},
        {"headers": {"authorization": "Bearer sk-mock-broken"}},
    ],
)
def test_unusual_query_is_left_to_the_general_way(unusual: dict[str, Any]) -> None:
    async def steps(double: Double, _: CompiledEndpoint) -> None:
        double.log = lambda _: pytest.fail("noted")
        assert await asked(double, "task", **unusual) is None
        assert await double.store.journal(EVERYTHING) == []

    on(steps, slug="evolink")


def test_query_that_cannot_be_noted_is_left_to_the_general_way() -> None:
    async def steps(double: Double, _: CompiledEndpoint) -> None:
        async def fail() -> None:
            raise StoreError("full")

        double.store.note = lambda _: fail()  # type: ignore[attr-defined]
        double.log = lambda _: pytest.fail("noted")
        assert await asked(double, "credits") is None

    on(steps, slug="evolink")


# What is refused.


@pytest.mark.parametrize("more", [{}, {"x": "data:image/png;base64," + "A" * 300}])
def test_body_that_breaks_a_rule_is_refused_and_noted(more: dict[str, str], tmp_path: Path) -> None:
    body = BODY | {"parameters": {"size": "1328*1328", "n": 0}} | more

    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        logged: list[Any] = []
        counted: list[tuple[Any, ...]] = []
        double.log = logged.append
        double.metrics.answered = lambda *values: counted.append(values)  # type: ignore[method-assign]
        before = await balance(double)
        answer = await sent(endpoint, body)
        assert isinstance(answer, Answer)
        rule = NEBULA.variants["simplified"].request.rule_at[("parameters", "n"), "minimum"]
        detail = "parameters.n must be at least 1, got 0"
        assert orjson.loads(answer.body) == {"code": 400, "msg": f"Parameter Error: {detail}", "data": None}
        assert answer == Answer(400, answer.body, {
            "x-request-id": answer.headers["x-request-id"], "x-qwenmock-detail": detail, "x-qwenmock-rule": rule.id,
            "x-qwenmock-source": rule.source,
        })  # fmt: skip
        assert await balance(double) == before
        assert await double.store.charges(EVERYTHING) == []
        [entry] = await double.store.journal(EVERYTHING)
        milliseconds, microseconds = entry.pop("milliseconds"), entry.pop("microseconds")  # type: ignore[misc]
        assert 0 <= milliseconds < 10_000
        assert microseconds.keys() == {"compiled"}
        assert entry == {
            "id": logged[0].id, "at": 1000.75, "provider": "nebula", "endpoint": "create", "method": "POST",
            "path": PATH, "key": "sk-m…", "status": 400, "variant": "simplified", "model": "", "task": "",
            "effective_prompt": "", "effective_negative_prompt": "", "request": brief(body),
            "answer": orjson.loads(answer.body), "retry_after": None, "refusal": {"kind": "invalid", "detail": detail},
            "rule": {"id": rule.id, "source": cited(rule.source), "certainty": rule.reject_certainty},
            "advisories": [], "charge": None, "fingerprint": sender_of("Bearer sk-mock"),
            "request_headers": {"authorization": "Bearer sk-m…", "content-type": "application/json"},
            "answer_headers": {
                **answer.headers, "content-type": "application/json", "x-qwenmock": __version__,
                "content-length": str(len(answer.body)),
            },
        }  # fmt: skip
        [(slug, status, stage, seconds, bill)] = counted
        assert (slug, status, stage, bill) == ("nebula", 400, "validate", None)
        assert 0 <= seconds < 10
        assert len(logged) == 1

    on(steps)
    on(steps, state=str(tmp_path / "a.db"))


def test_longest_body_that_is_refused_and_kept_as_it_is() -> None:
    data = orjson.dumps(BODY | {"parameters": {"n": 7}}).ljust(LARGEST)

    async def steps(_double: Double, endpoint: CompiledEndpoint) -> None:
        assert isinstance(await sent(endpoint, data=data), Answer)
        assert await sent(endpoint, data=data + b" ") is None

    assert LARGEST == 4000
    on(steps)


def test_image_that_stands_without_its_array_is_no_reason_to_refuse() -> None:
    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        body = {"model": "qwen-image-3.0", "prompt": "a cat"}
        assert await sent(endpoint, body | {"image": "https://images.example/a.png"}) is None
        assert isinstance(await sent(endpoint, body | {"image": "ftp://images.example/a.png"}), Answer)

    on(steps, slug="dashscope", endpoint="compatible")


# What is unusual.


async def left(double: Double, endpoint: CompiledEndpoint, *args: Any, **more: Any) -> None:
    """Check that the general way must answer, and that nothing has changed."""
    state, money = double.rng.getstate(), await balance(double)
    assert await sent(endpoint, *args, **more) is None
    assert double.rng.getstate() == state
    assert await balance(double) == money
    assert await double.store.charges(EVERYTHING) == []
    assert await double.store.journal(EVERYTHING) == []


UNUSUAL: dict[str, dict[str, Any]] = {
    "unknown key": {"key": "nobody"},
    "account that is not open": {"key": "sk-mock.new"},
    "no object": {"body": [1]},
    "no JSON": {"data": b"{"},
    "nothing": {"data": b""},
    "no model": {"body": {"prompt": "a cat"}},
    "model that is no text": {"body": BODY | {"model": 7}},
    "unknown model": {"body": BODY | {"model": "dall-e"}},
    "invalid and long": {"data": orjson.dumps(BODY | {"parameters": {"n": 7}}).ljust(4001)},
    "unknown field": {"body": BODY | {"flavour": 1}},
    "directive": {"body": BODY | {"prompt": "a cat [[qwenmock:wait=1]]"}},
    "directive without a colon": {"body": BODY | {"prompt": "a cat [[qwenmock wait=1]]"}},
    "picture in it": {"body": edit(data_url(picture()))},
    "images that the prompt does not name": {"body": edit("https://images.example/a.png", "https://images.example/b.png")},
    "address that does not stand in JSON": {"base": 'http://mock.example"'},
    "preference": {"prefer": "wait=1"},
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_request_changes_nothing(name: str) -> None:
    on(lambda double, endpoint: left(double, endpoint, **UNUSUAL[name]))


def test_header_of_another_endpoint_is_unusual() -> None:
    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        assert await sent(endpoint, BODIES["dashscope", "create"], **{"x-dashscope-async": "enable"}) is None
        assert await sent(endpoint, BODIES["dashscope", "create"], other="enable") is not None

    on(steps, slug="dashscope")


@pytest.mark.parametrize("key", ["sk-mock-broken", "sk-mock-forbidden", "sk-mock-throttled", "sk-mock-limited"])
def test_key_with_a_behaviour_is_unusual(key: str) -> None:
    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        await double.store.account(caller(double, key=key).defaults)
        assert await sent(endpoint, key=key) is None
        assert await double.store.charges(EVERYTHING) == []

    on(steps)


def test_any_fault_makes_requests_unusual() -> None:
    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        await double.plan.set([Fault(provider="aigc")])
        await left(double, endpoint)
        await double.plan.set([])
        assert await sent(endpoint) is not None

    on(steps)


@pytest.mark.parametrize(
    ("amount", "is_sold"),
    [(PRICE, True), (PRICE - Decimal("0.000000001"), False), (PRICE + 1, True), (Decimal(0), False)],
)
def test_account_that_cannot_pay_is_left_to_the_general_way(amount: Decimal, is_sold: bool) -> None:
    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        await double.store.change_account(caller(double).defaults, {"balance": amount})
        if is_sold:
            assert await sent(endpoint) is not None
            assert await balance(double) == amount - PRICE
        else:
            await left(double, endpoint)

    on(steps)


def test_empty_account_buys_nothing_for_nothing() -> None:
    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        assert await sent(endpoint) is not None
        assert await balance(double) == 1000000
        await double.store.change_account(caller(double).defaults, {"balance": Decimal(0)})
        state = double.rng.getstate()
        assert await sent(endpoint) is None
        assert double.rng.getstate() == state
        await double.store.change_account(caller(double).defaults, {"balance": Decimal("0.000000001")})
        assert await sent(endpoint) is not None

    on(steps, prices={"nebula": Decimal(0)})


@pytest.mark.parametrize("failure", [InsufficientBalance(), StoreError("full")])
def test_sale_that_fails_is_left_to_the_general_way(failure: Exception) -> None:
    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        def fail(*_: object) -> None:
            raise failure

        counted: list[object] = []
        double.log = counted.append
        double.store.sell = fail  # type: ignore[method-assign]
        assert await sent(endpoint) is None
        assert counted == []

    on(steps)


def test_price_of_a_model_that_is_not_known_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled.pricing, "unit_price", lambda *_: None)

    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        assert await sent(endpoint) is not None
        [charge] = await double.store.charges(EVERYTHING)
        assert (charge.unit_price, charge.amount) == (None, 0)

    on(steps)


def test_answers_that_cannot_be_predicted_are_unusual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "success_template", lambda *_: None)
    on(left)


def test_terms_are_made_once_for_each_kind_of_request(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, int, int]] = []

    def template(_dialect: object, for_job: Job) -> Any:
        made.append((for_job.model, for_job.n, len(for_job.images)))
        assert not for_job.watermark
        assert not for_job.prompt_extend
        return lambda values: f"{values}"

    monkeypatch.setattr(compiled, "success_template", template)

    async def steps(double: Double, endpoint: CompiledEndpoint) -> None:
        for body in (BODY, BODY | {"prompt": "a dog"}, EDIT, EDIT):
            assert await sent(endpoint, body) is not None
        assert made == [("qwen-image-plus", 1, 0), ("qwen-image-edit-plus", 2, 1)]

    on(steps)


# Which endpoints.


def names(**settings: Any) -> set[tuple[str, str]]:
    double = create_double(Settings(**settings), CATALOG)
    asyncio.run(double.store.close())
    return set(compile_endpoints(double))


def test_endpoints_that_make_images_or_tell_something_are_compiled(tmp_path: Path) -> None:
    created = {(slug, "create") for slug in ("ai302", "aigc", "dashscope", "evolink", "nebula")}
    dashscope = {("dashscope", name) for name in ("compatible", "synthesize", "generate", "task", "tasks")}
    assert names() == created | dashscope | {("evolink", "task"), ("evolink", "credits")}
    assert names(latency=Latency(0.0, 0.0)) == names()
    for settings in ({"latency": Latency(0.0, 0.5)}, {"fetch_images": True}, {"replay": tmp_path}):
        assert names(**settings) == set()
    assert (MAX_BODY, TERMS) == (16384, 4096)


def test_endpoint_with_a_body_makes_images() -> None:
    double = create_double(Settings(), CATALOG)
    kinds = {names: type(each) for names, each in compile_endpoints(double).items()}
    asyncio.run(double.store.close())
    assert kinds["nebula", "create"] is CompiledEndpoint
    assert kinds["evolink", "task"] is CompiledQuery


def test_journal_holds_as_many_entries_with_the_largest_bodies() -> None:
    """The general way shortens what it keeps; here long bodies must not make earlier entries go before their time."""
    longest_answer = 10_000
    assert Settings().journal_max * (TUPLE_BYTES + MAX_BODY + longest_answer) < JOURNAL_BYTES


@pytest.mark.parametrize(
    ("text", "is_it"), [("http://a.example:8080/ä", True), ('"', False), ("\\", False), ("\n", False), ("", True)]
)
def test_text_that_stands_in_json_as_it_is(text: str, is_it: bool) -> None:
    assert is_plain(text) is is_it


# Templates.


@pytest.mark.parametrize("slug", ["ai302", "aigc", "dashscope", "nebula"])
def test_template_writes_what_the_dialect_writes(slug: str) -> None:
    provider = CATALOG[slug]
    double = create_double(Settings(), CATALOG)
    asyncio.run(double.store.close())
    for variant in provider.endpoints["create"].variants:
        images = ("https://a.example",) if "image" in variant.request.roles else ()
        for_job = job(slug, variant.name, n=3, images=images, prompt="%s 100 % @1.0@")
        fill = success_template(double.dialects[slug], for_job)
        assert fill is not None
        urls = tuple(f"http://mock.example/{number}%2F" for number in range(3))
        result = Result(for_job, "id", 1234, urls, 640, 480)
        assert fill(("id", 1234, 640, 480, *urls)).encode() == orjson.dumps(double.dialects[slug].success(result))


@pytest.mark.parametrize(
    ("slug", "name"), [("evolink", "create"), ("dashscope", "synthesize"), ("dashscope", "generate")]
)
def test_template_writes_what_the_dialect_writes_of_a_new_task(slug: str, name: str) -> None:
    provider, endpoint = CATALOG[slug], CATALOG[slug].endpoints[name]
    double = create_double(Settings(), CATALOG)
    asyncio.run(double.store.close())
    for variant in endpoint.variants:
        for_job = job(slug, variant.name)
        fill = created_template(double.dialects[slug], endpoint, for_job, Decimal("0.25"))
        assert fill is not None
        made = new_task(
            double, call(slug, name, request_id="id"), for_job, "k", (1234.9, 1235.0, 1236.0), (64, 48), ["u"],
            Decimal("0.25"),
        )  # fmt: skip
        body = orjson.dumps(double.dialects[slug].created(provider, made))
        assert fill(("id", 1234, 64, 48, made.id)).encode() == body


@pytest.mark.parametrize(
    ("field", "is_predicted"),
    [
        ("created", False), ("starts", False), ("ends", False), ("prompt", False), ("prompt_extend", False),
        ("urls", False), ("key", False), ("callback_url", False), ("id", True), ("request_id", True), ("model", True),
        ("reserved", True), ("width", True), ("provider", True), ("endpoint", True), ("variant", True),
        ("input_images", True), ("failed", True), ("failure", True), ("settled", True), ("callback_fault", True),
    ],
)  # fmt: skip
def test_answer_with_more_of_a_task_has_no_template(field: str, is_predicted: bool) -> None:
    endpoint = CATALOG["evolink"].endpoints["create"]
    for_job = job("evolink", "edit", images=("u",))
    fill = created_template(Dialect(field), endpoint, for_job, Decimal("0.5"))  # type: ignore[arg-type]
    assert (fill is not None) is is_predicted
    values: dict[str, Any] = {
        "id": "t", "request_id": "r", "model": "qwen-image-edit", "reserved": "0.5", "width": 64,
        "provider": "evolink", "endpoint": "create", "variant": "edit", "input_images": 1, "failed": 0,
        "failure": None, "settled": False, "callback_fault": None,
    }  # fmt: skip
    if fill is not None:
        assert orjson.loads(fill(("r", 1, 64, 48, "t"))) == {field: values[field]}


class Dialect:
    """Writes of a job what it is told to."""

    def __init__(self, *fields: str) -> None:
        self._fields = fields

    def success(self, result: Result) -> JSON:
        written = {field: getattr(result.job, field) for field in self._fields}
        return [result.request_id, result.urls, orjson.loads(orjson.dumps(written))]

    def created(self, _provider: object, task: Task) -> JSON:
        written = {field: getattr(task, field) for field in self._fields}
        return orjson.loads(orjson.dumps(written, default=str))


@pytest.mark.parametrize(
    ("field", "is_predicted"),
    [
        ("prompt", False), ("negative_prompt", False), ("size", False), ("seed", False), ("watermark", False),
        ("prompt_extend", False), ("images", False), ("callback_url", False), ("model", True), ("n", True),
    ],
)  # fmt: skip
def test_answer_with_more_of_a_job_has_no_template(field: str, is_predicted: bool) -> None:
    fill = success_template(Dialect(field), job(variant="contents", images=("u",)))  # type: ignore[arg-type]
    assert (fill is not None) is is_predicted
    assert success_template(Dialect("images"), job(images=())) is not None  # type: ignore[arg-type]


def test_blanks_are_different_and_cannot_be_mistaken() -> None:
    kinds = ("", 0, 0, 0, *[""] * 12)
    one, two = _blank(1, kinds), _blank(2, kinds)
    fields = [str(value) for value in (*one.fields, *two.fields)]
    assert len(set(fields)) == len(fields)
    assert not any(a in b for a in fields for b in fields if a is not b)
    assert (one.fields[0], one.fields[1], two.fields[15]) == ("@1.0@", 7_310_001_001, "@2.15@")
    assert (one.number, two.number) == (1, 2)


def test_template_keeps_the_text_around_its_fields() -> None:
    known, check = _blank(1, ("", 0)), _blank(2, ("", 0))
    fill = _learn(lambda blank: f"100 % {blank.fields[1]}, %s {blank.fields[0]}".encode(), known, check)
    assert fill is not None
    assert fill(("a", 1)) == "100 % 1, %s a"
    fill = _learn(lambda blank: f"{blank.fields[0]}{blank.fields[0]}".encode(), known, check)
    assert fill is not None
    assert fill(("a", 1)) == "aa"
