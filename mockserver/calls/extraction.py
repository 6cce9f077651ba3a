"""From a valid body to what it asks for: the schema says which value plays which role."""

from collections.abc import Callable
from typing import Any

from qwenmock.mockserver.calls.validation import parse_size
from qwenmock.mockserver.models import Job
from qwenmock.schemas.models import Document, Provider, Variant
from qwenmock.schemas.vocabulary import JSON, reader, subschema

OTHERWISE: dict[str, Any] = {
    "prompt": "",
    "negative_prompt": "",
    "n": 1,
    "size": None,
    "seed": None,
    "watermark": False,
    "prompt_extend": False,
    "callback_url": None,
}
"""What holds by role where neither the body nor its schema has a value."""


class _Role:
    """Where a value of one role may stand, and what holds without it."""

    def __init__(self, document: Document, name: str, otherwise: JSON) -> None:
        self.paths = document.roles.get(name, ())
        owners = [subschema(document.schema, path) for path in self.paths]
        self.default = next((owner["default"] for owner in owners if "default" in owner), otherwise)
        self.cuts: list[int | None] = [owner.get("x-truncate") for owner in owners]
        self.is_plain = self.cuts == [None] and "*" not in self.paths[0]


def extractor(provider: Provider, variant: Variant) -> Callable[[dict[str, JSON]], Job]:
    """Return the function that reads bodies of the variant, which must have been validated."""
    roles = [_Role(variant.request, name, otherwise) for name, otherwise in OTHERWISE.items()]
    groups = [role.paths if role.is_plain else () for role in roles]
    groups.append(variant.request.roles.get("image", ()))
    # What may stand in several places, or is to be cut, is read at each place; the first counts, so it comes last.
    places: list[tuple[int, int, int | None]] = []
    for slot, role in enumerate(roles):
        if not role.is_plain:
            for path, longest in reversed([*zip(role.paths, role.cuts, strict=True)]):
                places.append((slot, len(groups), longest))
                groups.append((path,))
    read = reader(groups, {slot: role.default for slot, role in enumerate(roles)})

    def extract(body: dict[str, JSON]) -> Job:
        found = read(body)
        for slot, place, longest in places:
            if found[place]:
                found[slot] = found[place][0] if longest is None else found[place][0][:longest]
        prompt, negative_prompt, n, size, seed, watermark, prompt_extend, callback_url, images, *_ = found
        return Job(
            provider,
            variant,
            body["model"],
            prompt,
            negative_prompt,
            # JSON Schema counts 2.0 as an integer, so it must become one before it counts or bills.
            int(n),
            None if size is None else parse_size(size),
            None if seed is None else int(seed),
            watermark,
            prompt_extend,
            tuple(images),
            callback_url,
        )

    return extract
