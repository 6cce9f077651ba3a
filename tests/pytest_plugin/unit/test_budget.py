"""The budget of a run, and who pays from it."""

import json
import sqlite3
import threading
from decimal import Decimal
from pathlib import Path

import pytest

from qwenmock.pytest_plugin.examiner.budget import Budget, OverBudget
from qwenmock.pytest_plugin.examiner.payments import Payments, charges_of
from qwenmock.pytest_plugin.examiner.results import NotExaminable, UnreadableAnswer
from qwenmock.pytest_plugin.examiner.target import Reply, TargetError
from qwenmock.schemas.catalog import load

NEBULA = load()["nebula"]
CENT = Decimal("0.01")


def budget(limit: str | None = "1", shared: str | None = None, name: str = "") -> Budget:
    return Budget(None if limit is None else Decimal(limit), "CNY", shared, name)


def state(budget: Budget) -> tuple[Decimal, Decimal, Decimal]:
    return budget.left, budget.spent, budget.worst


def test_reserve_and_settle() -> None:
    money = budget()
    assert state(money) == (1, 0, 0)
    money.reserve(Decimal("0.7"))
    assert state(money) == (Decimal("0.3"), 0, Decimal("0.7"))
    money.settle(Decimal("0.7"), Decimal("0.2"))
    assert state(money) == (Decimal("0.8"), Decimal("0.2"), Decimal("0.7"))
    money.reserve(Decimal("0.8"))
    assert state(money) == (0, Decimal("0.2"), Decimal("1.5"))


def test_exactly_what_is_left_may_be_reserved_and_no_more() -> None:
    money = budget()
    with pytest.raises(OverBudget, match=r"^could cost 1\.01 CNY, and 1 CNY of --live-budget are left$") as over:
        money.reserve(1 + CENT)
    assert (over.value.needed, over.value.left) == (1 + CENT, 1)
    assert state(money) == (1, 0, 0)
    money.reserve(Decimal(1))
    with pytest.raises(OverBudget):
        money.reserve(Decimal("0.000000001"))
    money.reserve(Decimal(0))


def test_what_is_reserved_counts_against_what_is_left() -> None:
    money = budget()
    money.reserve(Decimal("0.6"))
    with pytest.raises(OverBudget):
        money.reserve(Decimal("0.6"))
    money.settle(Decimal("0.6"), Decimal("0.6"))
    with pytest.raises(OverBudget):
        money.reserve(Decimal("0.6"))


def test_budget_of_0_pays_nothing_and_none_pays_everything() -> None:
    with pytest.raises(OverBudget):
        budget("0").reserve(CENT)
    free = budget(None)
    free.reserve(Decimal(1000))
    assert free.left == -1000
    free.settle(Decimal(1000), Decimal(3))
    assert (free.spent, free.worst) == (3, 1000)


def test_more_than_was_reserved_may_have_been_spent() -> None:
    money = budget()
    money.settle(Decimal(0), Decimal(2))
    assert state(money) == (-1, 2, 0)
    money.settle(Decimal(0), CENT)
    assert money.spent == 2 + CENT
    with pytest.raises(OverBudget):
        money.reserve(CENT)


def test_amounts_are_exact() -> None:
    money = budget()
    for _ in range(10):
        money.reserve(Decimal("0.1"))
    assert money.left == 0


def test_budgets_of_one_file_are_shared_by_name(tmp_path: Path) -> None:
    file = str(tmp_path / "budget.db")
    first, second, other = budget(shared=file, name="a"), budget(shared=file, name="a"), budget(shared=file, name="b")
    first.reserve(Decimal("0.6"))
    with pytest.raises(OverBudget):
        second.reserve(Decimal("0.6"))
    other.reserve(Decimal("0.6"))
    second.settle(Decimal("0.6"), Decimal("0.1"))
    assert (first.left, other.left) == (Decimal("0.9"), Decimal("0.4"))


def test_threads_may_share_a_budget() -> None:
    money = budget()
    thread = threading.Thread(target=money.reserve, args=(CENT,))
    thread.start()
    thread.join()
    assert money.worst == CENT


def test_two_processes_do_not_reserve_at_the_same_time(tmp_path: Path) -> None:
    file = str(tmp_path / "budget.db")
    money = budget(shared=file)
    other = sqlite3.connect(file, isolation_level=None, timeout=0)
    seen: list[str] = []
    read = money._read

    def read_while_locked() -> tuple[Decimal, Decimal, Decimal]:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        seen.append("locked")
        return read()

    money._read = read_while_locked  # type: ignore[method-assign]
    money.reserve(CENT)
    assert seen == ["locked"]
    other.execute("BEGIN IMMEDIATE")
    other.close()


class Ledger:
    """A target that answers every request alike."""

    name = base_url = "http://target.example"

    def __init__(self, status: int, body: bytes) -> None:
        self.reply = Reply(status, {}, body, 0.0)
        self.urls: list[str] = []

    def send(self, method: str, url: str, _headers: object, _content: bytes = b"") -> Reply:
        self.urls.append(f"{method} {url}")
        if not self.reply.status:
            raise TargetError("no answer")
        return self.reply

    def close(self) -> None: ...


def payments(status: int = 200, body: bytes = b"{}", limit: str | None = "1") -> tuple[Payments, Ledger]:
    ledger = Ledger(status, body)
    return Payments(NEBULA, ledger, budget(limit), "http://ledger.example/?id={request_id}"), ledger


@pytest.mark.parametrize(("status", "spent"), [(200, "0.5"), (299, "0.5"), (300, "0"), (400, "0"), (500, "0")])
def test_refusals_cost_nothing(status: int, spent: str) -> None:
    paying, _ = payments()
    reply = Reply(status, {}, b"", 0.0)
    assert paying.pay(Decimal("0.5"), lambda: reply) is reply
    assert state(paying.budget) == (1 - Decimal(spent), Decimal(spent), Decimal("0.5"))


def test_request_without_an_answer_counts_as_paid() -> None:
    paying, _ = payments()

    def send() -> Reply:
        assert paying.budget.left == Decimal("0.5")
        raise TargetError("no answer")

    with pytest.raises(TargetError):
        paying.pay(Decimal("0.5"), send)
    assert state(paying.budget) == (Decimal("0.5"), Decimal("0.5"), Decimal("0.5"))


def test_request_that_could_cost_too_much_is_not_sent() -> None:
    paying, _ = payments()
    with pytest.raises(OverBudget):
        paying.pay(1 + CENT, lambda: pytest.fail("it was sent"))
    assert state(paying.budget) == (1, 0, 0)
    assert paying.can_afford(Decimal(1))
    assert not paying.can_afford(1 + CENT)
    assert payments(limit=None)[0].can_afford(Decimal(10**6))


def test_charges_of_a_request() -> None:
    paying, ledger = payments(body=b'{"charges": [{"request_id": "a/b", "amount": "1"}, {"request_id": "x"}, {}]}')
    assert paying.charges("a/b") == [{"request_id": "a/b", "amount": "1"}, {}]
    assert ledger.urls == ["GET http://ledger.example/?id=a%2Fb"]
    assert paying.charges(None) is None
    assert Payments(NEBULA, ledger, budget(), None).charges("a") is None
    assert len(ledger.urls) == 1


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [(0, b"", "no answer"), (404, b"{}", "status 404"), (200, b"<html>", "not JSON"), (200, b"[]", "charges"),
     (200, b'{"charges": {}}', "charges: expected an array"), (200, b'{"charges": [1]}', "expected an object, got 1")],
)  # fmt: skip
def test_ledger_that_does_not_answer_is_no_verdict(status: int, body: bytes, reason: str) -> None:
    with pytest.raises(NotExaminable, match="the ledger cannot be read") as raised:
        payments(status, body)[0].charges("a")
    assert reason in str(raised.value)


def test_ledger_is_read_strictly() -> None:
    assert charges_of({"charges": []}) == []
    with pytest.raises(UnreadableAnswer, match="no member charges"):
        charges_of({})


def test_worst_case_is_that_of_the_provider() -> None:
    assert payments()[0].worst_case(None, {"model": "qwen-image-plus", "n": 2}) > 0


def test_ledger_is_asked_at_its_own_address() -> None:
    payer, ledger = payments(body=b'{"accounts": []}')
    assert payer.bill_url("a/b c") == "http://ledger.example/?id=a%2Fb%20c"
    assert payer.bill_url(None) is None
    assert payer.balances("sk-mock") == []
    assert ledger.urls == ["GET http://ledger.example/?id=none"]
    assert Payments(NEBULA, ledger, budget(), None).balances("sk-mock") == []


@pytest.mark.parametrize(
    ("accounts", "balances"),
    [
        ([], []),
        ([{"key": "sk-mock", "balance": "1.5"}], ["1.5"]),
        ([{"key": "sk-mock", "provider": "nebula", "balance": 2}, {"key": "sk-mock.b", "balance": 3}], ["2"]),
        ([{"key": "sk-mock", "balance": 1}, {"key": "sk-mock", "balance": 2}], ["1", "2"]),
        ([{"key": "sk-mock", "provider": "aigc", "balance": 1}], []),
        ([{"key": "sk-mock.b", "balance": 1}], []),
        ([{"key": "sk-mock"}], []),
        ([{"balance": 1}], ["1"]),  # the only account, and the ledger names no keys
        ([{"balance": 1}, {"balance": 2}], []),
        ([{"balance": 1}, {"key": "sk-mock", "balance": 2}], ["2"]),
        ([{"provider": "aigc", "balance": 1}, {"provider": "nebula", "balance": 2}], ["2"]),
    ],
)
def test_balances_are_those_of_the_key(accounts: list[dict[str, object]], balances: list[str]) -> None:
    payer, _ = payments(body=json.dumps({"accounts": accounts}).encode())
    assert payer.balances("sk-mock") == [Decimal(balance) for balance in balances]


@pytest.mark.parametrize("body", [b"[]", b'{"accounts": {}}', b'{"accounts": [1]}', b"no JSON"])
def test_ledger_without_accounts_that_can_be_read_is_no_verdict(body: bytes) -> None:
    with pytest.raises(NotExaminable, match=r"^the ledger cannot be read: ") as raised:
        payments(body=body)[0].balances("sk-mock")
    assert isinstance(raised.value.__cause__, UnreadableAnswer)
    assert payments(body=b"{}")[0].balances("sk-mock") == []


def test_ledger_that_does_not_answer_states_no_balance() -> None:
    with pytest.raises(NotExaminable, match=r"^the ledger cannot be read: no answer") as raised:
        payments(0)[0].balances("sk-mock")
    assert isinstance(raised.value.__cause__, TargetError)
