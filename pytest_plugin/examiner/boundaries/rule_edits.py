"""The edits for one rule: values from the rule's keyword, put where the rule applies."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial

from qwenmock.pytest_plugin.examiner.bodies import at, put, take
from qwenmock.pytest_plugin.examiner.boundaries import arrays, dependencies, images, json_types, numbers, strings
from qwenmock.pytest_plugin.examiner.boundaries.edit import Edit, describe
from qwenmock.pytest_plugin.examiner.boundaries.values import LONG, Values
from qwenmock.pytest_plugin.examiner.json_values import is_array, is_object
from qwenmock.pytest_plugin.examiner.results import Side
from qwenmock.pytest_plugin.examiner.sample_images import picture_url
from qwenmock.schemas.catalog import load
from qwenmock.schemas.models import Provider, Rule, Variant
from qwenmock.schemas.vocabulary import JSON, Path, Schema, subschema

VALUES: Mapping[str, Callable[[Schema, Rule], Values]] = {
    "type": json_types.type_,
    "oneOf": json_types.one_of,
    "enum": strings.enum,
    "const": strings.const,
    "minLength": strings.min_length,
    "maxLength": strings.max_length,
    "x-truncate": strings.truncate,
    "urlPattern": strings.url_pattern,
    "syntax": strings.size_syntax,
    "minSide": strings.size_side,
    "maxSide": strings.size_side,
    "minArea": strings.size_area,
    "maxArea": strings.size_area,
    "maxRatio": strings.size_ratio,
    "x-single": arrays.single,
    "callback.schemes": strings.callback_schemes,
    "publicHost": strings.public_host,
    "minimum": numbers.minimum,
    "maximum": numbers.maximum,
    "minItems": arrays.min_items,
    "maxItems": arrays.max_items,
    "parts.minItems": arrays.min_parts,
    "parts.maxItems": arrays.max_parts,
    "parts.position": arrays.position,
    "schemes": images.schemes,
    "mediaTypes": images.media_types,
    "minWidth": images.side,
    "maxWidth": images.side,
    "minHeight": images.side,
    "maxHeight": images.side,
    "maxBytes": images.max_bytes,
    "encoding": images.encoding,
    "integrity": images.integrity,
}
"""For each keyword of a request: the function that returns what is just accepted and just refused."""


def edits_of(provider: Provider, variant: Variant, rule: Rule) -> list[Edit]:
    """Return the edits for one rule, in the order in which a small profile tries them."""
    schema = variant.request.schema
    if rule.keyword == "required":
        return _presence_edits(provider, variant, rule)
    if rule.keyword == "not":
        return _absence_edits(variant, rule)
    if rule.keyword == "depends":
        return dependencies.edits(schema, rule)
    accepted, refused = VALUES[_values_keyword(schema, rule)](subschema(schema, rule.path), rule)
    if rule.path[-1:] == ("*",) and "x-parts" in subschema(schema, rule.path[:-1]):
        return _part_edits(schema, rule, accepted, refused)
    edits = [_put(schema, rule, "reject", value) for value in refused]
    if rule.keyword == "enum":
        edits[1:1] = _of_others(provider, schema, rule)
    edits = [*(_put(schema, rule, "accept", value) for value in accepted), *edits]
    return [dependencies.with_most(schema, rule, edit) for edit in edits]


def _values_keyword(schema: Schema, rule: Rule) -> str:
    if "." in rule.keyword:
        return "parts." + rule.keyword.partition(".")[2]
    if rule.keyword == "schemes" and "x-callback" in subschema(schema, rule.path):
        return "callback.schemes"
    return rule.keyword


def _presence_edits(provider: Provider, variant: Variant, rule: Rule) -> list[Edit]:
    schema = variant.request.schema
    there = Edit(rule, "accept", "there", lambda body: put(schema, body, rule.path, at(schema, body, rule.path)))
    is_model = rule.path in variant.request.roles["model"]
    if rule.path in variant.request.defaulted or (is_model and provider.endpoint_of(variant).default_model is not None):
        return [there]  # `defaults.observe_omissions` looks at what happens without it
    return [there, Edit(rule, "reject", "missing", lambda body: take(schema, body, rule.path))]


def _absence_edits(variant: Variant, rule: Rule) -> list[Edit]:
    schema = variant.request.schema
    values: list[JSON] = [{}, _forbidden(variant, rule), [], "x", 1, True]
    accepted = Edit(rule, "accept", "absent", lambda body: body)
    edits = [accepted, *(_put(schema, rule, "reject", value) for value in values)]
    if rule.path[-2:-1] == ("*",):
        # A client would send it as an item of its own.
        item = {rule.path[-1]: values[1]}
        instead = _place(schema, rule.path[:-2], item, before=slice(0), after=slice(None))
        edits.append(Edit(rule, "reject", describe(item), instead, may_break_others=True))
    return edits


def _put(schema: Schema, rule: Rule, side: Side, value: JSON) -> Edit:
    of_image = rule.keyword in {"mediaTypes", "maxBytes"}
    assumed = value == LONG or (of_image and images.is_assumed(subschema(schema, rule.path), side, value))
    return Edit(rule, side, describe(value), lambda body: put(schema, body, rule.path, value), assumed)


def _of_others(provider: Provider, schema: Schema, rule: Rule) -> list[Edit]:
    """Put values that other documents list here. A target may sell another provider's model, whatever its list says."""
    listing = subschema(schema, rule.path)
    is_model = listing.get("x-role") == "model"
    own = {*listing["enum"], *(provider.models if is_model else ())}
    others = [value for value in _listed(listing.get("x-role", "")) if value not in own]
    return [replace(_put(schema, rule, "reject", value), possibly_billable=is_model) for value in others]


@cache
def _listed(role: str) -> tuple[JSON, ...]:
    """Return the values that any provider of the built-in catalogue lists for a role."""
    documents = [variant.request for provider in load() for variant in provider.variants.values()]
    places = [subschema(document.schema, path) for document in documents for path in document.roles.get(role, ())]
    return tuple(dict.fromkeys(value for place in places for value in place.get("enum", ())))


def _part_edits(schema: Schema, rule: Rule, accepted: list[JSON], refused: list[JSON]) -> list[Edit]:
    """Put parts where they keep the counts and the order: before the others, or in place of some of them."""
    array = rule.path[:-1]
    members = subschema(schema, array)["x-parts"]
    place = partial(_place, schema, array)
    nothing, everything = slice(0), slice(None)
    edits = [_put(schema, rule, "accept", value) for value in accepted]
    whole = [value for value in accepted if is_object(value)]
    edits += [Edit(rule, "accept", describe(v), place(v, before=nothing, after=everything)) for v in whole]
    for value in refused:
        note = describe(value)
        if is_object(value) and members.keys() <= value.keys():
            first = place(value, before=nothing, after=slice(1, None))
            edits += [
                Edit(rule, "reject", note, place(value, before=nothing, after=nothing)),
                Edit(rule, "reject", note, place(value, before=slice(-1), after=nothing)),
                Edit(rule, "reject", note, first, may_break_others=True),
            ]
        else:
            edits.append(Edit(rule, "reject", note, place(value, before=nothing, after=everything)))
    return edits


def _place(schema: Schema, array: Path, value: JSON, *, before: slice, after: slice) -> Callable[[JSON], JSON]:
    """Return the change that puts an item between slices of the array that is there."""

    def change(body: JSON) -> JSON:
        present = at(schema, body, array)
        items = present if is_array(present) else []
        return put(schema, body, array, [*items[before], value, *items[after]])

    return change


def _forbidden(variant: Variant, rule: Rule) -> JSON:
    """Return what a client would put into the member that must not be there."""
    name = rule.path[-1]
    likely: dict[str, JSON] = {
        "image": picture_url(),
        "contents": [{"role": "user", "parts": [{"image": picture_url()}, {"text": "a cat"}]}],
        "parameters": {"size": "1328*1328"},
        "size": "1024*1024",
        "n": 1,
        "prompt_extend": True,
    }
    return likely.get(name, variant.name)
