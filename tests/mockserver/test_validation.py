"""The two engines of the validator, and the examiner's judge, read the same schemas alike."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qwenmock.mockserver.validation import BodyValidator
from qwenmock.pytest_plugin.judge import broken_rules
from qwenmock.pytest_plugin.strategies import bodies, mutants
from qwenmock.schemas.catalog import Variant, load

VARIANTS = {f"{provider.slug}/{name}": variant for provider in load() for name, variant in provider.variants.items()}
IN_THE_BYTES = {"mediaTypes", "minWidth", "maxWidth", "minHeight", "maxHeight", "maxBytes", "encoding", "integrity"}
RANDOM = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
QUICK = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck), max_examples=60)


@pytest.mark.parametrize("name", VARIANTS)
def test_engines_agree_on_valid_and_broken_bodies(name: str) -> None:
    variant = VARIANTS[name]
    validator = BodyValidator(variant.request)

    @QUICK
    @given(bodies(variant) | mutants(variant).map(lambda drawn: drawn[1]))
    def check(body: object) -> None:
        explained = validator.explain(body)
        assert validator.accepts(body) == (explained is None)
        broken = {rule for rule in broken_rules(variant.request, body) if rule.keyword not in IN_THE_BYTES}
        assert (explained is None) == (not broken)
        if explained is not None:
            assert explained.rule in broken

    check()


@pytest.mark.parametrize("name", VARIANTS)
def test_engines_agree_when_any_member_is_anything(name: str) -> None:
    variant: Variant = VARIANTS[name]
    validator = BodyValidator(variant.request)
    members = list(variant.request.schema["properties"])

    @QUICK
    @given(bodies(variant), st.sampled_from(members), RANDOM)
    def check(body: dict[str, object], member: str, value: object) -> None:
        body = {**body, member: value}
        assert validator.accepts(body) == (validator.explain(body) is None)

    check()
