"""Explains what is wrong with a provider's folder: its files, its dialect's answers and its fixtures."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

import orjson

from qwenmock.mockserver.calls.extraction import extractor
from qwenmock.mockserver.calls.validation import BodyValidator
from qwenmock.mockserver.dialects import Dialect, dialect_of
from qwenmock.mockserver.dialects.by_schema import sample
from qwenmock.mockserver.models import Account, Job, Refused, Result, TaskStatus
from qwenmock.mockserver.provider_folders.errors import OpenapiError
from qwenmock.mockserver.provider_folders.reading import is_table, printable
from qwenmock.mockserver.provider_folders.translation import contradictory_limits, has_forbidden_default
from qwenmock.mockserver.tasks.samples import CREATED, REQUEST_ID, SIDE, sample_task
from qwenmock.schemas.catalog import load_provider
from qwenmock.schemas.errors import CatalogError
from qwenmock.schemas.metaschemas import mistakes
from qwenmock.schemas.models import STATES, Document, Protocol, Provider, Variant
from qwenmock.schemas.vocabulary import JSON, walk
from qwenmock.schemas.wording import counted

Dialects: TypeAlias = Sequence[tuple[Protocol | None, Dialect]]
"""The dialect of each protocol; that of the usual one is at None."""

LINK = "https://pictures.example.com/{}.png"


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong, and where."""

    place: str
    text: str

    def __str__(self) -> str:
        return printable(f"{self.place}: {self.text}")


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in a folder.

    Attributes:
        mistakes: What is wrong: with any, the folder cannot be served, or the double breaks its own contract.
        assumed: What the double needs, and no source says.

    """

    mistakes: list[Mistake]
    assumed: list[str]


def examine(folder: Path) -> Examined:
    """Return what is wrong with a folder.

    Raises:
        OpenapiError: It is no folder of a provider.

    """
    if not folder.is_dir():
        raise OpenapiError(f"{printable(str(folder))}: folder not found")
    if not (folder / "provider.toml").is_file():
        raise OpenapiError(f"{printable(str(folder))}: no provider.toml; expected the folder of a provider")
    folder = folder.resolve()
    found = [*_in_files(folder)]
    try:
        provider = load_provider(folder)
        dialects = [(protocol, dialect_of(provider, protocol)) for protocol in _protocols(provider)]
    except CatalogError as error:
        return Examined(_once([*found, _of(folder, error)]), [])
    found += _in_limits(provider)
    found += _in_answers(provider, dialects)
    found += _in_refusals(provider, dialects)
    found += _in_fixtures(provider, folder)
    return Examined(_once(found), [*_assumed(provider)])


def _in_files(folder: Path) -> Iterator[Mistake]:
    """Yield what each file says that no such file may say. The loader stops at the first."""
    toml = folder / "provider.toml"
    try:
        table: JSON = tomllib.loads(toml.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return  # the loader says it
    yield from (Mistake(_place(toml.name, pointer), text) for pointer, text in mistakes(table, "provider.schema.json"))
    for file in sorted(folder.glob("*.schema.json")):
        try:
            content = orjson.loads(file.read_bytes())
        except (OSError, ValueError) as error:
            yield Mistake(file.name, f"expected a JSON file in UTF-8: {error}")
            continue
        for pointer, text in mistakes(content, "vocabulary.schema.json"):
            yield Mistake(_place(file.name, pointer), text)
        if is_table(table) and f'"{file.name}' not in _names(table, folder):
            yield Mistake(file.name, "no table of provider.toml and no other file names it")


def _in_limits(provider: Provider) -> Iterator[Mistake]:
    """Yield limits that no value keeps, and defaults that they forbid."""
    for variant in provider.variants.values():
        document = variant.request
        for path, owner in walk(document.schema):
            place = f"{document.file}#/{'/'.join(path)}"
            for low, high in contradictory_limits(owner):
                yield Mistake(place, f"expected {low} to be at most {high} {owner[high]}, got {owner[low]}")
            if has_forbidden_default(owner):
                default = owner["default"]
                least, most = owner.get("minimum", default), owner.get("maximum", default)
                yield Mistake(place, f"expected a default from {least} to {most}, got {default}")


def _names(table: JSON, folder: Path) -> str:
    """Return all that provider.toml and the schemas name, as one text."""
    texts = [file.read_text("utf-8", "replace") for file in sorted(folder.glob("*.schema.json"))]
    return orjson.dumps(table, default=str).decode() + "".join(texts)


def _once(found: list[Mistake]) -> list[Mistake]:
    return list(dict.fromkeys(found))


def _of(folder: Path, error: CatalogError) -> Mistake:
    file = str(error.file).removeprefix(f"{folder}/")
    return Mistake(_place(file, error.pointer), error.reason)


def _place(file: str, pointer: str) -> str:
    return f"{file}#{pointer}" if pointer else file


def _protocols(provider: Provider) -> list[Protocol | None]:
    """Return the protocols of the endpoints: None for the provider's usual one."""
    found: list[Protocol | None] = [None]
    found += [each.protocol for each in provider.endpoints.values() if each.protocol not in found]
    return found


def _in_answers(provider: Provider, dialects: Dialects) -> Iterator[Mistake]:
    """Yield what the dialects write that the provider's schemas do not accept."""
    for variant in provider.variants.values():
        job = _job(provider, variant)
        if job is None:
            yield Mistake(variant.request.file, "no body could be made that it accepts: give its members examples")
            continue
        endpoint = provider.endpoint_of(variant)
        dialect = _dialect_in(dialects, endpoint.protocol)
        if endpoint.created_response is None:
            result = Result(job, REQUEST_ID, CREATED, _links(job.n), SIDE, SIDE)
            yield from _against(variant.answer, dialect.success(result))
            continue
        assert provider.tasks is not None, "checked when the provider was loaded"
        failure = provider.tasks.failure_codes["internal"]
        task = sample_task(provider, job, _links(job.n), failure=failure)
        yield from _against(endpoint.created_response, dialect.created(provider, task))
        for state in STATES:
            document = provider.tasks.states[state].document or variant.answer
            seen = TaskStatus(state, 100 if state == "succeeded" else 0)
            yield from _against(document, dialect.task(provider, task, seen, REQUEST_ID))
    for name, body in _other_answers(provider, _dialect_in(dialects, None)):
        document = provider.endpoints[name].answer
        if document is not None:
            yield from _against(document, body)


def _in_refusals(provider: Provider, dialects: Dialects) -> Iterator[Mistake]:
    for protocol, dialect in dialects:
        for kind in (provider.errors if protocol is None else protocol.errors).values():
            message = kind.message.replace("{detail}", "prompt is required").replace("{model}", "a model")
            yield from _against(kind.document, dialect.refusal(Refused(kind, message, REQUEST_ID, "prompt")))


def _dialect_in(dialects: Dialects, protocol: Protocol | None) -> Dialect:
    """Return the dialect that a protocol's answers are written in."""
    return next(dialect for known, dialect in dialects if known is protocol)


def _other_answers(provider: Provider, dialect: Dialect) -> Iterator[tuple[str, JSON]]:
    account = Account(provider.slug, "sk-mock", provider.currency, Decimal(10), Decimal(0), Decimal(0), None)
    for endpoint in provider.endpoints.values():
        if endpoint.kind == "cancel":
            yield endpoint.name, dialect.cancelled(REQUEST_ID)
        elif endpoint.kind == "credits":
            yield endpoint.name, dialect.remaining(account, 0.0)


def _against(document: Document, body: JSON) -> Iterator[Mistake]:
    violation = BodyValidator(document).violation(body)
    if violation is not None:
        pointer = "".join(f"/{step}" for step in violation.rule.path)
        text = (
            f"the double's answer breaks it: {violation.detail}; give the member an example, or write it in dialect.py"
        )
        yield Mistake(_place(document.file, pointer), text)


def _job(provider: Provider, variant: Variant) -> Job | None:
    body = sample(variant.request.schema)
    if not isinstance(body, dict) or BodyValidator(variant.request).violation(body) is not None:
        return None
    return extractor(provider, variant)({**body, "model": variant.models[0]})


def _links(number: int) -> tuple[str, ...]:
    return tuple(LINK.format(at) for at in range(number))


def _in_fixtures(provider: Provider, folder: Path) -> Iterator[Mistake]:
    """Yield what the requests and answers in `fixtures/` break."""
    for file in sorted((folder / "fixtures").glob("*.json")):
        name = f"fixtures/{file.name}"
        try:
            content = orjson.loads(file.read_bytes())
        except (OSError, ValueError) as error:
            yield Mistake(name, f"expected a JSON file in UTF-8: {error}")
            continue
        variant = provider.variants.get(str(content.get("variant"))) if is_table(content) else None
        if variant is None or "request" not in content:
            known = ", ".join(provider.variants)
            yield Mistake(name, f"expected an object with a variant ({known}) and a request")
            continue
        created = provider.endpoint_of(variant).created_response
        parts: Mapping[str, Document] = {"request": variant.request, "answer": created or variant.answer}
        for part, document in parts.items():
            violation = BodyValidator(document).violation(content[part]) if part in content else None
            if violation is not None:
                yield Mistake(f"{name}#/{part}", f"it breaks {document.file}: {violation.detail}")


def _assumed(provider: Provider) -> Iterator[str]:
    """Yield what is not known, table by table, and how many limits of the schemas are not."""
    if provider.price.amount is None and all(price.amount is None for price in provider.models.values()):
        yield "provider.toml#/price: no amount: images are booked with 0"
    tables = {"links": provider.links, "picture": provider.picture, "authentication": provider.authentication}
    certainties = {"base_url": provider.base_url_certainty, **{name: each.certainty for name, each in tables.items()}}
    if provider.tasks is not None:
        certainties["tasks"] = provider.tasks.certainty
    if provider.callbacks is not None:
        certainties["callbacks"] = provider.callbacks.certainty
    certainties |= {f"errors/{name}": kind.certainty for name, kind in provider.errors.items()}
    for name, certainty in certainties.items():
        if certainty == "assumed":
            yield f"provider.toml#/{name}"
    documents = [variant.request for variant in provider.variants.values()]
    limits = [rule for document in documents for rule in document.rules if rule.certainty == "assumed"]
    if limits:
        first = ", ".join(rule.id for rule in limits[:3])
        yield f"{counted(len(limits), 'limit')} of requests, as {first}"
