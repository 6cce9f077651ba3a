"""Finds what the contract calls `documented` in the documents it cites: `make contract-sources`.

A source names a file, a heading in it and, where that is not enough, further headings, parameters or words below it:
`FILE#Request Parameters, callback_url, Notes`. Each of them ends where the next of its kind begins.
"""

import json
import os
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwenmock.schemas import catalog
from qwenmock.schemas.models import Document, Invariant, Provider, Rule, Variant
from qwenmock.schemas.vocabulary import Schema, select, subschema, walk

VARIABLE = "QWENMOCK_DOCUMENTS"
"""Names the folder that has the documents; they are no part of the repository."""

SOURCES = tomllib.loads((catalog.HERE / "sources.toml").read_text("utf-8"))
TYPES = r"(?:string|integer|int|boolean|object|array(?:\[\w+\])?)"
PARAMETER = rf"(?<!_)({{name}})(?={TYPES}(?:Required|Optional))"
KINDS = {
    "string": r"string",
    "integer": r"int(?:eger)?",
    "boolean": r"boolean",
    "object": r"object",
    "array": r"array",
    "null": r"null",
}


@dataclass(frozen=True)
class Claim:
    """A value that a document is said to state.

    Attributes:
        schema: What the rule's place must be; empty for what stands in no schema.
        is_answer: Whether the provider says it of its own answers; an example is proof enough then.
        comment: Why it follows, where the section does not say it.

    """

    id: str
    keyword: str
    value: Any
    source: str
    path: tuple[str, ...] = ()
    schema: Schema | None = None
    is_answer: bool = False
    must_be_said: bool = False
    comment: str = ""


def folder() -> Path | None:
    """Return where the documents are; None if nobody says."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


class Section:
    """A section of a document, and the JSON examples in it."""

    def __init__(self, documents: Path, source: str) -> None:
        file, _, self.heading = source.partition("#")
        text = (documents / file).read_text("utf-8")
        self.text = narrowed(text, SOURCES["documents"][file].get("headings"), self.heading)
        self.examples = list(examples(self.text))

    def says(self, pattern: str) -> bool:
        """Whether a regular expression is found, in any case of letters."""
        return re.search(pattern, self.text, re.IGNORECASE | re.MULTILINE) is not None


def narrowed(text: str, headings: list[str] | None, wanted: str) -> str:
    """Return the section at a heading, without the sections below it.

    Raises:
        LookupError: The document has none, or several.

    """
    marks = by_hashes(text) if headings is None else by_list(text, headings)
    heading, *below = [wanted] if any(name == wanted for name, _ in marks) else wanted.split(", ")
    places = [at for name, at in marks if name == heading]
    if len(places) != 1:
        raise LookupError(f'expected one section "{heading}", got {len(places)}')
    section = text[places[0] : min((at for _, at in marks if at > places[0]), default=len(text))]
    for name in below:
        section = part(section, name)
    return section


def by_hashes(text: str) -> list[tuple[str, int]]:
    """Return the headings of a page that writes `#` after them, with their places."""
    return [(found[1], found.start()) for found in re.finditer(r"^(.+)#$", text, re.MULTILINE)]


def by_list(text: str, headings: list[str]) -> list[tuple[str, int]]:
    """Return the headings with their places: a line, or the first mention in a page that lost its lines."""
    lines = ((name, re.search(rf"^{re.escape(name)}$", text, re.MULTILINE)) for name in headings)
    places = [(name, text.find(name) if line is None else line.start()) for name, line in lines]
    return [(name, at) for name, at in places if at >= 0]


def part(section: str, name: str) -> str:
    """Return a parameter's entry, up to the next parameter; or what follows a word."""
    found = re.search(PARAMETER.format(name=re.escape(name)), section)
    if found is None:
        at = section.find(name)
        if at < 0:
            raise LookupError(f'no "{name}" in the section')
        return section[at:]
    following = re.compile(PARAMETER.format(name="[a-z_]+?")).search(section, found.end())
    return section[found.start() : None if following is None else following.start()]


def examples(text: str) -> Iterator[Any]:
    """Yield the JSON objects that a text shows, without the comments in them."""
    bare = re.sub(r'//[^"\n]*$', "", text, flags=re.MULTILINE)
    for found in re.finditer(r"(?:^|')(?=\{)", bare, re.MULTILINE):
        try:
            yield json.JSONDecoder().raw_decode(bare, found.end())[0]
        except ValueError:
            continue


def claims(provider: Provider) -> Iterator[Claim]:
    """Yield all that a provider's folder calls documented."""
    requests = {variant.name: variant.request for variant in provider.variants.values()}
    schemas = {document.name: document for document in documents_of(provider)}
    for rule in provider.rules:
        document = schemas.get(rule.variant)
        yield from of_rule(rule, document, is_answer=rule.variant not in requests)
    for variant in provider.variants.values():
        yield from (of_invariant(invariant) for invariant in variant.invariants.values() if is_documented(invariant))
        yield from defaults(provider, variant)
        yield from image_names(provider, variant)
        yield from unread(provider, variant)
    yield from facts(provider)


def documents_of(provider: Provider) -> Iterator[Document]:
    """Yield the documents of all schema files."""
    for variant in provider.variants.values():
        yield variant.request
        yield variant.answer
    yield provider.error
    if provider.billing_log is not None:
        yield provider.billing_log.document


def is_documented(invariant: Invariant) -> bool:
    """Whether an invariant is one of the document's statements."""
    return invariant.rule.certainty == "documented"


def of_rule(rule: Rule, document: Document | None, *, is_answer: bool) -> Iterator[Claim]:
    """Yield a rule as a claim, if it is documented."""
    if rule.certainty != "documented":
        return
    schema = None
    if document is not None and rule.keyword not in {"required"}:
        schema = subschema(document.schema, rule.path)
    yield Claim(
        rule.id,
        rule.keyword,
        rule.value,
        rule.source,
        rule.path,
        schema,
        is_answer,
        # What `--assume-documented-limits` asserts must be found as a limit, not only as an example.
        not is_answer and (rule.reject_certainty == "documented" or rule.is_only_a_limit),
        rule.comment,
    )


def of_invariant(invariant: Invariant) -> Claim:
    """Return an invariant as a claim."""
    rule = invariant.rule
    return Claim(
        rule.id, rule.id.rpartition("/")[2], rule.value, rule.source, ("*",), None, is_answer=True, comment=rule.comment
    )


def defaults(provider: Provider, variant: Variant) -> Iterator[Claim]:
    """Yield the documented defaults of a request."""
    for path, owner in walk(variant.request.schema):
        if "default" in owner:
            source, certainty = variant.request.default_terms(path)
            if certainty == "documented":
                name = f"{provider.slug}/{variant.name}/{'/'.join(path)}/default"
                comment = owner.get("x-rules", {}).get("default", {}).get("$comment", "")
                yield Claim(name, "default", owner["default"], source, path, comment=comment)


def image_names(provider: Provider, variant: Variant) -> Iterator[Claim]:
    """Yield how prompts must name input images."""
    if variant.image_names is not None:
        name = f"{provider.slug}/{variant.name}/x-image-names"
        yield Claim(name, "x-image-names", variant.image_names.pattern.pattern, variant.image_names.source)


def unread(provider: Provider, variant: Variant) -> Iterator[Claim]:
    """Yield the members that a document names and does not show."""
    for member in variant.request.unread:
        yield Claim(
            f"{provider.slug}/{variant.name}/{'/'.join(member.path)}/x-unread",
            "literal",
            member.path[-1],
            member.source,
        )


def facts(provider: Provider) -> Iterator[Claim]:
    """Yield what provider.toml calls documented."""
    slug = provider.slug
    if provider.base_url_certainty == "documented":
        yield Claim(f"{slug}/base_url", "literal", provider.base_url, provider.base_url_source)
    for model, price in provider.models.items():
        if price.certainty == "documented":
            yield Claim(f"{slug}/models/{model}/price", "price", str(price.amount), price.source)
        if price.certainty == "documented" and price.usd is not None:
            yield Claim(f"{slug}/models/{model}/usd", "price", str(price.usd), price.source)
    if provider.links.certainty == "documented":
        hours = provider.links.lifetime_seconds // 3600
        yield Claim(f"{slug}/links/lifetime_seconds", "hours", hours, provider.links.source)
    if provider.picture.watermark_certainty == "documented":
        yield Claim(
            f"{slug}/picture/watermark", "literal", provider.picture.watermark, provider.picture.watermark_source
        )
    for name, endpoint in provider.endpoints.items():
        if endpoint.certainty == "documented":
            yield Claim(f"{slug}/endpoints/{name}/path", "literal", endpoint.path, endpoint.source)
    for name, kind in provider.errors.items():
        if kind.certainty == "documented":
            yield Claim(f"{slug}/errors/{name}/status", "literal", str(kind.status), kind.source)
        if kind.message_certainty == "documented":
            text = kind.message.partition("{")[0]
            yield Claim(f"{slug}/errors/{name}/message", "literal", text, kind.source)
    if provider.callbacks is not None and provider.callbacks.certainty == "documented":
        callbacks = provider.callbacks
        yield Claim(f"{slug}/callbacks/timeout_seconds", "seconds", callbacks.timeout_seconds, callbacks.source)
        yield Claim(f"{slug}/callbacks/retries", "retries", len(callbacks.retry_seconds), callbacks.source)


STATEMENTS = {
    # How documents say what rules.toml states in words.
    "content-type": r"JSON",
    "status": r"Status Code 200",
    "counts": r"image_count|number of (?:generated )?images",
    "requested-count": r"输出图像数量|output quantity|generates \d image",
    "default-count": r"\bninteger1输出图像数量",
    "created": r"timestamp",
    "link-lifetime": r"24 hours",
    "requested-size": r"输出图像分辨率|Image size|\bsize\b",
    "picture-type": r"PNG format|Output FormatPNG",
    "picture-format": r"PNG format|Output FormatPNG",
    "picture-size": r"widthintImage width",
    "sent": r"Triggered on completion, failure, or cancellation",
    "after-billing": r"Sent after billing confirmation",
    "attempts": r"Max \d+ retries",
    "timeout": r"Timeout: \d+s",
    "address": r"no internal IPs",
    "publicHost": r"no internal IPs",
    "x-image-names": r"must use \"Image 1\"",
    "price": r"(?:¥|\$|^|[^\d.])0*{value}0*(?:\D|$)",
    "hours": r"{value} hours",
    "seconds": r"Timeout: {value}s",
    "retries": r"Max {value} retries",
    "position": r"placed at the end",
}
AUTHENTICATION = r"Authorization: ?\n?\s*Bearer|Bearer Token"
ONE = r"(?:1|one\b|single\b|a set of|单个|单张|一个|仅 1 张)"


def is_found(claim: Claim, section: Section) -> bool:
    """Whether the section states the claim's value."""
    check = getattr(Spelling, "is_" + re.sub(r"\W|-", "_", claim.keyword.rpartition(".")[2]), None)
    if check is not None:
        return check(claim, section)
    keyword = claim.keyword.rpartition(".")[2]
    if keyword in STATEMENTS:
        return section.says(STATEMENTS[keyword].replace("{value}", re.escape(str(claim.value))))
    return False


class Spelling:
    """How documents write a value; one function for each keyword."""

    @staticmethod
    def is_literal(claim: Claim, section: Section) -> bool:
        return str(claim.value) in section.text

    @staticmethod
    def is_type(claim: Claim, section: Section) -> bool:
        if shown(claim, section):
            return True
        if claim.path and section.says(listed(claim.path[-1], KINDS[claim.value])):
            return True
        if claim.value == "object":
            members = (claim.schema or {}).get("properties", {})
            return any(section.says(listed(name, TYPES)) for name in members) or in_list_of_objects(claim, section)
        if claim.value == "boolean":
            return section.says(rf"\b{claim.path[-1]}: (?:true|false)")
        return claim.path[-1] == "*" and claim.value == "string" and section.says(r"\bURL list")

    @staticmethod
    def is_required(claim: Claim, section: Section) -> bool:
        name = claim.path[-1]
        if claim.path == ("authorization",):
            return section.says(AUTHENTICATION)
        if section.says(listed(name, f"{TYPES}(?:Required|Yes)")) or section.says(rf'"{name}"[^\n]*\(Required'):
            return True
        # What a table or an example shows is accepted, and answered with; it need not be required.
        return not claim.must_be_said and (shown(claim, section) or section.says(listed(name, TYPES)))

    @staticmethod
    def is_scheme(_: Claim, section: Section) -> bool:
        return section.says("Bearer")

    @staticmethod
    def is_known(_: Claim, section: Section) -> bool:
        return section.says("Invalid or expired API key|require Bearer Token")

    @staticmethod
    def is_enum(claim: Claim, section: Section) -> bool:
        return all(section.says(re.escape(each).replace(r"\*", "[*×]") + r"(?!-\d)") for each in claim.value)

    @staticmethod
    def is_const(claim: Claim, section: Section) -> bool:
        if not claim.must_be_said and claim.value in values(claim, section):
            return True
        return claim.value != "" and section.says(rf"(?:set to|设置为|code)\D*?(?<!\w){re.escape(str(claim.value))}\b")

    @staticmethod
    def is_oneOf(claim: Claim, section: Section) -> bool:  # noqa: N802
        names = [each["required"][0] for each in claim.value]
        words = {"image": r"images?\b|imagestring", "text": r"prompts?\b|textstring"}
        return all(section.says(rf'{words[name]}|"{name}"') for name in names)

    @staticmethod
    def is_not(_: Claim, section: Section) -> bool:
        return section.says(r"does not support|仅 max/plus")

    @staticmethod
    def is_pattern(claim: Claim, section: Section) -> bool:
        return any(re.search(claim.value, str(value)) for value in values(claim, section))

    @staticmethod
    def is_format(_: Claim, section: Section) -> bool:
        return section.says(r"\bURL|https?://|urlstring")

    @staticmethod
    def is_schemes(claim: Claim, section: Section) -> bool:
        words = {"http": r"HTTP|\bURL", "https": r"HTTPS|\bURL", "data": r"Base64|data:"}
        return all(section.says(words[each]) for each in claim.value)

    @staticmethod
    def is_mediaTypes(claim: Claim, section: Section) -> bool:  # noqa: N802
        return all(section.says(each.partition("/")[2].replace("jpeg", "jpe?g")) for each in claim.value)

    @staticmethod
    def is_maxBytes(claim: Claim, section: Section) -> bool:  # noqa: N802
        return section.says(rf"(?<!\d){claim.value // 2**20}\s*MB")

    @staticmethod
    def is_urlPattern(_: Claim, section: Section) -> bool:  # noqa: N802
        return section.says(r"must not contain Chinese characters|Formats: \.jpg")

    @staticmethod
    def is_syntax(claim: Claim, section: Section) -> bool:
        return claim.value == "W*H" and section.says(r"宽\*高")

    @staticmethod
    def is_default(claim: Claim, section: Section) -> bool:
        name, value = claim.path[-1], json.dumps(claim.value).strip('"')
        return section.says(rf'"{name}"[^\n]*default {value}|{name}\w*?{value}\D|{name}\w*Default: {value}')

    @staticmethod
    def is_x_truncate(claim: Claim, section: Section) -> bool:
        return upper(claim, section) and section.says("truncated")


EXACTLY_ONE = rf"(?:有且只有|仅支持传入|仅支持|和|only|generates)\s*{ONE}|only single-turn"


def lower(claim: Claim, section: Section) -> bool:
    """Whether a lower limit is stated, or shown by an example where that is enough."""
    number = claim.value
    if section.says(rf"(?<!\d){number}\s*(?:-|,|×{number})\s*\d|(?:at least|minimum:?) {number}\b"):
        return True
    if number == 1 and section.says(EXACTLY_ONE):
        return True
    if claim.must_be_said or number > 1:
        return False
    filled = section.says(listed(claim.path[-1], r'string[^\n]*"[^"\n]+"$'))
    return filled or any(size_of(claim.keyword, value) >= number for value in values(claim, section))


def upper(claim: Claim, section: Section) -> bool:
    """Whether an upper limit is stated, or shown by an example where that is enough."""
    number = claim.value
    if section.says(rf"\d\s*[-,]\s*{number}(?!\d)|{LIMIT}\s*{number}(?!\d)"):
        return True
    if number == 1 and section.says(EXACTLY_ONE):
        return True
    sizes = [size_of(claim.keyword, value) for value in values(claim, section)]
    return not claim.must_be_said and bool(sizes) and max(sizes) == number


LIMIT = r"(?:max(?:imum)?|up to|limited to|more than|exceeding|length of|length:|不超过|上限|仅支持|仅)"


def size_of(keyword: str, value: Any) -> Any:
    """Return what a limit on a value counts."""
    if "." in keyword:
        return sum(keyword.partition(".")[0] in each for each in value)
    return value if keyword in {"minimum", "maximum"} else len(value)


for _name in ("minimum", "minItems", "minLength", "minWidth", "minHeight", "minSide"):
    setattr(Spelling, f"is_{_name}", staticmethod(lower))
for _name in ("maximum", "maxItems", "maxLength", "maxWidth", "maxHeight", "maxSide"):
    setattr(Spelling, f"is_{_name}", staticmethod(upper))


def listed(name: str, then: str) -> str:
    """Return how a table lists a member, its cells written together: `watermarkboolean`, `data.data[].urlstring`.

    Where the cell before is written together with it too, `Required` or `Optional` must follow the type.
    """
    word = re.escape(name)
    path = rf"(?<![A-Za-z_]){word}(?:\[\])?\.\w" if then == TYPES or then == KINDS["object"] else r"(?!)"
    return rf"(?<![A-Za-z_]){word}(?:\[\])?{then}|{PARAMETER.format(name=word)}{then}|{path}"


def in_list_of_objects(claim: Claim, section: Section) -> bool:
    """Whether the list that the object stands in is said to hold objects."""
    return claim.path[-1:] == ("*",) and section.says(listed(claim.path[-2], r"array\[object\]"))


def values(claim: Claim, section: Section) -> list[Any]:
    """Return the values that examples have at the claim's place, or at the end of its path: some show a part only."""
    paths = [claim.path[at:] for at in range(max(len(claim.path), 1))]
    return [value for each in section.examples for path in paths for value in select(each, path)]


def shown(claim: Claim, section: Section) -> bool:
    """Whether an example has the member, with a value of the type."""
    types = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list, "null": type(None)}
    found = values(claim, section)
    return bool(found) if claim.keyword != "type" else any(type(value) is types[claim.value] for value in found)


def verdicts(documents: Path) -> Iterator[tuple[Claim, str]]:
    """Yield each claim with "found", "explained", or what is wrong."""
    for provider in catalog.load():
        for claim in claims(provider):
            yield claim, verdict(claim, documents)


def verdict(claim: Claim, documents: Path) -> str:
    """Return "found", "explained", or what is wrong."""
    try:
        section = Section(documents, claim.source)
    except (LookupError, OSError) as error:
        return f"no section: {error}"
    return "found" if is_found(claim, section) else "explained" if claim.comment else "not found"


def main(documents: Path) -> int:
    """Print each claim, its section and its verdict; return how many are neither found nor explained."""
    counts: Counter[str] = Counter()
    for claim, found in verdicts(documents):
        counts[found if found in {"found", "explained"} else "neither"] += 1
        print(f"{found:10} {claim.id} = {claim.value!s:.60}\n           {claim.source}")
        if found == "explained":
            print(f"           {claim.comment}")
    print(f"{counts.total()} documented: " + ", ".join(f"{number} {name}" for name, number in counts.items()))
    return counts["neither"]


if __name__ == "__main__":
    place = folder()
    if place is None:
        sys.exit(f"expected {VARIABLE}=FOLDER, the folder with the documents; it is not set")
    sys.exit(main(place) > 0)
