"""Servers with another default than the documented one."""

import json
from collections.abc import Iterator

from wrong_servers.faults import Fault, edited

from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON, walk

CHECKS = {
    "model": "test_default_model",
    "watermark": "test_default_watermark",
    "size": "test_default_size_and_count",
    "n": "test_default_size_and_count",
    "prompt_extend": "test_default_prompt_extend",
}


def faults(provider: Provider) -> Iterator[Fault]:
    """Yield a fault for each other value that a default could have."""
    for variant in provider.variants.values():
        for path, owner in walk(variant.request.schema):
            role = owner.get("x-role")
            if role not in CHECKS or "default" not in owner:
                continue
            if role == "prompt_extend" and "actual_prompt" not in json.dumps(variant.answer.schema):
                continue  # no answer shows it
            for value in _others(owner):
                yield Fault(
                    f"{variant.name}/{'/'.join(path)}: default {value}",
                    provider.slug,
                    change=edited(variant.name, path, lambda place, value=value: place.update(default=value)),
                    check=CHECKS[role],
                )


def _others(owner: JSON) -> list[JSON]:
    if owner["type"] == "boolean":
        return [not owner["default"]]
    values = owner.get("enum") or range(owner["minimum"], owner["maximum"] + 1)
    return [value for value in values if value != owner["default"]]
