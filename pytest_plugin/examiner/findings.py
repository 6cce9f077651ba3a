"""What a failure says: the mistakes in an answer, what each is about, and how serious it is.

Imports `qwenmock.schemas` only; every part of the examiner may import it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

from qwenmock.schemas.models import Certainty, Rule
from qwenmock.schemas.sources import cited

Subject: TypeAlias = Literal["bill", "key", "request", "refusal", "answer", "picture", "task", "sequence", "promise"]
"""What was judged when a mistake was found; any check can find each of them."""
SUBJECTS: Mapping[Subject, str] = {
    "bill": "the bill",
    "key": "who may do what with which key",
    "request": "which requests are accepted and which are refused",
    "refusal": "the answer to a request that is refused",
    "answer": "the answer to a request that succeeds",
    "picture": "the pictures",
    "task": "the progress of a task",
    "sequence": "calls in any order",
    "promise": "what this check is about",
}
"""What each subject is called in reports."""
Severity: TypeAlias = Literal["money", "authentication", "contract", "assumed"]
SEVERITIES: tuple[Severity, ...] = ("money", "authentication", "contract", "assumed")
"""The most serious first."""
OF_KEYS = frozenset({"unauthorized", "query_unauthorized", "forbidden", "task_forbidden"})
"""The kinds of error that a key gets for what it may not do."""


def severity_of(subject: Subject, certainty: str) -> Severity:
    """Return how serious a finding is, by what was judged and by how certain the broken rule is."""
    if certainty in {"assumed", "observed"}:
        return "assumed"
    return "money" if subject == "bill" else "authentication" if subject == "key" else "contract"


class Mistake(str):
    """A sentence about what is wrong, with what was judged.

    It is a string, so that a check which judges one thing only can use plain sentences.

    Attributes:
        subject: What was judged.
        rule: The rule that is broken; None if the catalogue has none for it.

    """

    __slots__ = ("rule", "subject")
    subject: Subject
    rule: Rule | None

    def __new__(cls, text: str, subject: Subject, rule: Rule | None = None) -> Self:
        """Return the sentence."""
        self = super().__new__(cls, text)
        self.subject = subject
        self.rule = rule
        return self


def shortened(text: str, length: int) -> str:
    """Return a text with at most so many characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def about(subject: Subject, mistakes: Sequence[str]) -> list[str]:
    """Return mistakes with their subject; those that have one keep it."""
    return [each if isinstance(each, Mistake) else Mistake(each, subject) for each in mistakes]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it was sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one rule, or about one subject without a rule, in texts.

    Attributes:
        rule: Its id; "" where the catalogue has none.
        value: What the rule says.
        source: The document and its section.
        sent: What was changed in the request.
        got: The mistakes.
        answer: Its status, the headers that matter, and the beginning of its body.
        steps: The calls before it, where their order matters.
        curl: The command that sends the request again.
        files: What the command reads, and the pictures in it.

    """

    subject: Subject = "promise"
    rule: str = ""
    value: str = ""
    source: str = ""
    certainty: Certainty | Literal[""] = ""
    sent: str = ""
    promised: str = ""
    got: tuple[str, ...] = ()
    answer: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    curl: str = ""
    files: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity:
        """How serious it is."""
        return severity_of(self.subject, self.certainty)

    @property
    def where(self) -> str:
        """The rule, or what was judged."""
        return self.rule or SUBJECTS[self.subject]

    def lines(self) -> Iterator[str]:
        """Yield what is printed, without the command."""
        if self.rule:
            yield f"rule:     {self.rule}" + (f" ({self.value})" if self.value else "")
            yield f"source:   {cited(self.source)} ({self.certainty})"
        yield f"judged:   {SUBJECTS[self.subject]}"
        if self.sent:
            yield f"sent:     {self.sent}"
        if self.promised:
            yield f"promised: {self.promised}"
        yield from (f"got:      {each}" for each in self.got)
        for position, each in enumerate(self.answer):
            yield f"{'answer:' if position == 0 else '':9} {each}"
        if self.steps:
            yield "steps:"
            yield from (f"  {position}. {each}" for position, each in enumerate(self.steps, 1))


def printed(findings: Sequence[Finding]) -> str:
    """Return the text of a failure: its findings, and the command, which all of them share."""
    blocks = ["\n".join(each.lines()) for each in findings]
    last = findings[-1]
    if last.files:
        blocks.append("\n".join(f"file:     {name}" for name in last.files))
    if last.curl:
        blocks.append(last.curl)
    return "\n\n".join(blocks)


def grouped(
    mistakes: Sequence[str], subject: Subject, rule: Rule | None
) -> Mapping[tuple[Subject, Rule | None], list[str]]:
    """Return mistakes by what was judged and by rule.

    Args:
        mistakes: The mistakes.
        subject: Of plain sentences.
        rule: Of plain sentences.

    """
    groups: dict[tuple[Subject, Rule | None], list[str]] = {}
    for each in mistakes:
        key = (each.subject, each.rule) if isinstance(each, Mistake) else (subject, rule)
        groups.setdefault(key, []).append(str(each))
    return groups
