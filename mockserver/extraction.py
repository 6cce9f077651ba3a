"""From a valid body to what it asks for: the schema says which value plays which role."""

from collections.abc import Callable
from typing import Any, NamedTuple

from qwenmock.mockserver.job import Input, Job
from qwenmock.mockserver.validation import parse_size
from qwenmock.schemas.catalog import Provider, Variant
from qwenmock.schemas.vocabulary import JSON, selector, subschema


class Asked(NamedTuple):
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
    places: dict[str, list[tuple[Callable[[JSON], list[JSON]], JSON, int | None]]] = {}
    for role, paths in document.roles.items():
        for path in paths:
            owner = subschema(document.schema, path)
            places.setdefault(role, []).append((selector(path), owner.get("default"), owner.get("x-truncate")))

    def reader(role: str, otherwise: Any) -> Callable[[JSON], Any]:
        known = places.get(role, [])
        default = next((value for _, value, _ in known if value is not None), otherwise)

        def read(body: JSON) -> Any:
            for find, _, longest in known:
                for found in find(body):
                    return found[:longest] if longest is not None else found
            return default

        return read

    prompt, negative_prompt = reader("prompt", ""), reader("negative_prompt", "")
    n, size, seed = reader("n", 1), reader("size", None), reader("seed", None)
    watermark, prompt_extend = reader("watermark", False), reader("prompt_extend", False)
    callback_url = reader("callback_url", None)
    image_finders = [find for find, _, _ in places.get("image", ())]

    def extract(body: JSON) -> Asked:
        size_text, seed_number = size(body), seed(body)
        return Asked(
            prompt=prompt(body),
            negative_prompt=negative_prompt(body),
            # JSON Schema counts 2.0 as an integer, so it must become one before it counts or bills.
            n=int(n(body)),
            size=None if size_text is None else parse_size(size_text),
            seed=None if seed_number is None else int(seed_number),
            watermark=watermark(body),
            prompt_extend=prompt_extend(body),
            images=tuple([url for find in image_finders for url in find(body)]),
            callback_url=callback_url(body),
        )

    return extract


def job_of(provider: Provider, variant: Variant, model: str, asked: Asked, inputs: tuple[Input, ...]) -> Job:
    """Return what is to be done for a request whose inputs were inspected."""
    return Job(
        provider=provider,
        variant=variant,
        model=model,
        prompt=asked.prompt,
        negative_prompt=asked.negative_prompt,
        n=asked.n,
        size=asked.size,
        seed=asked.seed,
        watermark=asked.watermark,
        prompt_extend=asked.prompt_extend,
        inputs=inputs,
        callback_url=asked.callback_url,
    )
