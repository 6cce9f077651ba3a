"""Wording that the server and the examiner share."""

import json

from qwenmock.schemas.vocabulary import Schema


def counted(number: int, thing: str) -> str:
    """Format a count with its noun: `1 call`, `2 calls`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def condition(dependency: Schema) -> str:
    """Write a dependency as a sentence without a subject: `"agent" only where nothing is at image`."""
    place = dependency["on"].replace("/*", "[]").replace("/", ".")
    about = [json.dumps(value, ensure_ascii=False) for value in dependency.get("values", ())]
    about += [f"more than {dependency['over']}"] if "over" in dependency else []
    met = f"nothing is at {place}" if "absent" in dependency else f"{place} is {json.dumps(dependency['is'])}"
    effect = "has an effect only where" if "advisory" in dependency else "only where"
    return " ".join([*about, effect, met])
