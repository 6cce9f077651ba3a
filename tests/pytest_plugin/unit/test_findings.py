"""What a failure says: how serious it is, what is printed of it, and what belongs together."""

from dataclasses import replace

import pytest

from qwenmock.pytest_plugin.examiner.findings import (
    SEVERITIES,
    Finding,
    Mistake,
    Subject,
    about,
    grouped,
    printed,
    severity_of,
    shortened,
)
from qwenmock.schemas.catalog import load

RULE = load()["nebula"].rules[0]


@pytest.mark.parametrize(
    ("subject", "certainty", "severity"),
    [
        ("bill", "documented", "money"),
        ("bill", "", "money"),
        ("bill", "assumed", "assumed"),
        ("key", "published", "authentication"),
        ("key", "observed", "assumed"),
        ("answer", "documented", "contract"),
        ("answer", "assumed", "assumed"),
    ],
)
def test_severity_is_that_of_the_subject_if_a_document_says_so(subject: Subject, certainty: str, severity: str) -> None:
    assert severity_of(subject, certainty) == severity
    assert severity in SEVERITIES


def test_mistake_is_a_text_with_what_was_judged() -> None:
    mistake = Mistake("0.36 billed", "bill", RULE)
    assert (mistake, mistake.subject, mistake.rule) == ("0.36 billed", "bill", RULE)
    assert Mistake("status 500", "answer").rule is None


def test_sentences_get_a_subject_and_mistakes_keep_theirs() -> None:
    mistake = Mistake("0.36 billed", "bill")
    plain, kept = about("key", ["status 200", mistake])
    assert isinstance(plain, Mistake)
    assert (plain, plain.subject) == ("status 200", "key")
    assert kept is mistake


def test_mistakes_are_grouped_by_subject_and_rule() -> None:
    mistakes = ["a", Mistake("b", "bill", RULE), Mistake("c", "key"), "d", Mistake("e", "bill", RULE)]
    assert grouped(mistakes, "answer", None) == {
        ("answer", None): ["a", "d"],
        ("bill", RULE): ["b", "e"],
        ("key", None): ["c"],
    }
    assert list(grouped(["a"], "answer", RULE)) == [("answer", RULE)]


@pytest.mark.parametrize(("text", "short"), [("abcd", "abcd"), ("abcde", "abc…"), ("", "")])
def test_long_text_is_cut(text: str, short: str) -> None:
    assert shortened(text, 4) == short


WHOLE = Finding(
    subject="bill", rule="p/v/n/maximum", value="6", source="published: a", certainty="published", sent="n: 7",
    promised="is refused", got=("status 200", "0.18 billed"), answer=("200", "{}"), steps=("create", "query"),
    curl="curl -sS", files=("a.body", "a-1.png"),
)  # fmt: skip


def test_everything_that_is_known_is_printed() -> None:
    assert printed([WHOLE]).splitlines() == [
        "rule:     p/v/n/maximum (6)",
        "source:   published: a (published)",
        "judged:   the bill",
        "sent:     n: 7",
        "promised: is refused",
        "got:      status 200",
        "got:      0.18 billed",
        "answer:   200",
        "          {}",
        "steps:",
        "  1. create",
        "  2. query",
        "",
        "file:     a.body",
        "file:     a-1.png",
        "",
        "curl -sS",
    ]


def test_nothing_else_is_printed() -> None:
    assert printed([Finding()]) == "judged:   what this check is about"
    assert printed([replace(Finding(), rule="p/v/n/maximum", source="published: a", certainty="assumed")]) == (
        "rule:     p/v/n/maximum\nsource:   published: a (assumed)\njudged:   what this check is about"
    )


def test_command_of_several_findings_is_that_of_the_last() -> None:
    findings = [replace(Finding(), curl=curl) for curl in ("first", "second", "third")]
    assert printed(findings) == "\n\n".join(["judged:   what this check is about"] * 3 + ["third"])


def test_finding_is_about_its_rule_or_its_subject() -> None:
    assert (WHOLE.where, WHOLE.severity) == ("p/v/n/maximum", "money")
    assert (Finding(subject="key").where, Finding(subject="key").severity) == (
        "who may do what with which key",
        "authentication",
    )
