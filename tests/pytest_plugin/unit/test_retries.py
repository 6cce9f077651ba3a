"""When a request is sent again, how long is waited before, and what is concluded if nothing changes."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from qwenmock.pytest_plugin.examiner import retries
from qwenmock.pytest_plugin.examiner.results import ContractViolation, NotExaminable
from qwenmock.pytest_plugin.examiner.retries import RetryingSender
from qwenmock.pytest_plugin.examiner.target import Reply, TargetError
from qwenmock.schemas.catalog import load

NEBULA = load()["nebula"]
VARIANT = NEBULA.variants["contents"]
BODY = {"model": "qwen-image-edit-plus"}
DOUBTFUL = (401, 408, 425, 429, 500, 503, 599)
CERTAIN = (200, 302, 400, 402, 403, 404, 413, 422, 499)


class Conversation:
    """What a target answers in turn, what was sent to it, and how long was waited.

    Attributes:
        answering: Whether it answers other requests; None if that must not be asked.

    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *turns: Any, live: bool = True, answering: bool | None = None
    ) -> None:
        self.turns = list(turns)
        self.waited: list[float] = []
        self.sent: list[tuple[Any, ...]] = []
        self.asked: list[bool] = []
        self.answering = answering
        self.stopped_because = ""
        self.violations: list[tuple[Any, ...]] = []
        monkeypatch.setattr(retries, "time", SimpleNamespace(sleep=self.waited.append))
        payments = SimpleNamespace(worst_case=lambda variant, body: (variant.name, body))
        results = SimpleNamespace(violation=self.violation)
        made: Any = (NEBULA, self, payments, results)
        self.sender = RetryingSender(*made, live=live)

    def call(self, content: bytes, worst: Decimal, endpoint: Any) -> Reply:
        self.sent.append((content, worst, endpoint))
        turn = self.turns.pop(0)
        if isinstance(turn, Exception):
            raise turn
        return Reply(turn, {}, b"", 0.1) if isinstance(turn, int) else turn

    def is_answering(self, *, with_key: bool) -> bool:
        assert self.answering is not None
        self.asked.append(with_key)
        return self.answering

    def violation(self, mistakes: list[str], content: bytes, promise: str, *, subject: str) -> ContractViolation:
        self.violations.append((mistakes, content, promise, subject))
        return ContractViolation("a violation")

    def send(self, expected: int = 200) -> Reply:
        return self.sender.send_with_retry(BODY, VARIANT, expected)


def limited(status: int, **headers: str) -> Reply:
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"", 0.1)


@pytest.mark.parametrize("status", CERTAIN)
def test_answer_about_the_request_is_taken_at_once(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Conversation(monkeypatch, status)
    assert talk.send().status == status
    worst = ("contents", BODY)
    assert talk.sent == [(orjson.dumps(BODY), worst, NEBULA.endpoint_of(VARIANT))]
    assert talk.waited == []


def test_body_that_is_written_already_is_sent_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Conversation(monkeypatch, 503, 200)
    assert talk.sender.send_with_retry(BODY, VARIANT, content=b"{ }").status == 200
    assert [content for content, *_ in talk.sent] == [b"{ }"] * 2


@pytest.mark.parametrize("status", DOUBTFUL)
def test_answer_about_the_moment_is_asked_for_again(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Conversation(monkeypatch, status, status, 200)
    assert talk.send().status == 200
    assert (talk.waited, len(talk.sent)) == ([0.0, 1.0], 3)
    assert talk.sender.persistent_statuses == set()


@pytest.mark.parametrize("status", DOUBTFUL)
def test_answer_that_is_expected_is_not_doubtful(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Conversation(monkeypatch, status).send(expected=status).status == status


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("60", 60.0),
        ("61", 60.0),
        ("0", 0.0),
        ("", 0.0),
        ("soon", 0.0),
        ("1.5", 0.0),
        ("-1", 0.0),
        ("٣", 0.0),
    ],
)
def test_wait_is_what_the_answer_says(value: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Conversation(monkeypatch, limited(429, retry_after=value), 200)
    assert talk.send().status == 200
    assert talk.waited == [seconds]


@pytest.mark.parametrize("status", [401, 503])
@pytest.mark.parametrize("is_answering", [True, False])
def test_answer_that_stays(status: int, is_answering: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Conversation(monkeypatch, status, status, status, status, answering=is_answering)
    if is_answering:
        assert talk.send().status == status
        assert talk.sender.persistent_statuses == {status}
        assert talk.send().status == status, "from then on it is an answer"
        assert talk.turns == []
    else:
        with pytest.raises(NotExaminable, match=f"^no verdict: status {status}, also for another request$"):
            talk.send()
        assert talk.sender.persistent_statuses == set()
    assert talk.asked == [status == 401]
    assert talk.waited == [0.0, 1.0]


def test_limit_of_the_rate_that_stays_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Conversation(monkeypatch, 429, 429, 429)
    with pytest.raises(NotExaminable, match=r"^no verdict: the target limits the rate of requests$"):
        talk.send()


@pytest.mark.parametrize("status", DOUBTFUL)
def test_double_is_asked_once(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Conversation(monkeypatch, status, live=False)
    assert talk.send().status == status
    assert (talk.waited, talk.sender.persistent_statuses) == ([], set())


def test_missing_answer_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Conversation(monkeypatch, TargetError("closed"), 200)
    assert talk.send().status == 200
    assert talk.waited == [0.0]
    talk = Conversation(monkeypatch, 503, TargetError("closed"), answering=False)
    with pytest.raises(NotExaminable, match=r"^no verdict: closed, also for another request$"):
        talk.send()
    assert talk.asked == [False]
    talk = Conversation(monkeypatch, TargetError("closed"), 503, 503, answering=True)
    assert talk.send().status == 503
    assert talk.waited == [0.0, 1.0]


def test_answer_that_is_missing_only_here_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    for live, stopped in ((True, "no more requests are sent: the target did not answer one of them"), (False, "")):
        talk = Conversation(monkeypatch, TargetError("one"), TargetError("two"), live=live, answering=True)
        with pytest.raises(ContractViolation):
            talk.send()
        said = "two" if live else "one"
        promise = "an answer that arrives whole"
        assert talk.violations == [([f"no answer: {said}"], orjson.dumps(BODY), promise, "answer")]
        assert talk.stopped_because == stopped
        assert talk.waited == ([0.0] if live else [])
