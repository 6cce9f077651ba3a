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
    places: list[tuple[int, int, int | None]] = []
    for slot, role in enumerate(roles):
        if not role.is_plain:
            for path, longest in reversed([*zip(role.paths, role.max_lengths, strict=True)]):
                places.append((slot, len(groups), longest))
                groups.append((path,))
    read = compile_reader(groups, {slot: role.default for slot, role in enumerate(roles)})
    sizes = [subschema(variant.request.schema, path) for path in variant.request.roles.get("size", ())]
    separator = next(map(separator_of, sizes), "*")

    def extract(body: dict[str, Any]) -> Job:
        found = read(body)
        if places:
            found = list(found)
            for slot, place, longest in places:
                if found[place]:
                    found[slot] = found[place][0] if longest is None else found[place][0][:longest]
        prompt, negative_prompt, n, size, seed, watermark, prompt_extend, callback_url, images, *_ = found
        # By position: by keyword takes 0.5 µs longer, 1.5 % of a request.
        return Job(
            provider,
            variant,
            body["model"],
            prompt,
            negative_prompt,
            int(n),  # in JSON Schema 2.0 is an integer too
            None if size is None else parse_size(size, separator),
            None if seed is None else int(seed),
            watermark,
            prompt_extend,
            tuple(images),
            callback_url,
        )

    return extract
