"""From a valid body to what it asks for: the schema says which value plays which role."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qwenmock.mockserver.validation import parse_size
from qwenmock.schemas.catalog import Variant
from qwenmock.schemas.vocabulary import JSON, Path, select, subschema


@dataclass(frozen=True, slots=True)
class Asked:
    """The values of a request by role, defaults put in and long texts cut; None or empty where there are none."""

    prompt: str
    negative_prompt: str
    n: int
    size: tuple[int, int] | None
    seed: int | None
    watermark: bool
    prompt_extend: bool
    images: tuple[str, ...]
    callback_url: str | None


def extractor(variant: Variant) -> Callable[[JSON], Asked]:
    """Return the function that reads bodies of the variant, which must have been validated."""
    document = variant.request
    places: dict[str, list[tuple[Path, JSON, int | None]]] = {}
    for role, paths in document.roles.items():
        for path in paths:
            owner = subschema(document.schema, path)
            places.setdefault(role, []).append((path, owner.get("default"), owner.get("x-truncate")))

    def first(body: JSON, role: str, otherwise: Any) -> Any:
        default = None
        for path, value, longest in places.get(role, ()):
            default = value if default is None else default
            for found in select(body, path):
                return found[:longest] if longest is not None else found
        return otherwise if default is None else default

    def extract(body: JSON) -> Asked:
        size = first(body, "size", None)
        seed = first(body, "seed", None)
        return Asked(
            prompt=first(body, "prompt", ""),
            negative_prompt=first(body, "negative_prompt", ""),
            # JSON Schema counts 2.0 as an integer, so it must become one before it counts or bills.
            n=int(first(body, "n", 1)),
            size=None if size is None else parse_size(size),
            seed=None if seed is None else int(seed),
            watermark=first(body, "watermark", False),
            prompt_extend=first(body, "prompt_extend", False),
            images=tuple(url for path, _, _ in places.get("image", ()) for url in select(body, path)),
            callback_url=first(body, "callback_url", None),
        )

    return extract
