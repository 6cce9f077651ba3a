"""The two engines of the validator, and the examiner's judge, read the same schemas alike."""

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from extent import usually
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_explanation import errors_of

from qwenmock.fixtures import exchanges
from qwenmock.mockserver.calls.explanation import compile_explainer
from qwenmock.mockserver.calls.validation import BodyValidator
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.pytest_plugin.examiner.strategies import bodies, mutants
from qwenmock.schemas.catalog import load

CATALOG = load()
VARIANTS = {f"{provider.slug}/{name}": variant for provider in CATALOG for name, variant in provider.variants.items()}
IN_THE_BYTES = {"mediaTypes", "minWidth", "maxWidth", "minHeight", "maxHeight", "maxBytes", "encoding", "integrity"}
RANDOM = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
EXAMPLES = pytest.mark.parametrize("examples", usually([8, 20, 60], [8]))


@cache
def validator_of(name: str) -> BodyValidator:
    return BodyValidator(VARIANTS[name].request)


@cache
def requests_of(name: str) -> st.SearchStrategy[object]:
    """Return a strategy for valid and broken bodies, made once: to make it takes longer than to draw from it."""
    provider, variant = CATALOG[name.partition("/")[0]], VARIANTS[name]
    return bodies(variant) | mutants(provider, variant).map(lambda drawn: drawn[1])


def drawing(examples: int) -> settings:
    return settings(deadline=None, database=None, suppress_health_check=list(HealthCheck), max_examples=examples)


@EXAMPLES
@pytest.mark.parametrize("name", VARIANTS)
def test_engines_agree_on_valid_and_broken_bodies(name: str, examples: int) -> None:
    variant, validator = VARIANTS[name], validator_of(name)

    @drawing(examples)
    @given(requests_of(name))
    def check(body: object) -> None:
        body = variant.request.unwrapped(body)
        explained = validator.explain(body)
        assert validator.accepts(body) == (explained is None)
        if validator.is_definitely_valid(body):
            assert explained is None
            assert not validator.unknown_fields(body)
        broken = {rule for rule in broken_rules(variant.request, body) if rule.keyword not in IN_THE_BYTES}
        assert (explained is None) == (not broken)
        if explained is not None:
            assert explained.rule in broken

    check()


@EXAMPLES
@pytest.mark.parametrize("name", VARIANTS)
def test_engines_agree_when_any_member_is_anything(name: str, examples: int) -> None:
    variant, validator = VARIANTS[name], validator_of(name)
    members = list(variant.request.schema["properties"])

    @drawing(examples)
    @given(bodies(variant), st.sampled_from(members), RANDOM)
    def check(body: dict[str, object], member: str, value: object) -> None:
        body = {**body, member: value}
        assert validator.accepts(body) == (validator.explain(body) is None)
        assert validator.accepts(body) or not validator.is_definitely_valid(body)

    check()


@EXAMPLES
@pytest.mark.parametrize("name", VARIANTS)
def test_compiled_explanation_finds_what_jsonschema_finds(name: str, examples: int) -> None:
    """In the same order, with the same words: in bodies in which several things may be wrong at once."""
    variant = VARIANTS[name]
    explain = compile_explainer(variant.request.schema)

    @drawing(examples)
    @given(requests_of(name), st.data())
    def check(body: object, data: st.DataObject) -> None:
        body = copy.deepcopy(body)
        for _ in range(data.draw(st.integers(0, 3))):
            places = list(places_of(body))
            if places:
                holder, at = data.draw(st.sampled_from(places))
                holder[at] = data.draw(RANDOM | st.just(holder[at]).map(lambda value: [value, value]))
        found = [(broken.steps, broken.keyword, broken.message) for broken in explain(body)]
        assert found == errors_of(variant.request.schema, body)

    check()


def places_of(value: Any) -> Iterator[tuple[Any, str | int]]:
    """Yield each place in a document: the object or array that holds it, and its name or number."""
    if isinstance(value, dict | list):
        for at in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, at
            yield from places_of(value[at])


@pytest.mark.parametrize("name", VARIANTS)
def test_published_examples_are_right_at_a_glance(name: str) -> None:
    slug, _, variant = name.partition("/")
    validator = validator_of(name)
    for exchange in exchanges(slug, variant):
        unknown = validator.unknown_fields(exchange.request)
        assert validator.is_definitely_valid(exchange.request) != bool(unknown), exchange.request


IMAGES = {name: variant for name, variant in VARIANTS.items() if "image" in variant.request.roles}


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize(
    "address",
    [
        "http://exa mple.com/a.png",
        "http:///a.png",
        "https://example.com:port/a.png\n",
        "https://user@example.com/a.png",
        "https://bücher.example/ä.png",
        "HTTPS://EXAMPLE.COM/a.png",
        "https://example.com/a.png\n",
        "https://[::1]/a.png",
        "https://example.com/a.png?x=[y]#z",
        "ftp://example.com/a.png",
        "data",
        "oss://bucket/a.png",
        "",
    ],
)
def test_odd_addresses_are_judged_alike_at_a_glance_and_in_full(name: str, address: str) -> None:
    validator = validator_of(name)
    path = IMAGES[name].request.roles["image"][0]
    for exchange in exchanges(name.partition("/")[0], name.partition("/")[2]):
        body = replaced(exchange.request, path, address)
        assert validator.accepts(body) == (validator.explain(body) is None)
        assert validator.accepts(body) or not validator.is_definitely_valid(body)


def replaced(value: Any, path: tuple[str, ...], new: str) -> Any:
    """Return a document in which all values at a path are another."""
    if not path:
        return new
    if path[0] == "*":
        return [replaced(item, path[1:], new) for item in value]
    if not isinstance(value, dict) or path[0] not in value:
        return value
    return {**value, path[0]: replaced(value[path[0]], path[1:], new)}
