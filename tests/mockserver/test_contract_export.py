"""What the pages learn of a provider from its contract."""

import jsonschema
import pytest

from qwenmock.mockserver.control.contract import contract
from qwenmock.schemas.catalog import load

NUMBERS = {
    ("dashscope", "image-2-0"): (0, 3),
    ("dashscope", "image"): (0, 10),
    ("dashscope", "image-task"): (0, 10),
    ("dashscope", "compatible"): (0, 10),
}
VARIANTS = [(provider, variant) for provider in load() for variant in provider.variants.values()]


@pytest.mark.parametrize(("provider", "variant"), VARIANTS, ids=lambda each: getattr(each, "slug", None) or each.name)
def test_variant_says_where_its_values_stand(provider, variant) -> None:
    [shown] = [each for each in contract(provider)["variants"] if each["name"] == variant.name]
    assert shown["roles"] == variant.request.roles
    created = provider.endpoint_of(variant).created_response
    assert (shown["task_id"] is None) == (created is None)
    if shown["task_id"] is not None:
        assert shown["task_id"][-1] in {"id", "task_id"}
    for example in shown["examples"]:
        jsonschema.Draft202012Validator(dict(shown["schema"])).validate(example["request"])


@pytest.mark.parametrize(("provider", "variant"), VARIANTS, ids=lambda each: getattr(each, "slug", None) or each.name)
def test_variant_says_how_many_images_it_takes(provider, variant) -> None:
    """Every document of an editing model names one to three; models of 2026 also work without any."""
    [shown] = [each for each in contract(provider)["variants"] if each["name"] == variant.name]
    if "image" not in variant.request.roles:
        assert shown["images"] is None
    else:
        assert shown["images"] is not None
        expected = NUMBERS.get((provider.slug, variant.name), (1, 3))
        assert (shown["images"]["min"], shown["images"]["max"]) == expected
        assert "schemes" in shown["images"]["terms"]


def test_endpoint_names_its_client_library_and_its_header() -> None:
    endpoints = {each["name"]: each for each in contract(load()["dashscope"])["endpoints"]}
    assert endpoints["synthesize"]["sdk"] == "dashscope"
    assert endpoints["synthesize"]["required_header"] == ("x-dashscope-async", "enable")
    assert (endpoints["task"]["sdk"], endpoints["task"]["required_header"]) == (None, None)
    assert {each["sdk"] for each in contract(load()["nebula"])["endpoints"]} == {"openai"}
