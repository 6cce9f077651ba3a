"""The table of exchanges that messages contain."""

from itertools import count
from typing import Any

from qwenmock.mockserver.testing.exchanges import MOST_ROWS, NOT_CALLED, Exchange, exchange_of, table

NUMBERS = count()
CHARGE: Any = {"request_id": "r1", "currency": "CNY", "amount": "0.18"}


def exchange(**members: Any) -> Exchange:
    entry: Any = {
        "id": "r1", "provider": "nebula", "endpoint": "generations", "method": "POST", "path": "/v1/images",
        "status": 200, "model": "qwen-image", "task": "", "request": None, "answer": None, "rule": None,
    }  # fmt: skip
    return exchange_of(entry | members)


def poll(task: str, **members: Any) -> Exchange:
    number = str(next(NUMBERS))
    return exchange(id=number, method="GET", endpoint="tasks", path=f"/v1/tasks/{task}", model="", task=task, **members)


def test_no_exchange() -> None:
    assert table([], []) == NOT_CALLED


def test_columns_are_aligned_and_empty_ones_left_out() -> None:
    rule = {"id": "nebula/contents/n/maximum"}
    exchanges = [
        exchange(),
        exchange(id="r2", provider="ai302", status=400, model="", request={"model": "qwen"}, rule=rule),
    ]
    assert table(exchanges, [CHARGE, CHARGE]).split("\n") == [
        "  method  provider  model       status  rule                       cost",
        "  POST    nebula    qwen-image  200                                0.36 CNY",
        "  POST    ai302     qwen        400     nebula/contents/n/maximum",
    ]
    assert table([exchange(), exchange(id="r2", model="", request={"model": 1})], []).split("\n")[1:] == [
        "  POST    nebula    qwen-image  200",
        "  POST    nebula                200",
    ]
    assert table(exchanges[:1], []).split("\n") == [
        "  method  provider  model       status",
        "  POST    nebula    qwen-image  200",
    ]


def test_repeated_polls_are_one_row() -> None:
    """Also if two tasks are asked in turns; a poll with another status, and each request that pays, is its own."""
    first, second = "task-1", "task-unified-1234567890"
    polls = [poll(task) for task in (first, second, first, second, first)]
    exchanges = [exchange(), exchange(id="r2"), *polls, poll("task-1", status=429)]
    assert table(exchanges, []).split("\n")[1:] == [
        "  POST    nebula    qwen-image              200",
        "  POST    nebula    qwen-image              200",
        "  GET x3  nebula    task task-1             200",
        "  GET x2  nebula    task task-unified-123…  200",
        "  GET     nebula    task task-1             429",
    ]


def test_middle_of_a_long_table_is_left_out() -> None:
    exchanges = [exchange(id=str(number), model=f"model-{number:02}") for number in range(MOST_ROWS + 5)]
    _, *rows = table(exchanges, []).split("\n")
    assert [row.split()[2] for row in (*rows[:10], *rows[-10:])] == [
        f"model-{number:02}" for number in (*range(10), *range(15, 25))
    ]
    assert rows[10] == "  … 5 more"
    assert len(rows) == MOST_ROWS + 1
    assert "more" not in table(exchanges[:MOST_ROWS], [])
