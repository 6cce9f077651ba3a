"""What a provider answers, beside what its documents say: `qwenmock drift`.

Recorded exchanges are compared with the schemas: members that no document names, members that are documented and never
came, values outside the promise, statuses, and how long answers took. A proposal adds to the schemas what was seen,
marked as observed.
"""

import difflib
import html
import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from qwenmock.pytest_plugin.examiner.json_values import integers
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.pytest_plugin.recording.recorder import documents_for, endpoint_at, variant_of
from qwenmock.schemas.models import Document, Provider
from qwenmock.schemas.recordings import Recording
from qwenmock.schemas.vocabulary import JSON, Schema, select
from qwenmock.schemas.wording import counted

TYPES: dict[object, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
SHOWN = 60


@dataclass(frozen=True)
class Undocumented:
    """A member of answers that no document names.

    Attributes:
        document: The schema that the answers were compared with; `file` is where it stands.
        place: As `data.usage.tier`.
        types: What its values were.
        example: One of them, cut.
        count: In how many answers.

    """

    document: str
    place: str
    types: tuple[str, ...]
    example: str
    count: int
    file: str


@dataclass
class Drift:
    """What was found.

    Attributes:
        unseen: Documented members that no answer had, as `document: place`.
        broken: Rules that answers broke, with how many did, and one value.
        statuses: Answers by status; those that no document names are in `unknown_statuses`.
        seconds: Least, median and most of the successes.
        wrong_sizes: Answers whose size is not the size that was asked for.
        quantities: Answers with fewer or more pictures than were asked for.

    """

    provider: str
    exchanges: int = 0
    undocumented: list[Undocumented] = field(default_factory=list[Undocumented])
    unseen: list[str] = field(default_factory=list[str])
    broken: dict[str, str] = field(default_factory=dict[str, str])
    statuses: dict[str, int] = field(default_factory=dict[str, int])
    unknown_statuses: list[int] = field(default_factory=list[int])
    seconds: tuple[float, float, float] | None = None
    wrong_sizes: list[str] = field(default_factory=list[str])
    quantities: list[str] = field(default_factory=list[str])

    @property
    def is_any(self) -> bool:
        """Whether production and documents differ; a documented member that did not occur is not a difference."""
        found = (self.undocumented, self.broken, self.unknown_statuses, self.wrong_sizes, self.quantities)
        return any(found)


@dataclass
class _Seen:
    """What the answers of one document had."""

    document: Document
    answers: list[JSON] = field(default_factory=list[JSON])


def drift(provider: Provider, recordings: Sequence[Recording]) -> Drift:
    """Compare recorded exchanges with the provider's schemas."""
    found = Drift(provider.slug, exchanges=len(recordings))
    found.statuses = {str(status): n for status, n in sorted(Counter(r.status for r in recordings).items())}
    found.unknown_statuses = sorted({r.status for r in recordings} - provider.statuses)
    taken = sorted(r.seconds for r in recordings if r.status == 200 and r.seconds)
    if taken:
        found.seconds = (taken[0], round(statistics.median(taken), 3), taken[-1])
    seen: dict[int, _Seen] = {}
    broken: dict[str, list[str]] = defaultdict(list)
    for recording in recordings:
        document = _document(provider, recording)
        if document is None:
            continue
        seen.setdefault(id(document), _Seen(document)).answers.append(recording.answer)
        for rule in broken_rules(document, recording.answer):
            values = select(recording.answer, rule.path)
            broken[rule.id].append(_shown(values[0]) if values else "it is missing")
        _compare_with_request(provider, recording, document, found)
    found.broken = {rule_id: f"{len(values)} x, for one {values[0]}" for rule_id, values in sorted(broken.items())}
    for each in seen.values():
        found.undocumented += _undocumented(each)
        found.unseen += _unseen(each)
    return found


def _document(provider: Provider, recording: Recording) -> Document | None:
    """Return the schema that an answer fits best."""
    endpoint = endpoint_at(provider, recording.method, recording.path)
    if endpoint is None:
        return None
    variant = variant_of(endpoint, recording.request)
    documents = documents_for(provider, endpoint, variant, recording.status)
    return min(documents, key=lambda each: len(broken_rules(each, recording.answer)), default=None)


def _compare_with_request(provider: Provider, recording: Recording, document: Document, found: Drift) -> None:
    """Compare size and number of the images in a success with the request."""
    endpoint = endpoint_at(provider, recording.method, recording.path)
    variant = None if endpoint is None else variant_of(endpoint, recording.request)
    if variant is None or recording.status != 200:
        return
    where = f"{recording.method} {recording.path}"
    widths, heights = (document.values(role, recording.answer) for role in ("width", "height"))
    sizes = {f"{width}*{height}" for width, height in zip(widths, heights, strict=False)}
    for asked in variant.request.values("size", recording.request):
        wrong = sorted(sizes - {f"{asked}"})
        found.wrong_sizes += [f"{where}: {asked} was asked for, {size} came" for size in wrong]
    expected = next(iter(integers(variant.request.values("n", recording.request))), 1)
    counts = _image_counts(document, recording.answer)
    wrong_counts = sorted(counts - {expected})
    found.quantities += [f"{where}: {expected} pictures were asked for, {count} came" for count in wrong_counts]


def _image_counts(document: Document, answer: JSON) -> set[int]:
    """Return the numbers of images that an answer states, or that it holds where it states none."""
    stated = {count for count in document.values("image_count", answer) if isinstance(count, int)}
    return stated or {len(i) for i in document.values("images", answer) if isinstance(i, list)}


def _undocumented(seen: _Seen) -> list[Undocumented]:
    places: dict[str, list[JSON]] = defaultdict(list)
    for answer in seen.answers:
        for place, value in _extra(seen.document.schema, answer, ""):
            places[place].append(value)
    return [
        Undocumented(
            seen.document.name,
            place,
            tuple(sorted({TYPES.get(value.__class__, "null") for value in values})),
            _shown(values[0]),
            len(values),
            seen.document.file,
        )
        for place, values in sorted(places.items())
    ]


def _extra(schema: Schema, value: JSON, place: str) -> Iterable[tuple[str, JSON]]:
    if isinstance(value, dict) and "properties" in schema:
        for name, member in value.items():
            where = f"{place}.{name}" if place else name
            if name in schema["properties"]:
                yield from _extra(schema["properties"][name], member, where)
            else:
                yield where, member
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            yield from _extra(schema["items"], item, f"{place}[]")


def _unseen(seen: _Seen) -> list[str]:
    return [
        f"{seen.document.name}: {'.'.join(path).replace('.*', '[]')}"
        for path in _places(seen.document.schema, ())
        if not any(select(answer, path) for answer in seen.answers)
    ]


def _places(schema: Schema, path: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    for name, member in schema.get("properties", {}).items():
        yield (*path, name)
        yield from _places(member, (*path, name))
    if "items" in schema:
        yield from _places(schema["items"], (*path, "*"))


def _shown(value: JSON) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


# The report


def as_json(found: Drift) -> dict[str, Any]:
    """Return the findings as JSON."""
    return {**asdict(found), "drift": found.is_any}


def as_markdown(found: Drift) -> str:
    """Return the findings as Markdown."""
    verdict = "production and documents differ" if found.is_any else "production keeps what the documents say"
    lines = [f"# Drift of {found.provider}", "", f"{counted(found.exchanges, 'exchange')}: {verdict}.", ""]
    lines += ["| status | answers |", "|---|---|", *(f"| {s} | {n} |" for s, n in found.statuses.items()), ""]
    if found.seconds is not None:
        lines += ["Successes took {} s at least, {} s in the median, {} s at most.".format(*found.seconds), ""]
    table = [
        f"| `{each.place}` | {each.document} | {', '.join(each.types)} | `{each.example}` | {each.count} |"
        for each in found.undocumented
    ]
    if table:
        lines += [
            "## Members that no document names",
            "",
            "| member | answer | type | for one | answers |",
            "|---|---|---|---|---|",
        ]
        lines += [*table, ""]
    for title, items in (
        ("Rules that answers broke", [f"`{rule}`: {what}" for rule, what in found.broken.items()]),
        ("Statuses that no document names", [str(status) for status in found.unknown_statuses]),
        ("Sizes that were not asked for", found.wrong_sizes),
        ("Numbers of pictures that were not asked for", found.quantities),
        ("Documented members that never came", [f"`{place}`" for place in found.unseen]),
    ):
        if items:
            lines += [f"## {title}", "", *(f"- {item}" for item in items), ""]
    return "\n".join(lines)


def as_html(found: Drift) -> str:
    """Return the findings as one page."""
    text = html.escape(as_markdown(found))
    title = html.escape(f"Drift of {found.provider}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:15px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
        f"pre{{white-space:pre-wrap}}</style><pre>{text}</pre></html>\n"
    )


def write(found: Drift, path: Path) -> None:
    """Write a report; its ending decides: `.json`, `.html` or `.md`."""
    handlers = {".json": lambda: json.dumps(as_json(found), ensure_ascii=False, indent=2) + "\n"}
    handlers |= {".html": lambda: as_html(found), ".md": lambda: as_markdown(found)}
    path.write_text(handlers[path.suffix](), "utf-8")


# The proposal


def propose(provider: Provider, found: Drift, folder: Path) -> str:
    """Return a patch of the schemas in a folder that adds the undocumented members, marked as observed."""
    patches: list[str] = []
    by_file: dict[str, list[Undocumented]] = defaultdict(list)
    for each in found.undocumented:
        by_file[each.file].append(each)
    for name, members in sorted(by_file.items()):
        path = folder / provider.slug / name
        before = path.read_text("utf-8")
        after = before
        for member in members:
            after = _with_member(after, member)
        label = f"schemas/{provider.slug}/{path.name}"
        lines = before.splitlines(keepends=True), after.splitlines(keepends=True)
        patches += difflib.unified_diff(*lines, f"a/{label}", f"b/{label}")
    return "".join(patches)


def _with_member(text: str, member: Undocumented) -> str:
    """Return a schema's text with one member more, the rest of it as it is written."""
    schema: Schema = json.loads(text)
    steps = member.place.replace("[]", ".*").split(".")
    holder: Any = schema
    for step in steps[:-1]:
        holder = holder.get("items", {}) if step == "*" else holder.get("properties", {}).get(step, {})
    types = list(member.types)
    entry: Schema = {
        "type": types[0] if len(types) == 1 else types,
        "x-source": "observed: production",
        "x-certainty": "observed",
    }
    members: dict[str, Schema] = holder.get("properties", {})
    if not members or steps[-1] in members:
        return text  # a place in another file: that one gets it when its own answers show it
    last = list(members)[-1]
    members[steps[-1]] = entry
    return _inserted(text, last, steps[-1], entry, schema)


def _inserted(text: str, last: str, name: str, entry: Schema, expected: Schema) -> str:
    """Put a member behind the last one of an object: where that gives the schema that is expected."""
    decoder = json.JSONDecoder()
    key = f"{json.dumps(last)}:"
    at = text.find(key)
    while at >= 0:
        start = at + len(key)
        start += len(text[start:]) - len(text[start:].lstrip())
        _, end = decoder.raw_decode(text, start)
        indent = text[text.rfind("\n", 0, at) + 1 : at]
        indent = indent if not indent.strip() else "  "
        member = f"{json.dumps(name)}: {json.dumps(entry, ensure_ascii=False)}"
        changed = f"{text[:end]},\n{indent}{member}{text[end:]}"
        if json.loads(changed) == expected:
            return changed
        at = text.find(key, start)
    return text
