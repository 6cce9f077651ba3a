"""A change to a valid body, so that it can be made to the smallest body and to a random one.

An edit does not promise what it does to other rules: the judge looks at the finished body, and drops it if it breaks
more than was meant.
"""

from collections.abc import Callable
from dataclasses import dataclass

from qwenmock.pytest_plugin.examiner.results import Side
from qwenmock.schemas.models import Rule
from qwenmock.schemas.vocabulary import JSON

SHOWN = 60
"""Characters of a value that a failure shows."""
LONG = 10_000
"""Characters of a text of which no more than what is shown is written."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change that keeps or breaks one rule.

    Attributes:
        note: The value in a few words.
        change: From a valid body to the body to send.
        assumed: Whether no document says how this value is answered, however certain the rule is.
        may_break_others: Whether it also breaks rules with the same error, because nothing else breaks the rule.
        possibly_billable: Whether a real server may accept and bill it: it is not tried on a live target.

    """

    rule: Rule
    side: Side
    note: str
    change: Callable[[JSON], JSON]
    assumed: bool = False
    may_break_others: bool = False
    possibly_billable: bool = False


def describe(value: JSON) -> str:
    """Return a value in at most 70 characters or so."""
    if isinstance(value, str) and len(value) > LONG:
        return f"{ascii(value[:SHOWN])[:SHOWN]}… ({len(value) + 2} characters)"  # not ascii() of 13 MB
    text = ascii(value)
    return text if len(text) <= SHOWN + 10 else f"{text[:SHOWN]}… ({len(text)} characters)"
