"""What each dialect writes: whole bodies, so that nothing in them can change unnoticed."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from call_values import CATALOG, job
from store_values import task

from qwenmock.mockserver.dialects import dialects_of
from qwenmock.mockserver.dialects.base import Dialect, TaskPage
from qwenmock.mockserver.models import Account, Refused, Result, TaskStatus, UploadPolicy
from qwenmock.mockserver.store.protocols import AccountDefaults
from qwenmock.schemas.models import Document, Provider

DIALECTS = dialects_of(CATALOG)
EVOLINK_MESSAGE = "Service error, please try again later."
IMAGES = ("https://mock.example/a.png", "https://mock.example/b.png")
INPUTS = ("https://images.example/1.png",) * 3


def result(slug: str, variant: str, inputs: tuple[str, ...] = (), failed: int = 1) -> Result:
    return Result(job(slug, variant, images=inputs), "r-1", 1234, IMAGES, 640, 480, failed)


def refused(slug: str, kind: str, param: str = "") -> Refused:
    return Refused(CATALOG[slug].errors[kind], "it was wrong", "r-1", param)


def message_of(urls: tuple[str, ...] = IMAGES) -> list[Any]:
    content = [{"image": url} for url in urls]
    return [{"finish_reason": "stop", "message": {"role": "assistant", "content": content}}]


USAGE = {"width": 640, "height": 480, "image_count": 2}
LISTED = [{"url": url, "b64_json": "", "revised_prompt": ""} for url in IMAGES]
PASSED_ON = {"output": {"choices": message_of()}, "usage": USAGE, "request_id": "r-1"}
COUNTED: dict[str, Any] = {
    **PASSED_ON,
    "output": {"choices": message_of(), "task_metric": {"FAILED": 1, "SUCCEEDED": 2, "TOTAL": 3}},
}


@pytest.mark.parametrize(
    ("key", "made", "body"),
    [
        ("ai302", result("ai302", "edit", INPUTS), PASSED_ON),
        ("ai302", result("ai302", "generation"), COUNTED),
        ("aigc", result("aigc", "edit", INPUTS), {"created": 1234, "data": LISTED, "metadata": PASSED_ON}),
        (
            "nebula",
            result("nebula", "simplified"),
            {
                "code": 200,
                "msg": "Operation successful",
                "data": {"data": LISTED, "created": 1234, "metadata": COUNTED},
            },
        ),
        (
            "nebula",
            result("nebula", "simplified", INPUTS),
            {
                "code": 200,
                "msg": "Operation successful",
                "data": {"data": LISTED, "created": 1234, "metadata": PASSED_ON},
            },
        ),
    ],
)
def test_success(key: str, made: Result, body: object) -> None:
    assert DIALECTS[key].success(made) == body


@pytest.mark.parametrize(
    ("variant", "usage"),
    [
        ("edit", USAGE),
        (
            "image",
            {"output_width": 640, "output_height": 480, "output_image_count": 2, "input_image_count": 3},
        ),
    ],
)
def test_success_of_model_studio_names_its_usage_as_the_variant_does(variant: str, usage: dict[str, int]) -> None:
    made = result("dashscope", variant, INPUTS)
    assert DIALECTS["dashscope"].success(made) == {**PASSED_ON, "usage": usage}
    assert DIALECTS["dashscope"].success(result("dashscope", "generation")) == COUNTED


def test_success_in_the_compatible_protocol() -> None:
    usage = {"output_width": 640, "output_height": 480, "output_image_count": 2, "input_image_count": 3}
    expected = {"created": 1234, "data": [{"url": url} for url in IMAGES], "usage": usage}
    assert DIALECTS["dashscope/compatible"].success(result("dashscope", "compatible", INPUTS)) == expected


EVOLINK_FIELDS = {"code": "invalid_request", "type": "invalid_request_error"}
AIGC_FIELDS = {"code": "invalid_parameter", "type": "invalid_request_error"}
UPSTREAM = {"code": "InvalidParameter", "message": "it was wrong", "request_id": "r-1"}


@pytest.mark.parametrize(
    ("key", "param", "body"),
    [
        ("nebula", "n", {"code": 400, "msg": "it was wrong", "data": None}),
        ("evolink", "n", {"error": {"message": "it was wrong", "param": "n", **EVOLINK_FIELDS}}),
        ("evolink", "", {"error": {"message": "it was wrong", **EVOLINK_FIELDS}}),
        ("aigc", "n", {"error": {"message": "it was wrong (request id: r-1)", "param": "n", **AIGC_FIELDS}}),
        ("ai302", "n", UPSTREAM),
        ("dashscope", "n", UPSTREAM),
    ],
)
def test_refusal(key: str, param: str, body: dict[str, Any]) -> None:
    assert DIALECTS[key].refusal(refused(key, "invalid", param)) == body


@pytest.mark.parametrize(("param", "written"), [("n", "n"), ("", None)])
def test_refusal_in_the_compatible_protocol(param: str, written: str | None) -> None:
    provider = CATALOG["dashscope"]
    kind = provider.error_for(provider.endpoints["compatible"], "invalid")
    assert DIALECTS["dashscope/compatible"].refusal(Refused(kind, "it was wrong", "r-1", param)) == {
        "error": {"message": "it was wrong", "param": written, **kind.fields},
        "request_id": "r-1",
    }


def test_gateway_of_302_has_its_own_errors() -> None:
    found = DIALECTS["ai302"].refusal(refused("ai302", "rate_limited"))
    fields = CATALOG["ai302"].errors["rate_limited"].fields
    assert fields["err_code"] == -10007
    assert found == {"error": {**fields, "message": "it was wrong", "type": "api_error"}}


# Tasks.

EVOLINK, DASHSCOPE = CATALOG["evolink"], CATALOG["dashscope"]
OWNER = AccountDefaults("evolink", "sk-mock", "credits", Decimal(10), None)
ENDED = TaskStatus("succeeded", 100)
ACCOUNT = Account("evolink", "sk-mock", "credits", Decimal("7.5"), Decimal(1), Decimal("1.5"), None)
EDITING: Any = task("t", 10.0, OWNER, model="qwen-image-edit", variant="edit", endpoint="create", urls=IMAGES)


def test_new_task_of_evolink() -> None:
    assert DIALECTS["evolink"].created(EVOLINK, replace(EDITING, created=12.9, reserved=Decimal("2.3"))) == {
        "created": 12,
        "id": "t",
        "model": "qwen-image-edit",
        "object": "image.generation.task",
        "progress": 0,
        "status": "pending",
        "task_info": {"can_cancel": True, "estimated_time": 30},
        "type": "image",
        "usage": {"billing_rule": "per_call", "credits_reserved": 2.3, "user_group": "default"},
    }


@pytest.mark.parametrize(
    ("state", "name", "can_cancel", "more"),
    [
        ("pending", "pending", True, {}),
        ("running", "processing", True, {}),
        ("succeeded", "completed", False, {"results": list(IMAGES)}),
        ("cancelled", "cancelled", False, {}),
        (
            "failed",
            "failed",
            False,
            {"error": {"code": "service_error", "message": EVOLINK_MESSAGE, "type": "task_error"}},
        ),
    ],
)
def test_task_of_evolink(state: str, name: str, can_cancel: bool, more: dict[str, Any]) -> None:
    failing = replace(EDITING, failure="service_error")
    assert DIALECTS["evolink"].task(EVOLINK, failing, TaskStatus(state, 42), "r-2") == {
        "created": 1,
        "id": "t",
        "model": "qwen-image-edit",
        "object": "image.generation.task",
        "progress": 42,
        "status": name,
        "task_info": {"can_cancel": can_cancel},
        "type": "image",
        **more,
    }


@pytest.mark.parametrize(("failure", "code"), [("unheard_of", "unheard_of"), (None, "")])
def test_failure_of_evolink_without_a_documented_message(failure: str | None, code: str) -> None:
    found: Any = DIALECTS["evolink"].task(EVOLINK, replace(EDITING, failure=failure), TaskStatus("failed", 1), "r-2")
    assert found["error"] == {"code": code, "message": code, "type": "task_error"}


def test_credits_of_evolink() -> None:
    assert DIALECTS["evolink"].remaining(ACCOUNT, 1.5) == {
        "success": True,
        "data": {
            "token": {"remaining_credits": 7.5, "used_credits": 1.5, "unlimited_credits": False},
            "user": {"remaining_credits": 7.5, "used_credits": 1.5},
        },
    }


SUBMITTED = 1_760_000_000.0  # 2025-10-09 08:53:20 UTC
TIMES = {"submit_time": "2025-10-09 16:53:20.000", "scheduled_time": "2025-10-09 16:53:21.250"}
END = {"end_time": "2025-10-09 16:53:30.999"}
RESULTS: list[Any] = [{"orig_prompt": "p", "url": url} for url in IMAGES]


def of_dashscope(variant: str = "synthesis", **more: Any) -> Any:
    owner = AccountDefaults("dashscope", "sk-mock", "CNY", Decimal(10), None)
    times = {"created": SUBMITTED, "starts": SUBMITTED + 1.25}
    return task("t", SUBMITTED + 10.9991, owner, variant=variant, urls=IMAGES, **times, **more)


def metrics(total: int, succeeded: int, failed: int) -> dict[str, Any]:
    return {"task_metrics": {"TOTAL": total, "SUCCEEDED": succeeded, "FAILED": failed}}


@pytest.mark.parametrize(
    ("state", "change", "output"),
    [
        ("pending", {}, {"task_status": "PENDING"}),
        ("running", {"failed": 1}, {"task_status": "RUNNING", **TIMES, **metrics(3, 0, 1)}),
        (
            "succeeded",
            {"failed": 1},
            {"task_status": "SUCCEEDED", **TIMES, **END, "results": RESULTS, **metrics(3, 2, 1)},
        ),
        (
            "failed",
            {"failure": "ModelServiceFailed", "failed": 1},
            {
                "task_status": "FAILED",
                **TIMES,
                **END,
                "code": "ModelServiceFailed",
                "message": "Failed to request model service.",
                **metrics(3, 0, 3),
            },
        ),
        (
            "failed",
            {},
            {"task_status": "FAILED", **TIMES, **END, "code": None, "message": "", **metrics(2, 0, 2)},
        ),
        (
            "cancelled",
            {"cancelled": SUBMITTED + 2},
            {"task_status": "CANCELED", **TIMES, "end_time": "2025-10-09 16:53:22.000"},
        ),
    ],
)
def test_task_of_model_studio(state: str, change: dict[str, Any], output: dict[str, Any]) -> None:
    usage = {"usage": {"image_count": 2}} if state == "succeeded" else {}
    found = DIALECTS["dashscope"].task(DASHSCOPE, of_dashscope(**change), TaskStatus(state, 1), "r-2")
    assert found == {"request_id": "r-2", "output": {"task_id": "t", **output}, **usage}


def test_task_of_model_studio_with_choices() -> None:
    dialect, choosing = DIALECTS["dashscope"], of_dashscope("image-task", input_images=3)
    assert dialect.task(DASHSCOPE, choosing, ENDED, "r-2") == {
        "request_id": "r-2",
        "output": {"task_id": "t", "task_status": "SUCCEEDED", **TIMES, **END, "choices": message_of()},
        "usage": {"output_width": 640, "output_height": 480, "output_image_count": 2, "input_image_count": 3},
    }
    found: Any = dialect.task(DASHSCOPE, choosing, TaskStatus("running", 1), "r-2")
    assert found["output"] == {"task_id": "t", "task_status": "RUNNING", **TIMES}


def test_task_has_choices_where_its_answer_names_them_at_all() -> None:
    url = {"type": "string", "x-role": "image_url"}
    schema: Any = {
        "type": "object",
        "properties": {"url": url, "choices": {"type": "object", "properties": {"url": url}}},
    }
    variant = replace(DASHSCOPE.variants["synthesis"], answer=Document("answer", schema, (), "answer.schema.json"))
    provider = replace(DASHSCOPE, variants={"synthesis": variant})
    found: Any = DIALECTS["dashscope"].task(provider, of_dashscope(), ENDED, "r-2")
    assert found["output"]["choices"] == message_of()


def test_prompt_that_was_extended_is_told() -> None:
    found: Any = DIALECTS["dashscope"].task(DASHSCOPE, of_dashscope(prompt_extend=True), ENDED, "r-2")
    assert found["output"]["results"] == [{"orig_prompt": "p", "actual_prompt": "p", "url": url} for url in IMAGES]


def test_new_task_of_model_studio() -> None:
    expected = {"output": {"task_id": "t", "task_status": "PENDING"}, "request_id": "r-t"}
    assert DIALECTS["dashscope"].created(DASHSCOPE, of_dashscope()) == expected
    dialect = DIALECTS["dashscope"]
    assert dialect.unknown_task("x", "r-2") == {
        "request_id": "r-2",
        "output": {"task_id": "x", "task_status": "UNKNOWN"},
    }
    assert dialect.cancelled("r-2") == {"request_id": "r-2"}


@pytest.mark.parametrize(("total", "pages"), [(0, 0), (10, 1), (11, 2), (20, 2)])
def test_list_of_tasks(total: int, pages: int) -> None:
    page = TaskPage(2, 10, total, ((of_dashscope(), TaskStatus("pending", 0)),))
    listed = [{"model_name": "m", "request_id": "r-t", "task_id": "t", "task_status": "PENDING"}]
    assert DIALECTS["dashscope"].task_list(DASHSCOPE, page, "r-2") == {
        "request_id": "r-2",
        "page_no": 2,
        "page_size": 10,
        "total_page": pages,
        "total": total,
        "data": listed,
        "tasks": listed,
    }


def test_policy_of_an_upload() -> None:
    policy = UploadPolicy(
        text="a policy", signature="a signature", folder="dashscope-instant/x", url="https://mock.example/up",
        seconds=300, max_megabytes=100,
    )  # fmt: skip
    assert DIALECTS["dashscope"].upload_policy(policy, "r-2") == {
        "request_id": "r-2",
        "data": {
            "policy": "a policy",
            "signature": "a signature",
            "upload_dir": "dashscope-instant/x",
            "upload_host": "https://mock.example/up",
            "expire_in_seconds": 300,
            "max_file_size_mb": 100,
            "capacity_limit_mb": 999999999,
            "oss_access_key_id": "qwenmock",
            "x_oss_object_acl": "private",
            "x_oss_forbid_overwrite": "true",
        },
    }


UNWRITTEN: dict[str, Callable[[Dialect, Provider], object]] = {
    "success": lambda dialect, _: dialect.success(result("nebula", "simplified")),
    "refusal": lambda dialect, _: dialect.refusal(refused("nebula", "invalid")),
    "created": lambda dialect, provider: dialect.created(provider, EDITING),
    "task": lambda dialect, provider: dialect.task(provider, EDITING, ENDED, "r"),
    "unknown_task": lambda dialect, _: dialect.unknown_task("t", "r"),
    "task_list": lambda dialect, provider: dialect.task_list(provider, TaskPage(1, 10, 0, ()), "r"),
    "cancelled": lambda dialect, _: dialect.cancelled("r"),
    "remaining": lambda dialect, _: dialect.remaining(ACCOUNT, 0),
    "upload_policy": lambda dialect, _: dialect.upload_policy(UploadPolicy("", "", "", "", 1, 1), "r"),
}


@pytest.mark.parametrize("method", UNWRITTEN)
def test_method_that_a_dialect_does_not_write_says_so(method: str) -> None:
    class OtherDialect(Dialect):
        """Writes nothing."""

    with pytest.raises(NotImplementedError, match=rf"^OtherDialect\.{method}$"):
        UNWRITTEN[method](OtherDialect.for_provider(EVOLINK), EVOLINK)
    assert (OtherDialect.resolve_header, OtherDialect.upload_folder, OtherDialect.list_parameters) == (None, "", None)
