"""The catalogue: what ships is sound, and what is not sound does not load."""

import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from qwenmock import fixtures
from qwenmock.mockserver.accounts.pricing import billing_log
from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.pytest_plugin.examiner.boundaries.rule_edits import edits_of
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.schemas import catalog
from qwenmock.schemas.errors import CatalogError
from qwenmock.schemas.models import Rule, Variant
from qwenmock.schemas.vocabulary import subschema

CATALOG = catalog.load()
VARIANTS = {f"{p.slug}/{v.name}": (p, v) for p in CATALOG for v in p.variants.values()}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_rule_of_a_variant_can_be_kept_and_broken_alone(name: str) -> None:
    provider, variant = VARIANTS[name]
    base = example(variant)
    assert not broken_rules(variant.request, base)
    for rule in variant.request.rules:
        kept = broken = 0
        for edit in edits_of(provider, variant, rule):
            found = broken_rules(variant.request, edit.change(base))
            kept += edit.side == "accept" and not found
            broken += edit.side == "reject" and found == {rule}
        assert kept, rule.id
        assert broken or cannot_be_broken(variant, rule), rule.id


def cannot_be_broken(variant: Variant, rule: Rule) -> bool:
    """Truncation and advice refuse nothing; and nobody hosts half a picture where only addresses are taken."""
    spec = subschema(variant.request.schema, rule.path).get("x-image", {}) if rule.keyword != "required" else {}
    hosted = rule.keyword == "integrity" and "data" not in spec["schemes"]
    return rule.keyword == "x-truncate" or rule.keyword in spec.get("advisory", ()) or hosted


@pytest.mark.parametrize("name", VARIANTS)
def test_documented_requests_and_answers_keep_the_schemas(name: str) -> None:
    provider, variant = VARIANTS[name]
    for exchange in fixtures.exchanges(provider.slug, variant.name):
        assert not broken_rules(variant.request, exchange.request)
        assert exchange.answer is None or not broken_rules(variant.answer, exchange.answer)


def test_every_stored_exchange_belongs_to_a_variant() -> None:
    for file in (fixtures.HERE / "exchanges").iterdir():
        slug = file.name.partition("-")[0]
        assert json.loads(file.read_text())["variant"] in CATALOG[slug].variants


def test_rule_ids_are_as_promised() -> None:
    rule = CATALOG["nebula"].rule("nebula/contents/parameters/n/maximum")
    assert (rule.value, rule.certainty, rule.error) == (6, "documented", "image_quantity")


def test_shared_rules_have_source_and_certainty_of_the_provider() -> None:
    nebula, evolink = CATALOG["nebula"], CATALOG["evolink"]
    known = nebula.http_rule("authorization/known")
    assert (known.id, known.source) == ("nebula/http/authorization/known", nebula.authentication.source)
    assert nebula.http_rule("body/maxBytes").value == nebula.max_body_bytes
    assert (nebula.retry_after, nebula.http_rule("retry-after/required").certainty) == (1, "assumed")
    lifetime = evolink.variants["edit"].invariants["link-lifetime"]
    assert (lifetime.rule.id, lifetime.tolerance) == ("evolink/edit.200/link-lifetime", 3600)
    assert lifetime.rule.source == evolink.links.source
    assert "requested-size" not in evolink.variants["edit"].invariants, "its answers state no width"


def test_billing_sentence_is_written_once_and_gives_the_pattern(copy: Path) -> None:
    old = CATALOG["nebula"]
    assert old.billing_log is not None
    [path] = old.billing_log.document.roles["billing_text"]
    assert (
        old.billing_log.document.rule_at[path, "pattern"].value
        == r"^Image generation: (1 image|[0-9]+ images) × ¥[0-9]+\.[0-9]{2,} = ¥[0-9]+\.[0-9]{2,}$"
    )
    change(
        copy / "nebula/billing-log.schema.json",
        lambda c: c["properties"]["content"].update({"x-template": "{images} (each {unit_price}$): {sign}{total}"}),
    )
    new = catalog.load(copy)["nebula"]
    assert new.billing_log is not None
    record = billing_log(new, "qwen-image-plus", 2, Decimal("0.18"))
    assert record["content"] == "2 images (each 0.18$): ¥0.36"
    assert not broken_rules(new.billing_log.document, record)
    assert broken_rules(new.billing_log.document, billing_log(old, "qwen-image-plus", 2, Decimal("0.18")))


def test_provider_may_document_a_shared_rule_otherwise(copy: Path) -> None:
    file = copy / "nebula/provider.toml"
    own = """
[rules."http/retry-after/required"]
value = 7
source = "published: Nebula, limits"
certainty = "published"

[rules."invariants/link-lifetime"]
tolerance = 5
"""
    file.write_text(file.read_text("utf-8") + own, "utf-8")
    nebula = catalog.load(copy)["nebula"]
    rule = nebula.http_rule("retry-after/required")
    assert (nebula.retry_after, rule.source, rule.certainty) == (7, "published: Nebula, limits", "published")
    assert rule.reject_certainty == "published"
    assert {variant.invariants["link-lifetime"].tolerance for variant in nebula.variants.values()} == {5}
    file.write_text(file.read_text("utf-8").replace("link-lifetime", "link-colour"), "utf-8")
    assert 'provider.toml#/rules/invariants~1link-colour: unknown rule "invariants/link-colour"' in failure(copy)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(catalog.HERE / "nebula", tmp_path / "nebula")
    return tmp_path


def change(file: Path, edit: Any) -> None:
    content = json.loads(file.read_text("utf-8"))
    edit(content)
    file.write_text(json.dumps(content), "utf-8")


def failure(folder: Path) -> str:
    with pytest.raises(CatalogError) as caught:
        catalog.load(folder)
    return str(caught.value)


def test_keyword_that_nobody_implements_is_named_with_file_and_pointer(copy: Path) -> None:
    change(copy / "nebula/contents.schema.json", lambda c: c["properties"]["parameters"].update(minProperties=1))
    message = failure(copy)
    assert "contents.schema.json#/properties/parameters" in message
    assert "minProperties" in message


def test_limit_without_a_source_is_refused(copy: Path) -> None:
    change(
        copy / "nebula/contents.schema.json", lambda c: c["properties"]["parameters"]["properties"]["n"].pop("x-source")
    )
    assert "contents.schema.json#/properties/parameters/properties/n" in failure(copy)


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (lambda c: c["properties"]["model"].update({"$ref": "common.schema.json#/$defs/nothing"}), "points to nothing"),
        (lambda c: c["properties"]["model"].update({"$ref": "missing.schema.json#/$defs/x"}), "missing.schema.json"),
        (lambda c: c["properties"]["model"].update({"enum": ["a"]}), '"enum" stands both'),
        (lambda c: c["x-rules"].update({"maximum": {"certainty": "assumed"}}), "not a limit of this subschema"),
        (lambda c: c["x-rules"]["required"].update({"error": "nonsense"}), "nonsense"),
        (lambda c: c.update({"x-certainty": "sure"}), "sure"),
        (
            lambda c: c["properties"]["parameters"]["properties"]["n"].update({"maximum": "6"}),
            'expected a value of type number, got "6"',
        ),
    ],
    ids=["ref", "file", "clash", "override", "error", "certainty", "operand"],
)
def test_schema_that_is_off_is_refused(copy: Path, edit: Any, named: str) -> None:
    change(copy / "nebula/contents.schema.json", edit)
    assert named in failure(copy)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('currency = "CNY"', "", "currency"),
        ('amount = "0.18"', "amount = 0.18", "/price/amount"),
        ('variants = ["simplified", "full", "contents"]', 'variants = ["other"]', "other"),
        ("[models.qwen-image-plus]", "[models.dall-e]", "dall-e"),
        ("[errors.internal]", "[errors.other]", "internal"),
        ("status = 500", "status = 200", "/errors/internal/status"),
        ('name = "Nebula"', "name = ", "provider.toml"),
        ("[price]", "[price]\ncolour = 1", "colour"),
    ],
)
def test_provider_file_that_is_off_is_refused(copy: Path, old: str, new: str, named: str) -> None:
    file = copy / "nebula/provider.toml"
    content = file.read_text("utf-8")
    assert old in content
    file.write_text(content.replace(old, new, 1), "utf-8")
    message = failure(copy)
    assert "provider.toml" in message
    assert named in message


def test_empty_folder_is_no_catalogue(tmp_path: Path) -> None:
    assert "provider.toml" in failure(tmp_path)
