"""From a valid body to what it asks for: the schema says which value plays which role."""

from collections.abc import Callable
from typing import Any

from qwenmock.mockserver.job import Job
from qwenmock.mockserver.validation import parse_size
from qwenmock.schemas.catalog import Provider, Variant
from qwenmock.schemas.vocabulary import JSON, gatherer, subschema

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


def extractor(provider: Provider, variant: Variant) -> Callable[[dict[str, JSON]], Job]:
    """Return the function that reads bodies of the variant, which must have been validated."""
    document = variant.request
    paths = [document.roles.get(role, ()) for role in OTHERWISE]
    gather = gatherer([*paths, document.roles.get("image", ())])
    owners = {role: [subschema(document.schema, path) for path in document.roles.get(role, ())] for role in OTHERWISE}
    defaults = [
        next((owner["default"] for owner in owners[role] if "default" in owner), otherwise)
        for role, otherwise in OTHERWISE.items()
    ]
    # One a role: where a text stands twice, both places say the same of it.
    longest = {
        role: next((o["x-truncate"] for o in found if "x-truncate" in o), None) for role, found in owners.items()
    }
    longest_prompt, longest_negative = longest["prompt"], longest["negative_prompt"]

    def extract(body: dict[str, JSON]) -> Job:
        *found, images = gather(body)
        values = [given[0] if given else default for given, default in zip(found, defaults, strict=True)]
        prompt, negative_prompt, n, size, seed, watermark, prompt_extend, callback_url = values
        return Job(
            provider,
            variant,
            body["model"],
            prompt[:longest_prompt],
            negative_prompt[:longest_negative],
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
