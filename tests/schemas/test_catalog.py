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
from qwenmock.pytest_plugin.examiner.boundaries.edit import Edit
from qwenmock.pytest_plugin.examiner.boundaries.rule_edits import edits_of
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.schemas import catalog
from qwenmock.schemas.errors import CatalogError
from qwenmock.schemas.models import Rule, Variant
from qwenmock.schemas.vocabulary import subschema

CATALOG = catalog.load()
EVOLINK_TOML = (catalog.HERE / "evolink/provider.toml").read_text("utf-8")
CALLBACKS = EVOLINK_TOML[EVOLINK_TOML.index("[callbacks]") : EVOLINK_TOML.index("[error]")]
TASKS = EVOLINK_TOML[EVOLINK_TOML.index("[tasks]") : EVOLINK_TOML.index("[callbacks]")]
VARIANTS = {f"{p.slug}/{v.name}": (p, v) for p in CATALOG for v in p.variants.values()}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_rule_of_a_variant_can_be_kept_and_broken_alone(name: str) -> None:
    provider, variant = VARIANTS[name]
    base = example(variant)
    assert not broken_rules(variant.request, base)
    for rule in variant.request.rules:
        edits = edits_of(provider, variant, rule)

        def breaks(side: str, rules: set[Rule], edits: list[Edit] = edits) -> bool:
            judged = (broken_rules(variant.request, edit.change(base)) for edit in edits if edit.side == side)
            return any(found == rules for found in judged)

        kept, broken = breaks("accept", set()), breaks("reject", {rule})
        assert kept, rule.id
        has_default = rule.path == ("model",) and provider.endpoint_of(variant).default_model is not None
        assert broken or cannot_be_broken(variant, rule) or has_default, rule.id


def cannot_be_broken(variant: Variant, rule: Rule) -> bool:
    """Truncation, advice and a default refuse nothing; nobody hosts half a picture where only addresses are taken."""
    if rule.keyword == "required" and rule.path in variant.request.defaulted:
        return True
    spec = subschema(variant.request.schema, rule.path).get("x-image", {}) if rule.keyword != "required" else {}
    hosted = rule.keyword == "integrity" and "data" not in spec["schemes"]
    advised = rule.keyword == "depends" and isinstance(rule.value, dict) and "advisory" in rule.value
    return rule.keyword in {"x-truncate", "x-single"} or rule.keyword in spec.get("advisory", ()) or hosted or advised


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
    scheme = nebula.http_rule("authorization/scheme")
    assert (scheme.id, scheme.source) == ("nebula/http/authorization/scheme", nebula.authentication.source)
    assert nebula.http_rule("body/maxBytes").value == nebula.max_body_bytes
    assert (nebula.retry_after, nebula.http_rule("retry-after/required").certainty) == (1, "assumed")
    lifetime = evolink.variants["edit"].invariants["link-lifetime"]
    assert (lifetime.rule.id, lifetime.tolerance) == ("evolink/edit.200/link-lifetime", 3600)
    assert lifetime.rule.source == evolink.links.source
    assert "requested-size" not in evolink.variants["edit"].invariants, "its answers state no width"


def test_defaults_prices_and_endpoints_have_a_source_of_their_own() -> None:
    nebula, ai302, evolink, aigc = (CATALOG[slug] for slug in ("nebula", "ai302", "evolink", "aigc"))
    watermark = ("parameters", "watermark")
    assert ai302.variants["edit"].request.default_terms(watermark)[1] == "assumed"
    assert nebula.variants["contents"].request.default_terms(watermark)[1] == "documented"
    assert nebula.variants["contents"].invariants["default-count"].rule.certainty == "assumed"
    assert nebula.price_of("qwen-image-plus").source.startswith("001_")
    assert nebula.price_of("qwen-image-edit-plus").source.startswith("000_")
    assert (evolink.base_url_certainty, evolink.create_endpoint.certainty) == ("published", "documented")
    assert evolink.callbacks is not None
    assert (evolink.callbacks.certainty, evolink.callbacks.pause_certainty) == ("documented", "published")
    assert (aigc.picture.watermark_certainty, nebula.picture.watermark_source) == ("documented", nebula.picture.source)
    invariants = aigc.variants["edit"].invariants
    documented = {name for name, invariant in invariants.items() if invariant.rule.certainty == "documented"}
    assert documented == {"requested-count", "default-count", "requested-size"}
    assert aigc.variants["edit"].answer.schema["x-certainty"] == "assumed"


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


def test_endpoints_have_kind_and_header() -> None:
    assert CATALOG.endpoint_kind("nebula", "create") == "create"
    assert CATALOG.endpoint_kind("evolink", "credits") == "credits"
    assert CATALOG.endpoint_kind("nebula", "callback") is None
    assert CATALOG.endpoint_kind("none", "create") is None
    dashscope = CATALOG["dashscope"].endpoints
    assert dashscope["synthesize"].required_header == ("x-dashscope-async", "enable")
    assert dashscope["create"].required_header is None


def test_protocol_words_the_errors_of_the_provider() -> None:
    """What no document says of it is assumed, even where the provider's own protocol is documented."""
    dashscope = CATALOG["dashscope"]
    assert dashscope.endpoints["create"].protocol is None
    protocol = dashscope.endpoints["compatible"].protocol
    assert protocol is not None
    assert (protocol.name, protocol.dialect) == ("compatible", "openai")
    assert protocol.errors.keys() == dashscope.errors.keys()
    unauthorized, refused, usual = (
        protocol.errors["unauthorized"],
        protocol.errors["refused"],
        dashscope.errors["refused"],
    )
    assert (unauthorized.message, unauthorized.certainty) == ("Incorrect API key provided.", "published")
    assert unauthorized.fields == {"type": "invalid_request_error", "code": "invalid_api_key"}
    assert (refused.status, refused.message, refused.certainty) == (usual.status, usual.message, "assumed")
    assert refused.fields == {"type": "data_inspection_failed", "code": "data_inspection_failed"}
    assert {kind.message_certainty for kind in protocol.errors.values()} == {"assumed"}
    assert {kind.document.name for kind in protocol.errors.values()} == {"compatible-error"}


def test_wording_of_a_protocol_is_assumed_where_that_of_the_provider_is_not(tmp_path: Path) -> None:
    shutil.copytree(catalog.HERE / "dashscope", tmp_path / "dashscope")
    file = tmp_path / "dashscope/provider.toml"
    text = file.read_text("utf-8")
    file.write_text(
        text.replace("[errors.internal]\n", '[errors.internal]\nmessage_certainty = "published"\n'), "utf-8"
    )
    dashscope = catalog.load(tmp_path)["dashscope"]
    protocol = dashscope.endpoints["compatible"].protocol
    assert protocol is not None
    assert dashscope.errors["internal"].message_certainty == "published"
    assert protocol.errors["internal"].message_certainty == "assumed"


def test_input_images_cost_nothing_unless_a_price_says_so() -> None:
    dashscope = CATALOG["dashscope"]
    assert dashscope.price_of("qwen-image-3.0").input_image == Decimal("0.02")
    assert dashscope.price_of("qwen-image-2.1-pro").input_image == 0


def test_rules_of_the_catalogue_are_those_of_all_providers() -> None:
    assert [rule.id for rule in CATALOG.rules] == [rule.id for provider in CATALOG for rule in provider.rules]


def test_state_of_a_task_has_its_name_and_what_the_query_answers() -> None:
    tasks = CATALOG["evolink"].tasks
    assert tasks is not None
    assert list(tasks.states) == ["pending", "running", "succeeded", "failed", "cancelled"]
    assert (tasks.states["running"].name, tasks.states["succeeded"].name) == ("processing", "completed")
    # The answer of a success is its variant's, and has its rules there.
    assert [state for state, each in tasks.states.items() if each.document is None] == ["succeeded"]


def test_model_may_have_its_own_price(copy: Path) -> None:
    file = copy / "nebula/provider.toml"
    own = '[models.qwen-image-plus.price]\namount = "0.5"\nsource = "published: Nebula"\ncertainty = "published"\n'
    text = file.read_text("utf-8").replace("[models.qwen-image-plus]\n", own)
    file.write_text(text, "utf-8")
    nebula = catalog.load(copy)["nebula"]
    price = nebula.price_of("qwen-image-plus")
    assert (price.amount, price.source, price.certainty) == (Decimal("0.5"), "published: Nebula", "published")
    assert nebula.price_of("qwen-image-edit-plus").amount == Decimal("0.18")


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
        (lambda c: c["x-rules"].update({"properties": {"certainty": "assumed"}}), "not a limit of this subschema"),
        (lambda c: c["x-rules"]["required.contents"].update({"error": "nonsense"}), "nonsense"),
        (lambda c: c.update({"x-certainty": "sure"}), "sure"),
        (
            lambda c: c["properties"]["parameters"]["properties"]["n"].update({"maximum": "6"}),
            'expected a value of type number, got "6"',
        ),
    ],
    ids=["ref", "file", "clash", "override", "override of no limit", "error", "certainty", "operand"],
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


def problem(folder: Path, slug: str, file: str, old: str, new: str) -> str:
    """Return what is said of a provider one of whose files is changed, without the folder."""
    shutil.copytree(catalog.HERE / slug, folder / slug)
    path = folder / slug / file
    content = path.read_text("utf-8")
    assert old in content
    path.write_text(content.replace(old, new, 1), "utf-8")
    with pytest.raises(CatalogError) as caught:
        catalog.load(folder)
    error = caught.value
    assert (error.provider, str(error.file)) == (slug, str(path))
    assert str(error) == f"provider {slug}: {path}{'#' if error.pointer else ''}{error.pointer}: {error.reason}"
    return f"{error.pointer}: {error.reason}"


PROBLEMS = {
    "value": (
        ("nebula", "provider.toml", "max_body_bytes = 44040192", 'max_body_bytes = "4"'),
        '/max_body_bytes: expected a value of type integer, got "4"',
    ),
    "range": (
        ("nebula", "provider.toml", "status = 500", "status = 200"),
        "/errors/internal/status: expected at least 400, got 200",
    ),
    "certainty": (
        ("nebula", "provider.toml", '7.1 Billing Method"\ncertainty = "documented"', '7.1"\ncertainty = "sure"'),
        '/price/certainty: expected one of "documented", "published", "observed", "assumed", got "sure"',
    ),
    "kind": (
        ("nebula", "provider.toml", 'kind = "create"', 'kind = "make"'),
        '/endpoints/create/kind: expected one of "create", "task", "cancel", "list", "credits", "upload", got "make"',
    ),
    "unknown member": (
        ("nebula", "provider.toml", "[links]", "[links]\ncolour = 1"),
        '/links: unknown "colour"; expected "certainty", "lifetime_seconds", "source"',
    ),
    "missing member": (
        ("nebula", "provider.toml", "lifetime_seconds = 86400", ""),
        '/links: missing "lifetime_seconds"; expected "certainty", "lifetime_seconds", "source"',
    ),
    "reserved name": (
        ("nebula", "provider.toml", "[endpoints.create]", "[endpoints.callback]"),
        '/endpoints: expected a value other than "callback", got "callback"',
    ),
    "unknown variant": (
        ("nebula", "provider.toml", '"full", "contents"]', '"full", "content"]'),
        '/endpoints/create/variants/2: unknown variant "content"; expected "contents", "full", "simplified"',
    ),
    "unused variant": (
        ("nebula", "provider.toml", '"full", "contents"]', '"full"]'),
        "/variants/contents: expected an endpoint that takes this variant",
    ),
    "model without variant": (
        ("evolink", "provider.toml", "[models.qwen-image-edit]", "[models.qwen-image-edit]\n[models.dall-e]"),
        '/models/dall-e: no variant takes this model; the variants\' schemas have "qwen-image-edit"',
    ),
    "variant without model": (
        ("nebula", "provider.toml", "[models.qwen-image-plus]\n", ""),
        '/models: missing "qwen-image-plus", which the variants\' schemas have',
    ),
    "no create": (
        ("nebula", "provider.toml", 'kind = "create"', 'kind = "credits"'),
        '/endpoints: expected at least one endpoint of the kind "create"',
    ),
    "variants of a query": (
        ("evolink", "provider.toml", 'kind = "task"', 'kind = "task"\nvariants = ["edit"]'),
        '/endpoints/task: expected "variants" for an endpoint of the kind "create", and for no other',
    ),
    "created response of a query": (
        ("evolink", "provider.toml", 'kind = "task"', 'kind = "task"\ncreated_response = "created.schema.json"'),
        '/endpoints/task/created_response: expected only for endpoints of the kind "create"',
    ),
    "credits without answer": (
        ("evolink", "provider.toml", 'answer = "credits.schema.json"', ""),
        '/endpoints/credits: missing "answer": an endpoint of the kind "credits" needs it',
    ),
    "task without id": (
        ("evolink", "provider.toml", "/v1/tasks/{task_id}", "/v1/tasks"),
        '/endpoints/task/path: expected "{task_id}" once for the kinds "task" and "cancel", else not, got "/v1/tasks"',
    ),
    "tasks without query": (
        (
            "evolink",
            "provider.toml",
            '[endpoints.task]\nkind = "task"\nmethod = "GET"\npath = "/v1/tasks/{task_id}"\n'
            'source = "published: EvoLink, task detail reference"\ncertainty = "published"',
            "",
        ),
        '/endpoints: expected one of the kind "task": "create" creates tasks',
    ),
    "unknown failure": (
        ("evolink", "provider.toml", 'internal = "service_error"', 'internal = "bad_luck"'),
        '/tasks/failure_codes/internal: unknown failure "bad_luck"; expected "content_policy_violation", ',
    ),
    "missing callbacks": (
        ("evolink", "provider.toml", CALLBACKS, ""),
        ': missing "callbacks": requests of the variant "edit" have a callback_url',
    ),
    "missing tasks": (
        ("evolink", "provider.toml", TASKS, ""),
        ': missing "tasks": the endpoint "create" needs this table',
    ),
    "broken TOML": (
        ("nebula", "provider.toml", 'name = "Nebula"', "name = "),
        ": expected a TOML file in UTF-8: Invalid value (at line 2, ",
    ),
    "broken JSON": (
        ("nebula", "billing-log.schema.json", '"quotaDollar"],', '"quotaDollar"'),
        ": expected a JSON file in UTF-8: ",
    ),
    "operand": (
        (
            "nebula",
            "billing-log.schema.json",
            '      "x-role": "quota",\n',
            '      "x-role": "quota",\n      "x-size": 1,\n',
        ),
        "/properties/quota/x-size: expected a value of type object, got 1",
    ),
    "billing record without sentence": (
        ("nebula", "billing-log.schema.json", '"x-template"', '"title"'),
        '/properties: missing "x-template" at the member with the x-role "billing_text"',
    ),
    "billing record without quota": (
        ("nebula", "billing-log.schema.json", '      "x-role": "quota",\n', ""),
        '/properties: expected exactly one member of the record with the x-role "quota"',
    ),
    "template": (
        ("nebula", "billing-log.schema.json", "{unit_price}", "{price}"),
        "/properties/content/x-template: expected a string that matches ",
    ),
    "number that is too long": (
        ("nebula", "provider.toml", "max_body_bytes = 44040192", f"max_body_bytes = {'1' * 5000}"),
        ": expected a TOML file in UTF-8: ",
    ),
    "arrays in arrays": (
        ("nebula", "provider.toml", "max_body_bytes = 44040192", f"max_body_bytes = {'[' * 5000}"),
        ": expected a TOML file in UTF-8: ",
    ),
    "half a character": (
        ("nebula", "billing-log.schema.json", '"title": "', '"title": "\\ud800'),
        ": expected a JSON file in UTF-8: ",
    ),
    "depth": (
        ("nebula", "billing-log.schema.json", "{", f'{{"default": {"[" * 64}{"]" * 64},'),
        ": expected at most 64 objects and arrays inside each other",
    ),
    "required member without subschema": (
        ("nebula", "billing-log.schema.json", '"quotaDollar"],', '"quotaDollar", "quotas"],'),
        '/required: "quotas" has no subschema; expected "content", "modelName", "quota", "quotaDollar"',
    ),
    "counted member without subschema": (
        ("dashscope", "edit.schema.json", '"x-parts": {', '"x-parts": {"audio": {"minItems": 1},'),
        '/properties/input/properties/messages/items/properties/content/x-parts: "audio" has no subschema; expected ',
    ),
    "subschema without type": (
        ("nebula", "billing-log.schema.json", '      "type": "string",\n', ""),
        '/properties/content: missing "type"; expected it where there is no "enum" or "const"',
    ),
    "price of an unknown model": (
        ("nebula", "provider.toml", "[price_sources]", '[price_sources]\ndall-e = "published: x"'),
        '/price_sources/dall-e: unknown model; expected "qwen-image-',
    ),
    "task id twice": (
        ("evolink", "provider.toml", "/v1/tasks/{task_id}", "/v1/tasks/{task_id}/{task_id}"),
        '/endpoints/task/path: expected "{task_id}" once for the kinds "task" and "cancel", else not, got ',
    ),
    "task id where there is no task": (
        ("nebula", "provider.toml", 'path = "/v1/images/generations"', 'path = "/v1/images/{task_id}"'),
        '/endpoints/create/path: expected "{task_id}" once for the kinds "task" and "cancel", else not, got ',
    ),
    "two rules of one id": (
        ("nebula", "provider.toml", "[variants.simplified]", "[variants.error]"),
        '/endpoints/create/variants/0: unknown variant "simplified"; expected "contents", "error", "full"',
    ),
    "unknown kind of error": (
        ("nebula", "contents.schema.json", '"error": "image_quantity"', '"error": "bad_luck"'),
        '/properties/parameters/properties/n: unknown kind of error "bad_luck"; expected "bad_image", "forbidden", ',
    ),
    "unknown kind of error of a protocol": (
        ("dashscope", "provider.toml", "[protocols.compatible.errors.internal]", "[protocols.compatible.errors.luck]"),
        '/protocols/compatible/errors/luck: unknown kind of error "luck"; expected "bad_image", ',
    ),
    "unknown protocol": (
        ("dashscope", "provider.toml", 'protocol = "compatible"', 'protocol = "soap"'),
        '/endpoints/compatible/protocol: unknown protocol "soap"; expected "compatible"',
    ),
    "one item without its array, of a list below the body": (
        ("dashscope", "image.schema.json", '"maxItems": 1,', '"maxItems": 1,\n          "x-single": true,'),
        "/properties/input/properties/messages/x-single: expected beside a list of strings that is a member of the ",
    ),
    "one item without its array, of a list of objects": (
        ("nebula", "contents.schema.json", '"type": "array",', '"type": "array",\n      "x-single": true,'),
        "/properties/contents/x-single: expected beside a list of strings that is a member of the body",
    ),
    "dependent member without subschema": (
        ("evolink", "edit-plus.schema.json", '{"size": {"on": "n"', '{"colour": {"on": "n"'),
        '/x-depends/colour: "colour" has no subschema; expected the path of one',
    ),
    "dependency on a member without subschema": (
        ("dashscope", "image.schema.json", '"on": "parameters/prompt_extend",', '"on": "parameters/extend",'),
        '/x-depends/parameters~1enable_thinking: "parameters/extend" has no subschema; expected the path of one',
    ),
}
"""What is changed, and how what is said of it begins."""


@pytest.mark.parametrize("name", PROBLEMS)
def test_problem_names_provider_file_pointer_and_what_is_accepted(tmp_path: Path, name: str) -> None:
    edit, expected = PROBLEMS[name]
    found = problem(tmp_path, *edit)
    assert found.startswith(expected), found


def test_two_rules_of_one_id_are_refused(copy: Path) -> None:
    file = copy / "nebula/provider.toml"
    text = file.read_text("utf-8")
    text = text.replace("[variants.simplified]", "[variants.error]").replace('["simplified", ', '["error", ')
    file.write_text(text, "utf-8")
    assert "/variants: two rules have the id nebula/error/" in failure(copy)


@pytest.mark.parametrize(("levels", "is_loaded"), [(63, True), (64, False)])
def test_schema_has_at_most_64_levels(copy: Path, levels: int, is_loaded: bool) -> None:
    value = json.loads("[" * levels + "]" * levels)
    change(copy / "nebula/billing-log.schema.json", lambda c: c["properties"]["content"].pop("examples", None))
    change(copy / "nebula/billing-log.schema.json", lambda c: c.update({"default": value}))
    if is_loaded:
        catalog.load(copy)
    else:
        assert "expected at most 64 objects and arrays inside each other" in failure(copy)


def test_reference_to_itself_is_refused(copy: Path) -> None:
    def edit(content: Any) -> None:
        content["$defs"] = {"loop": {"$ref": "#/$defs/loop"}}
        content["properties"]["model"]["$ref"] = "#/$defs/loop"

    change(copy / "nebula/contents.schema.json", edit)
    assert "#/$defs/loop refers to itself; references must end" in failure(copy)


def test_schema_file_that_is_missing_is_named(copy: Path) -> None:
    (copy / "nebula/billing-log.schema.json").unlink()
    assert "billing-log.schema.json: file not found; this folder has " in failure(copy)


def test_schema_that_is_not_utf8_is_refused(copy: Path) -> None:
    (copy / "nebula/contents.schema.json").write_bytes(b"\xff")
    assert "expected a JSON file in UTF-8: " in failure(copy)


def test_two_models_members_are_refused(copy: Path) -> None:
    change(copy / "nebula/contents.schema.json", lambda c: c["properties"]["prompt"].update({"x-role": "model"}))
    assert 'expected exactly one member with the x-role "model" and an enum of model names' in failure(copy)


def test_empty_folder_is_no_catalogue(tmp_path: Path) -> None:
    assert "provider.toml" in failure(tmp_path)


def test_name_that_the_control_api_uses_is_refused(tmp_path: Path) -> None:
    """Its OpenAPI document would hide the provider's."""
    shutil.copytree(catalog.HERE / "nebula", tmp_path / "control")
    with pytest.raises(CatalogError, match="'control' is reserved for the control API"):
        catalog.load(tmp_path)


def test_own_catalogue_is_read_once() -> None:
    """Whoever loads it gets the same: nobody may change it."""
    assert catalog.load() is catalog.load()
    assert catalog.load(catalog.HERE) is catalog.load()


def test_one_provider_is_loaded_as_all_are() -> None:
    alone, together = catalog.load_provider(catalog.HERE / "nebula"), catalog.load()["nebula"]
    assert alone.rules == together.rules
    assert alone.models == together.models
