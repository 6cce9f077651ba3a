"""From a valid body to its job: the schema says which value has which role."""

from collections.abc import Callable
from typing import Any

from qwenmock.mockserver.calls.keywords import parse_size
from qwenmock.mockserver.calls.reading import compile_reader
from qwenmock.mockserver.models import Job
from qwenmock.schemas.models import Document, Provider, Variant
from qwenmock.schemas.vocabulary import JSON, separator_of, subschema

FALLBACKS: dict[str, Any] = {
    "prompt": "",
    "negative_prompt": "",
    "n": 1,
    "size": None,
    "seed": None,
    "watermark": False,
    "prompt_extend": False,
    "callback_url": None,
}
"""The value of each role if neither the body nor its schema has one."""

_SLOTS = {name: f"f{slot}" for slot, name in enumerate([*FALLBACKS, "images"])}
FIELDS = {
    **_SLOTS,
    "provider": "provider",
    "variant": "variant",
    "model": "v0['model']",
    "n": f"int({_SLOTS['n']})",  # in JSON Schema 2.0 is an integer too
    "size": f"None if {_SLOTS['size']} is None else parse_size({_SLOTS['size']}, separator)",
    "seed": f"None if {_SLOTS['seed']} is None else int({_SLOTS['seed']})",
    "images": f"tuple({_SLOTS['images']})",
}
"""How the generated function writes each field of a job."""


class _Role:
    """The places of one role in a body, and the value it has if the body has none."""

    def __init__(self, document: Document, name: str, fallback: JSON) -> None:
        self.paths = document.roles.get(name, ())
        schemas = [subschema(document.schema, path) for path in self.paths]
        self.default = next((schema["default"] for schema in schemas if "default" in schema), fallback)
        self.max_lengths: list[int | None] = [schema.get("x-truncate") for schema in schemas]
        self.is_plain = self.max_lengths == [None] and "*" not in self.paths[0]


def extractor(provider: Provider, variant: Variant) -> Callable[[dict[str, JSON]], Job]:
    """Return a function that reads the job from a valid body of the variant."""
    roles = [_Role(variant.request, name, fallback) for name, fallback in FALLBACKS.items()]
    groups = [role.paths if role.is_plain else () for role in roles]
    groups.append(variant.request.roles.get("image", ()))
    # A role with several places, or one that is truncated, is read place by place; the first place wins, so it is last.
    places: list[str] = []
    for slot, role in enumerate(roles):
        if not role.is_plain:
            for path, longest in reversed([*zip(role.paths, role.max_lengths, strict=True)]):
                value = f"f{len(groups)}[0]" + ("" if longest is None else f"[:{longest}]")
                places.append(f"if f{len(groups)}: f{slot} = {value}")
                groups.append((path,))
    sizes = [subschema(variant.request.schema, path) for path in variant.request.roles.get("size", ())]
    return compile_reader(
        groups,
        {slot: role.default for slot, role in enumerate(roles)},
        [*places, f"return new(Job, ({', '.join(FIELDS[field] for field in Job._fields)}))"],
        new=tuple.__new__,  # 0.1 µs less than `Job`
        Job=Job,
        provider=provider,
        variant=variant,
        parse_size=parse_size,
        separator=next(map(separator_of, sizes), "*"),
    )
