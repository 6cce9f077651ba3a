"""The catalogue: what every provider promises, loaded once from its folder and never changed.

The server enforces it, the examiner tests it, the reports count it. `models` describes what it holds.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from qwenmock.schemas.documents import SchemaFolder
from qwenmock.schemas.errors import CatalogError
from qwenmock.schemas.metaschemas import mistake, quoted
from qwenmock.schemas.models import (
    STATES,
    Authentication,
    BillingLog,
    Callbacks,
    Certainty,
    Document,
    Endpoint,
    EndpointKind,
    ErrorKind,
    Host,
    Links,
    Picture,
    Price,
    Protocol,
    Provider,
    Rule,
    Tasks,
    TaskState,
    Variant,
)
from qwenmock.schemas.shared_rules import SharedRules, Terms
from qwenmock.schemas.vocabulary import subschema, walk

HERE = FilePath(__file__).parent

BILLING_ROLES = ("billing_text", "model", "quota", "quota_dollar")

Table: TypeAlias = dict[str, Any]
"""A table of provider.toml, valid by provider.schema.json."""


@dataclass(frozen=True)
class Catalog:
    """Every provider, by slug."""

    providers: Mapping[str, Provider]

    def __iter__(self) -> Iterator[Provider]:
        return iter(self.providers.values())

    def __getitem__(self, slug: str) -> Provider:
        return self.providers[slug]

    def endpoint_kind(self, slug: str, name: str) -> EndpointKind | None:
        """Return what kind of endpoint a journal's entry names; None where the catalogue does not know it."""
        provider = self.providers.get(slug)
        endpoint = None if provider is None else provider.endpoints.get(name)
        return None if endpoint is None else endpoint.kind

    @property
    def rules(self) -> Iterable[Rule]:
        """Every rule of every provider."""
        return (rule for provider in self for rule in provider.rules)


def load(folder: FilePath = HERE) -> Catalog:
    """Load every provider's folder below the given one; that of this package is read once.

    Raises:
        CatalogError: A file is missing, unreadable, uses an unknown keyword, or disagrees with another.

    """
    return _own_catalog() if folder == HERE else _read(folder)


@cache
def _own_catalog() -> Catalog:
    return _read(HERE)


def _read(folder: FilePath) -> Catalog:
    found = {file.parent.name: _Loader(file.parent).provider() for file in sorted(folder.glob("*/provider.toml"))}
    if not found:
        raise CatalogError(folder, "", "found no provider; expected a folder for each, with a provider.toml")
    return Catalog(MappingProxyType(found))


def load_provider(folder: FilePath) -> Provider:
    """Load one provider's folder.

    Raises:
        CatalogError: As `load`.

    """
    return _Loader(folder).provider()


RESERVED = frozenset({"control"})
"""Names that the control API uses below `openapi/`, beside the providers' slugs."""


class _Stated(NamedTuple):
    """Source and certainty of an answer's schema, or of a default."""

    source: str
    certainty: Certainty


class _Loader:
    """Reads one provider's folder."""

    def __init__(self, folder: FilePath) -> None:
        self.folder = folder
        self.slug = folder.name
        self.toml_file = folder / "provider.toml"
        self.table = self._read()
        self.schemas = SchemaFolder(folder, self.table["errors"].keys(), self.table.get("currency_sign", ""))
        self.shared = SharedRules(self.slug, self.table)

    def provider(self) -> Provider:
        table = self.table
        if self.slug in RESERVED:
            raise self._error(
                "", f"the name {self.slug!r} is reserved for the control API; expected another folder name"
            )
        unknown = self.shared.unknown_override()
        if unknown is not None:
            raise self._error(*unknown)
        error = self.schemas.document("error", table["error"]["schema"])
        errors = {name: self._error_kind(name, entry, error) for name, entry in table["errors"].items()}
        price = _price(table["price"])
        links, picture = Links(**table["links"]), _picture(table["picture"])
        authentication = Authentication(**table["authentication"])
        variants = {name: self._variant(name, entry, links, picture) for name, entry in table["variants"].items()}
        protocols = {name: self._protocol(name, entry) for name, entry in table.get("protocols", {}).items()}
        billing_log = self._billing_log(table["billing_log"]) if "billing_log" in table else None
        http_rules = self.shared.http(errors, authentication)
        callbacks = _callbacks(table["callbacks"]) if "callbacks" in table else None
        callback_rules = [] if callbacks is None else self.shared.callbacks(_callback_terms(callbacks))
        provider = Provider(
            slug=self.slug,
            file=self.toml_file,
            name=table["name"],
            dialect=table.get("dialect", self.slug),
            base_url=table["base_url"],
            base_url_source=table["base_url_source"],
            base_url_certainty=table["base_url_certainty"],
            currency=table["currency"],
            currency_sign=table.get("currency_sign", ""),
            documents=tuple(table["documents"]),
            max_body_bytes=table["max_body_bytes"],
            price=price,
            models={name: self._price_of(name, entry, price) for name, entry in table["models"].items()},
            endpoints={
                name: self._endpoint(name, entry, variants, protocols) for name, entry in table["endpoints"].items()
            },
            variants=variants,
            error=error,
            errors=errors,
            billing_log=billing_log,
            links=links,
            picture=picture,
            authentication=authentication,
            tasks=self._tasks(table["tasks"]) if "tasks" in table else None,
            callbacks=callbacks,
            rules=(*self.schemas.rules, *http_rules, *callback_rules),
            hosts=tuple(Host(**entry) for entry in table.get("hosts", ())),
        )
        self._check_models(provider)
        self._check_variants(provider)
        self._check_endpoints(provider)
        self._check_rules(provider)
        return provider

    def _error(self, pointer: str, reason: str, file: str = "provider.toml") -> CatalogError:
        return CatalogError(self.folder / file, pointer, reason, self.slug)

    def _read(self) -> Table:
        try:
            table = tomllib.loads(self.toml_file.read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:  # not only TOMLDecodeError: numbers of 5000 digits
            raise self._error("", f"expected a TOML file in UTF-8: {error}") from error
        found = mistake(table, "provider.schema.json")
        if found is not None:
            raise self._error(*found)
        return table

    def _price_of(self, model: str, entry: Table, price: Price) -> Price:
        """Return a model's own price, or the provider's, from the document that names it for this model."""
        if "price" in entry:
            return _price(entry["price"])
        return replace(price, source=self.table.get("price_sources", {}).get(model, price.source))

    def _tasks(self, entry: Table) -> Tasks:
        states: dict[str, TaskState] = {}
        for state in STATES:
            name, *file = entry[state]
            # The answer of a success is its variant's, and has its rules there.
            states[state] = TaskState(name, self.schemas.shared(file[0]) if file and state != "succeeded" else None)
        for purpose, code in entry["failure_codes"].items():
            if code not in entry["failures"]:
                reason = f'unknown failure "{code}"; expected {quoted(entry["failures"])}'
                raise self._error(f"/tasks/failure_codes/{purpose}", reason)
        return Tasks(
            prefix=entry.get("prefix", ""),
            estimated_seconds=entry["estimated_seconds"],
            states=states,
            failures=entry["failures"],
            failure_codes=entry["failure_codes"],
            source=entry["source"],
            certainty=entry["certainty"],
        )

    def _error_kind(self, name: str, entry: Table, error: Document) -> ErrorKind:
        return ErrorKind(
            name=name,
            status=entry["status"],
            message=entry["message"],
            message_certainty=entry.get("message_certainty", "assumed"),
            source=entry["source"],
            certainty=entry["certainty"],
            document=self.schemas.shared(entry["schema"]) if "schema" in entry else error,
            fields=MappingProxyType(entry.get("fields", {})),
        )

    def _protocol(self, name: str, entry: Table) -> Protocol:
        """Return a protocol: the provider's kinds of error, each with what this protocol has otherwise."""
        own: Table = entry.get("errors", {})
        for kind in own:
            if kind not in self.table["errors"]:
                reason = f'unknown kind of error "{kind}"; expected {quoted(self.table["errors"])}'
                raise self._error(f"/protocols/{name}/errors/{kind}", reason)
        document = self.schemas.shared(entry["error"])
        common = {"schema": entry["error"], "fields": entry.get("fields", {}), "certainty": "assumed"}
        common["message_certainty"] = "assumed"
        errors = {
            kind: self._error_kind(kind, {**usual, **common, **own.get(kind, {})}, document)
            for kind, usual in self.table["errors"].items()
        }
        return Protocol(name, entry["dialect"], MappingProxyType(errors))

    def _billing_log(self, entry: Table) -> BillingLog:
        document = self.schemas.document("billing-log", entry["schema"])
        for role in BILLING_ROLES:
            if [len(path) for path in document.roles.get(role, ())] != [1]:
                reason = f'expected exactly one member of the record with the x-role "{role}"'
                raise self._error("/properties", reason, entry["schema"])
        text = subschema(document.schema, document.roles["billing_text"][0])
        if "x-template" not in text:
            reason = 'missing "x-template" at the member with the x-role "billing_text"'
            raise self._error("/properties", reason, entry["schema"])
        return BillingLog(
            document=document,
            template=text["x-template"],
            cny_per_usd=Decimal(entry["cny_per_usd"]),
            quota_per_usd=entry["quota_per_usd"],
        )

    def _variant(self, name: str, entry: Table, links: Links, picture: Picture) -> Variant:
        request = self.schemas.document(name, entry["request"])
        answer = self.schemas.document(f"{name}.200", entry["answer"])
        models = [owner for _, owner in walk(request.schema) if owner.get("x-role") == "model"]
        if len(models) != 1 or "enum" not in models[0]:
            reason = 'expected exactly one member with the x-role "model" and an enum of model names'
            raise self._error("/properties", reason, entry["request"])
        stated = _Stated(answer.schema["x-source"], answer.schema["x-certainty"])
        picture = replace(picture, **entry["picture"]) if "picture" in entry else picture
        terms: dict[str, Terms] = {"answer": stated, "links": links, "picture": picture}
        if "n" in request.roles:
            terms["n"] = _Stated(*request.default_terms(request.roles["n"][0]))
        return Variant(
            name=name,
            title=entry["title"],
            models=tuple(models[0]["enum"]),
            discriminator=entry.get("discriminator"),
            request=request,
            answer=answer,
            invariants=self.shared.invariants(answer, terms),
            picture=picture,
        )

    def _endpoint(
        self, name: str, entry: Table, variants: Mapping[str, Variant], protocols: Mapping[str, Protocol]
    ) -> Endpoint:
        if "protocol" in entry and entry["protocol"] not in protocols:
            reason = f'unknown protocol "{entry["protocol"]}"; expected {quoted(protocols)}'
            raise self._error(f"/endpoints/{name}/protocol", reason)
        taken = entry.get("variants", ())
        for at, variant in enumerate(taken):
            if variant not in variants:
                reason = f'unknown variant "{variant}"; expected {quoted(variants)}'
                raise self._error(f"/endpoints/{name}/variants/{at}", reason)
        header, _, value = entry.get("required_header", "").partition(": ")
        return Endpoint(
            name=name,
            kind=entry["kind"],
            method=entry["method"],
            path=entry["path"],
            variants=tuple(variants[v] for v in taken),
            source=entry["source"],
            certainty=entry["certainty"],
            required_header=(header.lower(), value) if header else None,
            created_response=self.schemas.shared(entry["created_response"]) if "created_response" in entry else None,
            answer=self.schemas.shared(entry["answer"]) if "answer" in entry else None,
            sdk=entry.get("sdk"),
            protocol=protocols[entry["protocol"]] if "protocol" in entry else None,
        )

    def _check_models(self, provider: Provider) -> None:
        taken = {model for variant in provider.variants.values() for model in variant.models}
        for model in provider.models:
            if model not in taken:
                reason = f"no variant takes this model; the variants' schemas have {quoted(taken)}"
                raise self._error(f"/models/{model}", reason)
        if taken - provider.models.keys():
            reason = f"missing {quoted(taken - provider.models.keys())}, which the variants' schemas have"
            raise self._error("/models", reason)
        for model in self.table.get("price_sources", {}):
            if model not in provider.models:
                reason = f"unknown model; expected {quoted(provider.models)}"
                raise self._error(f"/price_sources/{model}", reason)

    def _check_endpoints(self, provider: Provider) -> None:
        if provider.endpoint_for("create") is None:
            raise self._error("/endpoints", 'expected at least one endpoint of the kind "create"')
        for endpoint in provider.endpoints.values():
            self._check_endpoint(endpoint)
            self._check_tables(provider, endpoint)

    def _check_endpoint(self, endpoint: Endpoint) -> None:
        """Check that an endpoint has what its kind needs."""
        where = f"/endpoints/{endpoint.name}"
        if (endpoint.kind == "create") != bool(endpoint.variants):
            raise self._error(where, 'expected "variants" for an endpoint of the kind "create", and for no other')
        if endpoint.created_response is not None and endpoint.kind != "create":
            raise self._error(f"{where}/created_response", 'expected only for endpoints of the kind "create"')
        if endpoint.kind == "credits" and endpoint.answer is None:
            raise self._error(where, 'missing "answer": an endpoint of the kind "credits" needs it')
        if endpoint.path.count("{task_id}") != (endpoint.kind in {"task", "cancel"}):
            reason = f'expected "{{task_id}}" once for the kinds "task" and "cancel", else not, got "{endpoint.path}"'
            raise self._error(f"{where}/path", reason)

    def _check_tables(self, provider: Provider, endpoint: Endpoint) -> None:
        """Check that the tables are there which an endpoint relies on."""
        creates_tasks = endpoint.created_response is not None
        if provider.tasks is None and (creates_tasks or endpoint.kind in {"task", "cancel", "list"}):
            raise self._error("", f'missing "tasks": the endpoint "{endpoint.name}" needs this table')
        if creates_tasks and provider.endpoint_for("task") is None:
            raise self._error("/endpoints", f'expected one of the kind "task": "{endpoint.name}" creates tasks')

    def _check_variants(self, provider: Provider) -> None:
        for name, variant in provider.variants.items():
            if not any(variant in endpoint.variants for endpoint in provider.endpoints.values()):
                raise self._error(f"/variants/{name}", "expected an endpoint that takes this variant")
            if "callback_url" in variant.request.roles and provider.callbacks is None:
                raise self._error("", f'missing "callbacks": requests of the variant "{name}" have a callback_url')

    def _check_rules(self, provider: Provider) -> None:
        seen: set[str] = set()
        for rule in provider.rules:
            if rule.id in seen:
                reason = f"two rules have the id {rule.id}; variants need names that no schema file has"
                raise self._error("/variants", reason)
            seen.add(rule.id)


def _price(entry: Table) -> Price:
    amount, usd = (None if entry.get(name) is None else Decimal(entry[name]) for name in ("amount", "usd"))
    steps = tuple((step["area"], Decimal(step["amount"])) for step in entry.get("up_to", ()))
    return Price(amount, entry["source"], entry["certainty"], usd, steps, Decimal(entry.get("input_image", 0)))


def _picture(entry: Table) -> Picture:
    own = {f"watermark_{term}": entry.get(f"watermark_{term}", entry[term]) for term in ("source", "certainty")}
    return Picture(**{**entry, **own})


def _callbacks(entry: Table) -> Callbacks:
    return Callbacks(
        timeout_seconds=entry["timeout_seconds"],
        retry_seconds=tuple(entry["retry_seconds"]),
        source=entry["source"],
        certainty=entry["certainty"],
        pause_source=entry.get("pause_source", entry["source"]),
        pause_certainty=entry.get("pause_certainty", entry["certainty"]),
    )


def _callback_terms(callbacks: Callbacks) -> dict[str, Terms]:
    return {
        "callbacks": _Stated(callbacks.source, callbacks.certainty),
        "pauses": _Stated(callbacks.pause_source, callbacks.pause_certainty),
    }
