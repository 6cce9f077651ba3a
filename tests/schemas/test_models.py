"""What a provider's contract says of itself: who is served, what is answered, what it costs, which rule holds where."""

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from qwenmock.schemas.catalog import load
from qwenmock.schemas.models import Document, Endpoint, Host, ImageNames, Price, Rule, Unread, Variant

CATALOG = load()
NEBULA, EVOLINK, DASHSCOPE = CATALOG["nebula"], CATALOG["evolink"], CATALOG["dashscope"]
TERMS = {"x-source": "published: a", "x-certainty": "published"}


def rule(rule_id: str = "a/b/n/maximum", **more: Any) -> Rule:
    values = {
        "id": rule_id, "provider": "a", "variant": "b", "path": ("n",), "keyword": "maximum", "value": 6,
        "source": "published: a", "certainty": "documented", "reject_certainty": "assumed", "error": "invalid",
    }  # fmt: skip
    return Rule(**{**values, **more})


def document(schema: Any, *rules: Rule) -> Document:
    return Document("edit", schema, rules, "edit.schema.json")


def variant(name: str, models: tuple[str, ...] = ("m",), discriminator: str | None = None, **model: Any) -> Variant:
    request = document({"properties": {"model": {"x-role": "model", "enum": list(models), **model}}})
    return Variant(name, name, models, discriminator, request, document({}), {}, NEBULA.picture)


def endpoint(*variants: Variant, **more: Any) -> Endpoint:
    return replace(NEBULA.endpoints["create"], variants=variants, **more)


# Rules.


def test_rules_of_one_id_are_found_by_it() -> None:
    assert hash(rule()) == hash(rule(value=7)) == hash("a/b/n/maximum")


@pytest.mark.parametrize(
    ("terms", "is_it"),
    [
        ({}, True),
        ({"certainty": "published"}, True),
        ({"certainty": "assumed"}, False),
        ({"certainty": "observed"}, False),
        ({"keyword": "enum"}, False),
        ({"keyword": "enum", "certainty": "assumed"}, False),
        ({"reject_certainty": "documented"}, False),
        ({"keyword": "enum", "reject_certainty": "documented"}, False),
    ],
)
def test_limit_of_which_no_document_says_that_more_is_refused(terms: dict[str, str], is_it: bool) -> None:
    assert rule(**terms).is_only_a_limit is is_it


def test_limit_that_is_a_number() -> None:
    assert rule().number == 6
    with pytest.raises(TypeError, match="a/b/n/maximum: expected an integer, got '6'"):
        _ = rule(value="6").number


# Documents.

WRITTEN: Any = {
    **TERMS,
    "required": ["n", "images"],
    "x-unread": {"size": {"instead": "parameters.size", "source": "published: b"}},
    "properties": {
        "n": {"default": 1, "x-role": "n", **TERMS},
        "seed": {"default": 2, **TERMS, "x-rules": {"default": {"source": "published: c", "certainty": "assumed"}}},
        "images": {"x-single": True, "items": {"x-role": "image", "x-image": {"maxBytes": 5}, **TERMS}, **TERMS},
        "inner": {"required": ["k"], "properties": {"k": {**TERMS, "x-unread": {"l": {"instead": "k", "source": ""}}}}},
    },
}


def test_values_are_read_by_their_role_and_an_item_may_stand_without_its_array() -> None:
    written = document(WRITTEN)
    assert written.roles == {"n": (("n",),), "image": (("images", "*"),)}
    assert written.singles == ("images",)
    for images in ("a", ["a"]):
        assert written.values("image", {"images": images, "n": 3}) == ["a"]
        assert written.unwrapped({"images": images, "n": 3}) == {"images": ["a"], "n": 3}
    assert written.values("n", {"n": 3}) == [3]
    assert written.values("prompt", {"n": 3}) == []


@pytest.mark.parametrize("body", [{"images": 7}, {"n": "text"}, {}, "images", ["images"], None])
def test_other_bodies_stay_as_they_are(body: Any) -> None:
    assert document(WRITTEN).unwrapped(body) is body


def test_terms_of_a_default_are_its_own_or_those_of_its_member() -> None:
    written = document(WRITTEN)
    assert written.default_terms(("n",)) == ("published: a", "published")
    assert written.default_terms(("seed",)) == ("published: c", "assumed")


def test_members_that_are_required_and_have_a_default() -> None:
    assert document(WRITTEN).defaulted == (("n",),)


def test_members_that_are_not_read_are_known_by_their_path() -> None:
    assert document(WRITTEN).unread == (
        Unread(("size",), "parameters.size", "published: b"),
        Unread(("inner", "k", "l"), "k", ""),
    )


def test_rules_are_found_by_place_and_keyword() -> None:
    place = ("images", "*")
    of_image, of_n = rule("a/b/images/*/maxBytes", path=place, keyword="maxBytes", value=5), rule()
    written = document(WRITTEN, of_image, of_n)
    assert written.rule_at == {(place, "maxBytes"): of_image, (("n",), "maximum"): of_n}
    assert written.image_terms == ({"maxBytes": 5}, {"maxBytes": of_image})


# Prices and hosts.


def test_price_says_nothing_of_input_images_unless_it_is_told() -> None:
    assert Price(Decimal("0.2"), "published: a", "published").input_image == 0


@pytest.mark.parametrize(
    ("name", "is_it"),
    [
        ("a-1.maas.example", True),
        ("a.b.maas.example", False),
        (".maas.example", False),
        ("maas.example", False),
        ("a-1.maasxexample", False),
        ("a-1.maas.example.evil", False),
        ("A.maas.example", False),
    ],
)
def test_host_of_a_workspace(name: str, is_it: bool) -> None:
    assert Host("{workspace}.maas.example", "", "", "assumed").matches(name) is is_it


def test_provider_serves_its_own_host_and_those_of_its_table() -> None:
    hosts = [Host(name, "", "", "assumed") for name in ("one.example", "{workspace}.two.example")]
    provider = replace(NEBULA, base_url="https://own.example", hosts=tuple(hosts))
    assert provider.host == "own.example"
    for name in ("own.example", "one.example", "x.two.example"):
        assert provider.serves(name)
    assert not provider.serves("two.example")
    assert not replace(provider, hosts=()).serves("one.example")


# Variants.


def with_names(pattern: str | None) -> Variant:
    prompt = {"x-role": "prompt"} if pattern is None else {"x-role": "prompt", "x-image-names": names(pattern)}
    return replace(variant("a"), request=document({"properties": {"prompt": prompt}}))


def names(pattern: str) -> dict[str, str]:
    return {"pattern": pattern, "source": "published: a"}


@pytest.mark.parametrize(
    ("prompt", "images", "is_unnamed"), [("two cats", 2, True), ("Image 1", 2, False), ("two cats", 1, False)]
)
def test_prompt_that_names_none_of_several_images(prompt: str, images: int, is_unnamed: bool) -> None:
    expected = ImageNames(re.compile("Image [0-9]"), "published: a")
    found = with_names("Image [0-9]").unnamed_images(prompt, images)
    assert found == (expected if is_unnamed else None)
    assert with_names(None).unnamed_images(prompt, images) is None


def test_no_prompt_has_no_names() -> None:
    assert variant("a").image_names is None


# Endpoints.


def test_variant_is_chosen_by_model_and_by_the_member_that_tells_it_from_others() -> None:
    plain, told, last = variant("plain"), variant("told", discriminator="x"), variant("last", ("m", "l"), "y")
    serves = endpoint(plain, told, last)
    assert serves.by_model == {"m": (told, last, plain), "l": (last,)}
    assert serves.variant_of("m", {}) is plain
    assert serves.variant_of("m", {"x": 1}) is told
    assert serves.variant_of("m", {"y": 1}) is last
    assert serves.variant_of("l", {}) is last, "the only one, whose error says what is missing"
    assert endpoint(told, last).variant_of("m", {}) is last
    three = endpoint(told, last, variant("third", discriminator="z"))
    assert three.variant_of("m", {}) is three.variants[-1]
    assert serves.variant_of("other", {"x": 1}) is None


def test_request_that_names_no_model_takes_the_one_of_the_schema() -> None:
    assert endpoint(variant("a"), variant("b", default="m")).default_model == "m"
    assert endpoint(variant("a")).default_model is None


# Providers.


def test_statuses_are_those_of_success_and_of_every_protocol() -> None:
    assert NEBULA.error_kinds == tuple(NEBULA.errors.values())
    assert NEBULA.statuses == {200, *(kind.status for kind in NEBULA.errors.values())}
    protocol = DASHSCOPE.endpoints["compatible"].protocol
    assert protocol is not None
    assert DASHSCOPE.error_kinds == (*DASHSCOPE.errors.values(), *protocol.errors.values())


def test_dialect_is_that_of_the_protocol_or_the_provider() -> None:
    assert DASHSCOPE.dialect_of(DASHSCOPE.endpoints["compatible"]) == "openai"
    assert DASHSCOPE.dialect_of(DASHSCOPE.endpoints["create"]) == "dashscope"


def test_endpoints_are_found_by_kind_and_variant() -> None:
    reversed_ = replace(EVOLINK, endpoints=dict(reversed(EVOLINK.endpoints.items())))
    for provider in (EVOLINK, reversed_):
        assert provider.create_endpoint.kind == "create"
        assert provider.endpoint_for("task") is EVOLINK.endpoints["task"]
        assert provider.endpoint_of(EVOLINK.variants["edit"]) is EVOLINK.endpoints["create"]
    assert NEBULA.endpoint_for("task") is None


def test_query_may_word_its_errors_otherwise() -> None:
    errors = {
        name: replace(NEBULA.errors["internal"], name=name) for name in ("unauthorized", "query_unauthorized", "x")
    }
    provider = replace(NEBULA, errors=errors)
    create, query = endpoint(variant("a")), endpoint(kind="task")
    assert provider.error_for(create, "unauthorized").name == "unauthorized"
    assert provider.error_for(query, "unauthorized").name == "query_unauthorized"
    assert provider.error_for(query, "x").name == "x"
    compatible = DASHSCOPE.endpoints["compatible"]
    assert compatible.protocol is not None
    assert DASHSCOPE.error_for(compatible, "invalid") is compatible.protocol.errors["invalid"]


def test_task_answers_what_its_state_and_its_variant_answer() -> None:
    assert NEBULA.task_documents == ()
    tasks = EVOLINK.tasks
    assert tasks is not None
    states = {each.document.name for each in tasks.states.values() if each.document is not None}
    made = {each.answer.name for each in EVOLINK.variants.values()}
    found = [each.name for each in EVOLINK.task_documents]
    assert set(found) == states | made
    assert len(found) == len(set(found))
    ended = {each.answer.name for each in DASHSCOPE.variants.values() if DASHSCOPE.endpoint_of(each).created_response}
    at_once = {each.answer.name for each in DASHSCOPE.variants.values()} - ended
    assert at_once
    assert not at_once & {each.name for each in DASHSCOPE.task_documents}


def test_state_of_a_task_is_read_from_an_answer() -> None:
    tasks = EVOLINK.tasks
    assert tasks is not None
    assert tasks.state_called("processing") == "running"
    assert tasks.state_called("running") is None
    assert tasks.state_called(None) is None
    assert EVOLINK.task_state({"status": "completed"}) == "succeeded"
    assert EVOLINK.task_state({"status": "odd"}) is None
    assert EVOLINK.task_state({}) is None
    assert NEBULA.task_state({"status": "completed"}) is None


def test_links_have_the_name_of_their_member_or_of_their_list() -> None:
    assert EVOLINK.link_names == {"results"}
    assert "*" not in {name for provider in CATALOG for name in provider.link_names}


def test_answers_of_an_endpoint() -> None:
    create, task, credits_ = (EVOLINK.endpoints[name] for name in ("create", "task", "credits"))
    assert EVOLINK.answers_of(create) == (create.created_response,)
    assert EVOLINK.answers_of(credits_) == (credits_.answer,)
    assert EVOLINK.answers_of(task) == EVOLINK.task_documents
    assert EVOLINK.answers_of(replace(task, kind="cancel")) == ()
    first, second = variant("a"), variant("b")
    same, other = replace(first, answer=document({})), replace(second, answer=replace(document({}), name="other"))
    assert NEBULA.answers_of(endpoint(first, same, other)) == (same.answer, other.answer)


def test_header_that_tells_endpoints_apart() -> None:
    with_header, without = endpoint(required_header=("x-async", "enable")), endpoint()
    assert replace(NEBULA, endpoints={"a": with_header, "b": without}).has_required_header
    assert not replace(NEBULA, endpoints={"b": without}).has_required_header


def test_rules_are_found_by_id_or_by_what_they_are_about() -> None:
    for provider in CATALOG:
        assert [provider.rule(each.id) for each in provider.rules] == list(provider.rules)
    assert EVOLINK.http_rule("body/syntax").id == "evolink/http/body/syntax"
    assert EVOLINK.callback_rule("after-billing").id == "evolink/callback/after-billing"
    assert NEBULA.retry_after == NEBULA.http_rule("retry-after/required").value
    assert NEBULA.price_of("qwen-image-plus") is NEBULA.models["qwen-image-plus"]
    assert NEBULA.link_lifetime == NEBULA.links.lifetime_seconds
