"""Random requests: valid ones that spread over what the schema allows, and ones that break exactly one rule.

The strategies are made from the catalogue's schemas. A mutant draws its rule first, so that shrinking keeps the rule
and makes the rest simple; the judge looks at the finished body again, also after shrinking.
"""

import json
import re
from collections.abc import Callable, Iterator

from hypothesis import strategies as st

from qwenmock.pytest_plugin.examiner import sample_images, sizes
from qwenmock.pytest_plugin.examiner.bodies import CALLBACK, PROMPT
from qwenmock.pytest_plugin.examiner.boundaries.edit import Edit, describe
from qwenmock.pytest_plugin.examiner.boundaries.rule_edits import edits_of
from qwenmock.pytest_plugin.examiner.json_values import as_object, is_object
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.schemas.models import Provider, Rule, Variant
from qwenmock.schemas.vocabulary import JSON, Schema

LONGEST = 200
"""Characters of a random text without a limit."""

LARGEST = 1e9
"""Of random numbers without a limit."""

TEXT = st.characters(exclude_categories=("Cs",))


class Body(dict[str, JSON]):
    """A body with a short representation: its images would fill pages, and a failure prints it as `curl`."""

    def __repr__(self) -> str:
        return describe(dict(self))


def bodies(variant: Variant) -> st.SearchStrategy[dict[str, JSON]]:
    """Return a strategy for valid bodies of a variant."""
    return values(variant.request.schema).filter(lambda body: not broken_rules(variant.request, body)).map(_body)


def _body(value: JSON) -> dict[str, JSON]:
    return Body(as_object(value))


def values(schema: Schema) -> st.SearchStrategy[JSON]:
    """Return a strategy for values that a schema accepts."""
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
    return _STRATEGIES[kind](schema)


def _object(schema: Schema) -> st.SearchStrategy[JSON]:
    members = {name: values(member) for name, member in schema.get("properties", {}).items() if "not" not in member}
    branches = [branch["required"][0] for branch in schema.get("oneOf", ())]
    if branches:
        return st.sampled_from(branches).flatmap(lambda name: st.fixed_dictionaries({name: members[name]}))
    required = {name: members[name] for name in schema.get("required", ())}
    optional = {name: member for name, member in members.items() if name not in required}
    return st.fixed_dictionaries(required, optional=optional)


def _array(schema: Schema) -> st.SearchStrategy[JSON]:
    if "x-parts" not in schema:
        fewest = schema.get("minItems", 0)
        items = values(schema["items"])
        listed = st.lists(items, min_size=fewest, max_size=schema.get("maxItems", fewest + 2))
        return _listed_or_alone(listed, items) if "x-single" in schema else listed
    groups = {
        member: st.lists(
            st.fixed_dictionaries({member: values(schema["items"]["properties"][member])}),
            min_size=spec.get("minItems", 0),
            max_size=spec.get("maxItems", 3),
        )
        for member, spec in schema["x-parts"].items()
    }
    positioned = any("position" in spec for spec in schema["x-parts"].values())

    @st.composite
    def arranged(draw: st.DrawFn) -> JSON:
        drawn = {member: draw(group) for member, group in groups.items()}
        ordered = sorted(drawn, key=lambda member: "position" in schema["x-parts"][member])
        items = [item for member in ordered for item in drawn[member]]
        return items if positioned else draw(st.permutations(items))

    return arranged()


def _listed_or_alone(listed: st.SearchStrategy[JSON], items: st.SearchStrategy[JSON]) -> st.SearchStrategy[JSON]:
    # Not one_of: it would print the images.
    @st.composite
    def chosen(draw: st.DrawFn) -> JSON:
        return draw(items if draw(st.booleans()) else listed)

    return chosen()


def _string(schema: Schema) -> st.SearchStrategy[JSON]:
    if "x-image" in schema:
        return st.sampled_from(_pictures(schema["x-image"]))
    if "x-size" in schema:
        return _sizes(schema["x-size"])
    if "x-callback" in schema:
        return st.just(CALLBACK)
    shortest = schema.get("minLength", 0)
    longest = schema.get("maxLength", LONGEST)
    edge: st.SearchStrategy[int] = st.sampled_from(
        [size for size in (longest, longest + schema.get("x-truncate", 0)) if size > LONGEST] or [shortest]
    )
    long = st.builds(_repeated, edge, TEXT)
    return st.one_of(st.text(TEXT, min_size=shortest, max_size=min(longest, LONGEST)), long)


def _sizes(spec: Schema) -> st.SearchStrategy[JSON]:
    def beside(width: int) -> st.SearchStrategy[JSON]:
        return st.integers(*sizes.heights(spec, width)).map(lambda height: sizes.write(spec, width, height))

    return st.integers(*sizes.widths(spec)).flatmap(beside)


def _repeated(times: int, character: str) -> str:
    return character * times


def _pictures(spec: Schema) -> list[str]:
    found = [url for url in sample_images.SAMPLES if url.partition(":")[0] in spec["schemes"]]
    if "data" in spec["schemes"]:
        side = max(spec["minWidth"], spec["minHeight"])
        found += [
            sample_images.picture_url(kind, side + 64 * place, side + 16)
            for place, kind in enumerate(spec["mediaTypes"])
        ]
    return found


def _number(schema: Schema) -> st.SearchStrategy[JSON]:
    whole = st.integers(schema.get("minimum"), schema.get("maximum"))
    # 2.0 is an integer in JSON Schema; a server must count and bill it as one.
    return st.one_of(whole, whole.filter(lambda value: abs(value) < 2**53).map(float))


def _real(schema: Schema) -> st.SearchStrategy[JSON]:
    return st.floats(schema.get("minimum", -LARGEST), schema.get("maximum", LARGEST))


_STRATEGIES: dict[str, Callable[[Schema], st.SearchStrategy[JSON]]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _number,
    "number": _real,
    "boolean": lambda _schema: st.booleans(),
    "null": lambda _schema: st.none(),
}


def mutants(
    provider: Provider,
    variant: Variant,
    edits: Callable[[Provider, Variant, Rule], list[Edit]] = edits_of,
) -> st.SearchStrategy[tuple[Edit, JSON]]:
    """Return a strategy for pairs of an edit and a body that breaks exactly the edit's rule.

    Args:
        provider: Of the variant.
        variant: What is requested.
        edits: Returns the edits for a rule.

    """
    rejecting = {
        rule: [
            e
            for e in edits(provider, variant, rule)
            if e.side == "reject" and not (e.may_break_others or e.possibly_billable)
        ]
        for rule in variant.request.rules
    }
    chosen = {rule: st.sampled_from(found) for rule, found in rejecting.items() if found}
    # Made once: Hypothesis examines each strategy that it has not seen before, which takes longer than to draw.
    rules, valid = st.sampled_from([*chosen]), bodies(variant)

    @st.composite
    def mutant(draw: st.DrawFn) -> tuple[Edit, JSON]:
        rule = draw(rules)
        edit = draw(chosen[rule])
        body = edit.change(draw(valid))
        return edit, Body(body) if is_object(body) else body

    return mutant().filter(lambda drawn: broken_rules(variant.request, drawn[1]) == {drawn[0].rule})


UNPARSABLE: tuple[bytes, ...] = (
    b"",
    b" ",
    b"{",
    b'{"model": "qwen-image-plus",}',
    b"{'model': 'qwen-image-plus'}",
    b'{"model": qwen}',
    b"model=qwen-image-plus&prompt=x",
    b"\xff\xfe{\x00}\x00",
    b'{"prompt": "\xe9"}',
    b'{"prompt": "\\ud800"}',
    b"{} {}",
    b"[" * 100_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    b"NaN",
    b'{"n": 01}',
)
"""Bodies that are not JSON, or that a server need not accept."""


def nearly_json(body: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield valid bodies with one slip of syntax, and whether some parsers accept the slip."""
    prompt = PROMPT.encode()
    strict = [
        body[:-1],
        body[:-1] + b",}",
        body.replace(b'"', b"'"),
        re.sub(rb'"(\w+)":', rb"\1:", body),
        b"// a comment\n" + body,
        body[:-1] + b" /* a comment */}",
        body.replace(b'":', b'"=', 1),
        body.replace(prompt, prompt + b"\n"),
    ]
    # Go's decoder stops after the first document, and puts a replacement character for bytes that are not UTF-8.
    lenient = [body + body, body + b"}", body.replace(prompt, b"caf\xe9")]
    slips = [(slip, False) for slip in strict] + [(slip, True) for slip in lenient]
    yield from ((slip, passes) for slip, passes in slips if _is_not_json(slip))


def _is_not_json(data: bytes) -> bool:
    """Return whether a body cannot be parsed."""
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return True
    return False


def unparsable() -> st.SearchStrategy[bytes]:
    """Return a strategy for bodies that are not JSON."""
    return st.one_of(st.sampled_from(UNPARSABLE), st.binary(max_size=50).filter(_is_not_json))
