"""What an exception means, how results add up, and what a failure says."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis.errors import Flaky, FlakyFailure

from qwenmock.pytest_plugin.examiner.boundaries.edit import Edit
from qwenmock.pytest_plugin.examiner.budget import OverBudget
from qwenmock.pytest_plugin.examiner.findings import Finding, Mistake, Request
from qwenmock.pytest_plugin.examiner.result_log import ResultLog
from qwenmock.pytest_plugin.examiner.results import (
    SIDES,
    ContractViolation,
    NotExaminable,
    Side,
    Tally,
    UnreadableAnswer,
)
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import Reply, TargetError
from qwenmock.pytest_plugin.examiner.verdicts import Verdict, verdict_of
from qwenmock.pytest_plugin.examiner_factory import create_examiner
from qwenmock.pytest_plugin.options import Options
from qwenmock.schemas.catalog import load
from qwenmock.schemas.models import Rule
from qwenmock.schemas.sources import cited

CATALOG = load()
NEBULA = CATALOG["nebula"]
DOCUMENTED = NEBULA.rule("nebula/contents/parameters/n/maximum")
ASSUMED = next(rule for rule in NEBULA.rules if rule.certainty == "assumed")
HALF = next(
    rule
    for variant in NEBULA.variants.values()
    for rule in variant.request.rules
    if rule.certainty != "assumed" and rule.reject_certainty == "assumed"
)
KEY = "sk-mock-secret-of-the-test"


class Live:
    """As much of a live examiner as a verdict needs."""

    def __init__(self, *, live: bool) -> None:
        self.live = live
        self.credentials = self

    def mask(self, text: str) -> str:
        return text.replace(KEY, "$KEY")


LIVE: Any = Live(live=True)
DOUBLE: Any = Live(live=False)


def raised(error: BaseException) -> BaseException:
    """Return an error that was raised, somewhere that is not a contract test."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def judged(error: BaseException, examiner: Examiner | None = LIVE) -> Verdict:
    return verdict_of(error, examiner, judged.__code__)


@pytest.mark.parametrize(
    ("error", "result", "text"),
    [
        (ContractViolation(f"broken {KEY}"), "failed", "judged:   what this check is about\ngot:      broken $KEY"),
        (pytest.fail.Exception("failed"), "failed", "failed"),
        (NotExaminable(f"cannot {KEY}"), "skipped", "cannot $KEY"),
        (pytest.skip.Exception("skip"), "skipped", "skip"),
        (TargetError(f"down {KEY}"), "skipped", "no verdict: down $KEY"),
        (KeyError(KEY), "error", "KeyError: '$KEY'"),
        (AssertionError("of the examiner"), "error", "AssertionError: of the examiner"),
        (TypeError("expected an object"), "error", "TypeError: expected an object"),
    ],
)
def test_meaning_of_an_exception(error: BaseException, result: str, text: str) -> None:
    verdict = judged(raised(error))
    assert (verdict.result, verdict.text) == (result, text)
    assert bool(verdict.trace) == (result == "error")
    if verdict.trace:
        assert "Traceback" in verdict.trace
        assert KEY not in verdict.trace


def test_over_budget_is_a_skip() -> None:
    error = OverBudget(DOCUMENTED.number, 0, "CNY", "--live-budget")  # type: ignore[arg-type]
    assert judged(error).result == "skipped"


def test_unreadable_answer_of_the_double_fails_and_of_a_live_target_is_no_verdict() -> None:
    error = UnreadableAnswer(f"no id {KEY}")
    assert judged(error) == Verdict("skipped", "an answer lacks what this check needs: no id $KEY")
    for examiner, key in ((DOUBLE, "$KEY"), (None, KEY)):
        verdict = judged(error, examiner)
        assert (verdict.result, verdict.text) == ("failed", f"an answer cannot be read: no id {key}")
        assert [finding.got for finding in verdict.findings] == [(verdict.text,)]


def test_assertion_of_the_contract_test_itself_fails() -> None:
    def contract_test() -> None:
        raise AssertionError("of the test")

    def helper() -> None:
        contract_test()

    for run, result in ((contract_test, "failed"), (helper, "failed")):
        with pytest.raises(AssertionError) as caught:
            run()
        assert verdict_of(caught.value, None, contract_test.__code__).result == result
        assert verdict_of(caught.value, None, helper.__code__).result == "error"
    with pytest.raises(KeyError) as wrong:
        {}["x"]
    here = wrong.value.__traceback__
    assert here is not None
    assert verdict_of(wrong.value, None, here.tb_frame.f_code).result == "error"
    assert verdict_of(AssertionError("never raised"), None, contract_test.__code__).result == "error"


def test_flaky_answers_fail_and_a_flaky_examiner_is_an_error() -> None:
    steady = FlakyFailure("flaky", [ContractViolation("a"), FlakyFailure("inner", [UnreadableAnswer("b")])])
    verdict = judged(steady)
    assert verdict.result == "failed"
    assert verdict.text.startswith("the same requests do not get the same answers: flaky")
    assert judged(FlakyFailure("flaky", [ContractViolation("a"), KeyError("b")])).result == "error"
    assert judged(Flaky("plain")).result == "failed"
    assert judged(ExceptionGroup("group", [ContractViolation("a")])).result == "error"


def tally(*tries: tuple[Side, bool, bool, str]) -> Tally:
    result = Tally()
    for side, held, asserted, detail in tries:
        result.count(side, held=held, asserted=asserted, detail=detail)
    return result


def test_status_of_a_tally() -> None:
    assert SIDES == ("accept", "reject")
    assert Tally().status == "skipped"
    assert tally(("accept", True, True, "")).status == "pass"
    assert tally(("reject", True, True, "")).status == "pass"
    assert tally(("accept", True, True, ""), ("reject", False, True, "d")).status == "fail"
    assert tally(("accept", False, False, "d")).status == "observed"


def test_failure_is_asserted_unless_something_else_is_said(examiner: Examiner) -> None:
    found = Tally()
    found.count("accept", held=False)
    assert (found.status, found.asserted, Tally().asserted) == ("fail", True, True)
    log = log_of(examiner, live=True)
    log.tally(DOCUMENTED, "accept", held=False)
    assert log.tallies[DOCUMENTED.id].status == "fail"


def test_tally_counts_each_side_and_keeps_the_first_failure() -> None:
    found = tally(
        ("accept", True, True, "x"), ("accept", False, False, "first" * 200), ("reject", False, True, "second")
    )
    assert found.tried == {"accept": 2, "reject": 1}
    assert found.passed == {"accept": 1, "reject": 0}
    assert found.detail == ("first" * 200)[:500]
    assert (found.asserted, found.status) == (False, "observed")


def test_tallies_of_processes_are_added() -> None:
    total = tally(("accept", True, True, ""))
    total.add(tally(("reject", True, True, ""), ("accept", True, True, "")))
    assert (total.tried, total.passed, total.status) == ({"accept": 2, "reject": 1}, {"accept": 2, "reject": 1}, "pass")
    total.add(tally(("accept", False, False, "observed")))
    assert (total.status, total.detail) == ("observed", "observed")
    total.add(tally(("accept", False, True, "asserted")))
    assert (total.status, total.detail) == ("fail", "asserted")
    total.add(tally(("accept", False, True, "later")))
    assert total.detail == "asserted"
    total.add(tally(("accept", False, False, "observed later")))
    assert (total.status, total.detail) == ("fail", "asserted")


def test_what_was_seen_before_a_failure_does_not_decide_what_it_is() -> None:
    for asserted, status in ((True, "fail"), (False, "observed")):
        total = Tally(tried={"accept": 1, "reject": 0}, passed={"accept": 1, "reject": 0}, detail="seen")
        total.add(tally(("accept", False, asserted, "failed")))
        assert (total.status, total.detail) == (status, "failed")
        total.add(Tally(detail="seen later"))
        assert total.detail == "failed"
    total = tally(("accept", True, True, ""))
    total.add(Tally(detail="seen"))
    assert (total.status, total.detail) == ("pass", "seen")


def test_reason_of_a_tally_is_the_first() -> None:
    total = Tally()
    total.add(Tally(reason="no key"))
    total.add(Tally(reason="no money"))
    assert total.reason == "no key"


@pytest.fixture
def examiner() -> Iterator[Examiner]:
    examiner = create_examiner(NEBULA, Options())
    yield examiner
    examiner.close()


def log_of(examiner: Examiner, *, live: bool, assume_limits: bool = False) -> ResultLog:
    return ResultLog(examiner.sender, examiner.credentials, live=live, assume_limits=assume_limits)


def edit(rule: Rule, side: Side = "accept", *, assumed: bool = False) -> Edit:
    return Edit(rule, side, "the note", lambda body: body, assumed=assumed)


def test_what_is_asserted(examiner: Examiner) -> None:
    live, double = log_of(examiner, live=True), log_of(examiner, live=False)
    for side in SIDES:
        assert live.asserted(DOCUMENTED, side)
        assert not live.asserted(DOCUMENTED, side, assumed=True)
        assert not live.asserted(ASSUMED, side)
        assert double.asserted(ASSUMED, side)
        assert double.asserted(DOCUMENTED, side, assumed=True)
    assert live.asserted(HALF, "accept")
    assert not live.asserted(HALF, "reject")


def test_documented_limit_is_asserted_if_it_is_taken_for_a_refusal(examiner: Examiner) -> None:
    live, strict = (log_of(examiner, live=True, assume_limits=on) for on in (False, True))
    limits = {rule.id: rule for provider in load() for rule in provider.rules if rule.is_only_a_limit}
    assert {"aigc/edit/input/messages/*/content/*/text/maxLength", "evolink/edit/image_urls/*/mediaTypes"} < set(limits)
    for rule in limits.values():
        assert not live.asserted(rule, "reject")
        assert strict.asserted(rule, "reject")
        # What no document says of one value is still only observed.
        assert not strict.asserted(rule, "reject", assumed=True)
    # An absent member, an example and a rule that is assumed altogether are no limits.
    others = [rule for provider in load() for rule in provider.rules if rule.id not in limits]
    assert [r.id for r in others if strict.asserted(r, "reject") != live.asserted(r, "reject")] == []
    assert not any(rule.keyword in {"required", "not", "type", "enum", "const"} for rule in limits.values())
    rule = limits["aigc/edit/input/messages/*/content/*/text/maxLength"]
    violation = strict.violation(["accepted"], b"{}", "a 400", edit(rule, "reject"))
    assert (violation.findings[0].certainty, violation.findings[0].severity) == ("documented", "contract")
    violation = live.violation(["accepted"], b"{}", "a 400", edit(rule, "reject"))
    assert violation.findings[0].certainty == "assumed"


def test_conclusion_is_counted_and_raised_only_if_asserted(examiner: Examiner) -> None:
    log = log_of(examiner, live=True)
    log.conclude(edit(DOCUMENTED), [], b"{}", "a 200")
    assert log.tallies[DOCUMENTED.id].status == "pass"
    log.conclude(edit(DOCUMENTED, assumed=True), ["one", "two"], b"{}", "a 200")
    assert (log.tallies[DOCUMENTED.id].status, log.tallies[DOCUMENTED.id].detail) == ("observed", "one; two")
    log.conclude(edit(ASSUMED, "reject"), ["three"], b"{}", "a 400")
    assert log.tallies[ASSUMED.id].status == "observed"
    fresh = log_of(examiner, live=True)
    with pytest.raises(ContractViolation) as violated:
        fresh.conclude(edit(DOCUMENTED), ["one", "two"], b'{"a": 1}', "a 200")
    assert fresh.tallies[DOCUMENTED.id].status == "fail"
    lines = str(violated.value).splitlines()
    assert lines[:7] == [
        f"rule:     {DOCUMENTED.id} ({DOCUMENTED.value})",
        f"source:   {cited(DOCUMENTED.source)} (documented)",
        "judged:   which requests are accepted and which are refused",
        "sent:     the note",
        "promised: a 200",
        "got:      one",
        "got:      two",
    ]
    assert "sk-mock" not in str(violated.value)


def test_violation_has_the_command_that_sends_its_request_again(examiner: Examiner) -> None:
    error = raised(log_of(examiner, live=False).violation(["one"], b"{}", "a 200"))
    with_command, without = judged(error, examiner), judged(error, None)
    assert with_command.findings[0].curl
    assert with_command.findings[0].curl in with_command.text
    assert without.findings[0].curl == ""
    assert without.text == "judged:   what this check is about\npromised: a 200\ngot:      one"


def test_observation_is_no_failure_and_keeps_what_was_seen(examiner: Examiner) -> None:
    log = log_of(examiner, live=False)
    log.observe(DOCUMENTED, "reject", held=True, detail="seen")
    log.observe(DOCUMENTED, "reject", held=True, detail="seen again")
    assert (log.tallies[DOCUMENTED.id].status, log.tallies[DOCUMENTED.id].detail) == ("pass", "seen")
    log.observe(DOCUMENTED, "reject", held=False, detail="seen later")
    found = log.tallies[DOCUMENTED.id]
    assert (found.status, found.detail) == ("observed", "seen later")
    assert (found.tried["reject"], found.passed["reject"]) == (3, 2)


def test_limits_are_not_assumed_unless_that_is_said(examiner: Examiner) -> None:
    limit = next(rule for provider in CATALOG for rule in provider.rules if rule.is_only_a_limit)
    assert not ResultLog(examiner.sender, examiner.credentials, live=True).asserted(limit, "reject")


def answered(body: bytes, *, url: str = "http://a.example/x", **headers: str) -> Reply:
    return Reply(418, headers, body, 0.0, Request("GET", url, {}, b""))


def finding_of(examiner: Examiner, reply: Reply | None, content: bytes = b"", mistake: str = "one") -> Finding:
    (found,) = log_of(examiner, live=False).violation([mistake], content, "a 200", reply=reply).findings
    return found


def test_violation_is_of_the_request_that_is_answered(examiner: Examiner) -> None:
    log, reply = log_of(examiner, live=False), answered(b"{}")
    assert log.violation(["one"], b"", "a 200", reply=reply).request == reply.request
    sent = log.violation(["one"], b'{"a": 1}', "a 200", reply=reply).request
    assert sent is not None
    assert (sent.method, sent.content) == ("POST", b'{"a": 1}')
    kept = Reply(200, {}, b"{}", 0.0)
    without = log.violation(["one"], b"", "a 200", reply=kept).request
    assert without is not None
    assert without.method == "POST"


def test_violation_shows_the_last_answer_if_it_is_to_the_same_body(examiner: Examiner) -> None:
    examiner.sender.last = (b'{"a": 1}', Reply(418, {}, b"", 0.0))
    assert finding_of(examiner, None, b'{"a": 1}').answer == ("418",)
    assert finding_of(examiner, None, b'{"a": 2}').answer == ()
    assert finding_of(examiner, Reply(200, {}, b"", 0.0), b'{"a": 1}').answer == ("200",)


def test_answer_is_shown_with_the_headers_that_matter(examiner: Examiner) -> None:
    headers = {"content-type": "text/plain", "server": "x", "retry-after": "3"}
    reply = Reply(503, headers, "  not\n JSON é ".encode(), 0.0)
    assert finding_of(examiner, reply).answer == ("503, content-type: text/plain, retry-after: 3", "not JSON é")
    assert finding_of(examiner, Reply(200, {}, '{"a": "é"}'.encode(), 0.0)).answer == ("200", '{"a": "é"}')


def test_answer_to_another_request_says_to_which(examiner: Examiner) -> None:
    reply = answered(b"")
    assert finding_of(examiner, reply).answer == ("418",)
    assert finding_of(examiner, reply, b"{}").answer == ("to GET http://a.example/x", "418")
    same = examiner.sender.request_of(b"{}").url
    assert finding_of(examiner, answered(b"", url=same), b"{}").answer == ("418",)


def test_long_answers_and_mistakes_are_cut(examiner: Examiner) -> None:
    body = {"link": "x" * 61, "short": "y" * 60, "list": ["z" * 61, 1, None]}
    _, shown = finding_of(examiner, Reply(200, {}, json.dumps(body).encode(), 0.0)).answer
    assert json.loads(shown) == {"link": "x" * 59 + "…", "short": "y" * 60, "list": ["z" * 59 + "…", 1, None]}
    _, shown = finding_of(examiner, Reply(200, {}, json.dumps([1] * 500).encode(), 0.0)).answer
    assert (len(shown), shown[-1]) == (500, "…")
    assert finding_of(examiner, None, mistake="x" * 1001).got == ("x" * 999 + "…",)
    assert finding_of(examiner, None, mistake="x" * 1000).got == ("x" * 1000,)


@pytest.mark.parametrize(
    ("rule", "limit"),
    [
        ("ai302/error/code/required", ""),
        ("ai302/edit/parameters/seed/minimum", ""),
        ("ai302/error/code/minLength", "1"),
        ("ai302/error/type", "'object'"),
        ("ai302/edit/model/enum", '["qwen-image-edit"]'),
    ],
)
def test_violation_says_what_a_rule_limits_to(examiner: Examiner, rule: str, limit: str) -> None:
    broken = CATALOG["ai302"].rule(rule)
    assert finding_of(examiner, None, mistake=Mistake("one", "answer", broken)).value == limit


def test_certainty_of_another_rule_than_the_tried_one_is_its_own(examiner: Examiner) -> None:
    mistakes = [Mistake("one", "answer", HALF), Mistake("two", "answer", DOCUMENTED)]
    found = log_of(examiner, live=True).violation(mistakes, b"{}", "a 400", edit(HALF, "reject")).findings
    assert [(each.rule, each.certainty) for each in found] == [
        (HALF.id, HALF.reject_certainty),
        (DOCUMENTED.id, DOCUMENTED.certainty),
    ]
    (found,) = log_of(examiner, live=True).violation(mistakes[:1], b"{}", "a 400").findings
    assert found.certainty == HALF.certainty


def test_answer_counts_for_each_rule_of_its_document(examiner: Examiner) -> None:
    document = NEBULA.variants["contents"].answer
    first, second, *others = document.rules
    found, expected = log_of(examiner, live=True), log_of(examiner, live=True)
    for broken in (set[Rule](), {first}, {first, second}, set[Rule](), {second}):
        found.tally_answer(document, broken)
        for each in document.rules:
            expected.tally(each, "accept", held=each not in broken, detail="broken by an answer")
    assert found.tallies == expected.tallies
    assert found.tallies[first.id].tried == {"accept": 5, "reject": 0}
    assert found.tallies[first.id].passed == {"accept": 3, "reject": 0}
    assert found.tallies[others[0].id].passed == {"accept": 5, "reject": 0}


def test_requirement_counts_nothing(examiner: Examiner) -> None:
    log = log_of(examiner, live=False)
    log.require([], b"{}", "a 200")
    with pytest.raises(ContractViolation, match=r"^judged: .*\npromised: a 200\ngot:      one"):
        log.require(["one"], b"{}", "a 200")
    assert log.tallies == {}
    assert log.request_ids == set()


def test_note_says_why_a_rule_was_not_tried(examiner: Examiner) -> None:
    log = log_of(examiner, live=False)
    log.note(DOCUMENTED, "no key")
    assert (log.tallies[DOCUMENTED.id].reason, log.tallies[DOCUMENTED.id].status) == ("no key", "skipped")
    log.tally(DOCUMENTED, "accept", held=True)
    assert log.tallies[DOCUMENTED.id].status == "pass"
