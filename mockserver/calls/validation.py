"""Whether a body is valid for its variant's schema, and if not, which rule it breaks.

Two engines read the same schema: `jsonschema-rs` accepts (a microsecond), `explanation` explains a refusal. The custom
keywords are functions that both use; a property test checks that the engines agree.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import jsonschema_rs

from qwenmock.mockserver.calls.explanation import Broken, Steps, compile_explainer
from qwenmock.mockserver.calls.json_schema import strict_subset, to_json_schema
from qwenmock.mockserver.calls.keywords import CUSTOM_KEYWORDS, callback, is_local, is_uri, without_effect
from qwenmock.mockserver.calls.reading import compile_reader
from qwenmock.schemas.models import Document, Rule, Unread
from qwenmock.schemas.vocabulary import JSON, Path, Schema, select, subschema, walk

LONGEST_DETAIL = 1000


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a body breaks, and a message that names the field and what it accepts."""

    rule: Rule
    detail: str


class BodyValidator:
    """Validates bodies against one document of the catalogue.

    Args:
        document: Its schema and rules.
        allow_local_callbacks: Whether callback URLs may lead to this machine.

    """

    def __init__(self, document: Document, *, allow_local_callbacks: bool = False) -> None:
        self.document = document
        self._allow_local = allow_local_callbacks
        self._accepts, self._accepts_strictly = (
            jsonschema_rs.Draft202012Validator(schema, validate_formats=True, formats={"uri": is_uri})
            for schema in (to_json_schema(document.schema), strict_subset(document.schema))
        )
        custom = [
            (path, keyword, subschema[keyword])
            for path, subschema in walk(document.schema)
            for keyword in CUSTOM_KEYWORDS
            if keyword in subschema
        ]
        self._keeps_custom = self._custom_check(custom)
        # The strict subset expresses the other two in plain JSON Schema.
        self._keeps_rest = self._custom_check([each for each in custom if each[1] not in {"x-image", "x-parts"}])
        self._dependencies = [(path, spec) for path, keyword, spec in custom if keyword == "x-depends"]

    @cached_property
    def _broken(self) -> Callable[[JSON], list[Broken]]:
        # With the first refusal: it is half of the work for a variant, which a server does for all when it starts.
        return compile_explainer(self.document.schema)

    def accepts(self, body: JSON) -> bool:
        """Return whether the body keeps every rule of the schema."""
        return _is_valid(self._accepts, body) and self._keeps_custom(body)

    def is_definitely_valid(self, body: JSON) -> bool:
        """Return whether a quick check shows that the body is valid, and has all and only the documented members."""
        is_strictly_valid = _is_valid(self._accepts_strictly, body) and self._keeps_rest(body)
        return is_strictly_valid and not self.members_without_effect(body)

    def _custom_check(self, custom: list[tuple[Path, str, JSON]]) -> Callable[[JSON], bool]:
        """Return a function that checks whether a body keeps some custom keywords, each with its place and value."""
        paths = list(dict.fromkeys(path for path, _, _ in custom))
        read = compile_reader([[path] for path in paths])
        checks = [(paths.index(path), CUSTOM_KEYWORDS[keyword], spec) for path, keyword, spec in custom]

        def keeps(body: JSON) -> bool:
            found = read(body)
            for slot, check, spec in checks:
                for value in found[slot]:
                    for _ in check(spec, value):
                        if not (self._allow_local and check is callback and is_local(value)):
                            return False
            return True

        return keeps if custom else lambda _body: True

    def violation(self, body: JSON) -> Violation | None:
        """Return the rule that the body breaks, the outermost of several; None for a valid body."""
        return None if self.accepts(body) else self.explain(body)

    def explain(self, body: JSON) -> Violation | None:
        """Return what `violation` returns, using only the engine that explains."""
        broken = self._broken(body)
        if self._allow_local:
            broken = [b for b in broken if b.keyword not in {"schemes", "publicHost"} or not is_local(b.value)]
        worst = max(broken, key=_relevance, default=None)
        if worst is None:
            return None
        path = tuple("*" if isinstance(step, int) else step for step in worst.steps)
        rule = self.document.rule_at[path, worst.keyword]
        return Violation(rule, f"{field_name(worst.steps)} {worst.message}"[:LONGEST_DETAIL])

    def members_without_effect(self, body: JSON) -> list[str]:
        """Return a sentence for each member that is accepted and has no effect."""
        return [
            f"{member.replace('/', '.')} {reason}"
            for path, spec in self._dependencies
            for value in select(body, path)
            for member, reason in without_effect(spec, value)
        ]

    def defaulted(self, body: JSON) -> Iterator[tuple[str, JSON]]:
        """Yield the required members that a valid body leaves to their defaults, and these."""
        for path in self.document.defaulted:
            for holder in select(body, path[:-1]):
                if isinstance(holder, dict) and path[-1] not in holder:
                    yield ".".join(path).replace(".*", "[]"), subschema(self.document.schema, path)["default"]

    def unread(self, body: JSON) -> Iterator[Unread]:
        """Yield the members of a valid body that are accepted and not read."""
        for each in self.document.unread:
            if any(isinstance(holder, dict) and each.path[-1] in holder for holder in select(body, each.path[:-1])):
                yield each

    def unknown_fields(self, body: JSON) -> list[str]:
        """Return the members that the document does not name, such as `parameters.foo`."""
        return list(_unknown(self.document.schema, body, ()))


def _is_valid(engine: jsonschema_rs.Draft202012Validator, body: JSON) -> bool:
    """Return whether an engine finds a body valid; not for one that it cannot read: the other engine decides."""
    try:
        return engine.is_valid(body)
    except ValueError:  # older versions of jsonschema-rs read nothing that is nested deeper than 255
        return False


def _relevance(broken: Broken) -> tuple[int, list[tuple[bool, str | int]], bool]:
    """Return what the rule that is told has most of: a short path, a late place, and more than `oneOf` to say."""
    steps = [(isinstance(step, int), step) for step in broken.steps]
    return -len(steps), steps, broken.keyword != "oneOf"


def field_name(steps: Steps) -> str:
    """Return the name of a place in a body, such as `contents[0].parts[1].image`."""
    name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
    return name or "the body"


def _unknown(schema: Schema, value: JSON, steps: Steps) -> Iterator[str]:
    if isinstance(value, dict) and "properties" in schema:
        for name, member in value.items():
            if name in schema["properties"]:
                yield from _unknown(schema["properties"][name], member, (*steps, name))
            elif name not in schema.get("x-unread", ()):
                yield field_name((*steps, name[:100]))[:100]
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _unknown(schema["items"], item, (*steps, index))
