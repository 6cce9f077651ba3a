"""The catalogue: what every provider promises, loaded once from its folder and never changed.

`Catalog -> Provider -> Variant -> Rule`. The server enforces it, the examiner attacks it, the reports count it.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any, Literal, cast

import jsonschema
from jsonschema.exceptions import best_match  # pyright: ignore[reportUnknownVariableType]
from referencing import Registry, Resource

from qwenmock.schemas.errors import CatalogError
from qwenmock.schemas.vocabulary import JSON, Constraint, Path, Schema, constraints, roles, subschema, walk

HERE = FilePath(__file__).parent
ANNOTATIONS = frozenset(
    {"$comment", "title", "description", "default", "examples", "x-role", "x-source", "x-certainty"}
)

Certainty = Literal["documented", "published", "observed", "assumed"]
EndpointKind = Literal["create", "task", "cancel", "list", "credits", "upload"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One promise of a provider that a request, an answer or the connection can keep or break.

    Attributes:
        id: `slug/variant/json-pointer/keyword`; unique in the catalogue.
        provider: The provider's slug.
        variant: The variant's name; for an answer its file's stem, `http` for what no schema states.
        path: Where in the document it holds.
        keyword: The limit's name.
        value: The limit.
        source: Seed file and heading, or the public document.
        certainty: How sure it is that what keeps the rule is accepted.
        reject_certainty: How sure it is that what breaks the rule is refused.
        error: The kind of error that breaking it gets (a key of the provider's errors).

    """

    id: str
    provider: str
    variant: str
    path: Path
    keyword: str
    value: JSON
    source: str
    certainty: Certainty
    reject_certainty: Certainty
    error: str

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass(frozen=True)
class Document:
    """One schema file with its references put in, and the rules it states.

    Attributes:
        name: The variant's name, or the file's stem.
        schema: JSON Schema 2020-12 and the project's keywords, without references.
        rules: One rule for each limit.
        file: Where it stands in the provider's folder.

    """

    name: str
    schema: Schema
    rules: tuple[Rule, ...]
    file: str

    @cached_property
    def roles(self) -> Mapping[str, tuple[Path, ...]]:
        """Where the values of each role stand."""
        return roles(self.schema)

    @cached_property
    def rule_at(self) -> Mapping[tuple[Path, str], Rule]:
        """The rule for a place and a keyword."""
        return {(rule.path, rule.keyword): rule for rule in self.rules}

    @cached_property
    def image_terms(self) -> tuple[Mapping[str, JSON], Mapping[str, Rule]]:
        """What is said of input images, and the rules for that by keyword; only for a document that has such."""
        path = self.roles["image"][0]
        rules = {rule.keyword: rule for rule in self.rules if rule.path == path}
        return subschema(self.schema, path)["x-image"], rules


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A kind of refusal.

    Attributes:
        message: Its text; where `{detail}` stands in it, what exactly was wrong is put.
        message_certainty: How certain the wording is.
        certainty: How certain the status is.
        document: What its body must be.
        fields: What the provider's dialect puts into the body besides.

    """

    name: str
    status: int
    message: str
    message_certainty: Certainty
    source: str
    certainty: Certainty
    document: Document = field(repr=False)
    fields: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class Price:
    """What one image costs in the provider's currency; `amount` is None where no document names a price."""

    amount: Decimal | None
    source: str
    certainty: Certainty


@dataclass(frozen=True)
class Variant:
    """One form of a request, and the answer it gets.

    Attributes:
        name: Unique with its provider.
        title: What it is, in words.
        models: The models that take it.
        discriminator: The member whose presence tells it from the other variants of the same models.
        request: What the body must be.
        answer: What a success answers.

    """

    name: str
    title: str
    models: tuple[str, ...]
    discriminator: str | None
    request: Document
    answer: Document


@dataclass(frozen=True)
class Endpoint:
    """A method and a path, and the variants it takes, in the order of the provider's file.

    Attributes:
        kind: What it does: makes images, returns, cancels or lists tasks, returns credits, or an upload policy.
        path: May hold `{task_id}`.
        required_header: Name and value of the header it must be called with; None for one that must be called without.
        created_response: What the creation of a task answers; None where the answer holds the images.
        answer: What it answers where it takes no variant.
        sdk: The client library that speaks it as it is, `openai` or `dashscope`; None for no known one.

    """

    name: str
    kind: EndpointKind
    method: str
    path: str
    variants: tuple[Variant, ...]
    required_header: tuple[str, str] | None = None
    created_response: Document | None = None
    answer: Document | None = None
    sdk: str | None = None

    @cached_property
    def by_model(self) -> Mapping[str, tuple[Variant, ...]]:
        """The variants of each model, those told by a member first."""
        found: dict[str, tuple[Variant, ...]] = {}
        for variant in sorted(self.variants, key=lambda v: v.discriminator is None):
            for model in variant.models:
                found[model] = (*found.get(model, ()), variant)
        return found

    def variant_of(self, model: str, body: Mapping[str, JSON]) -> Variant | None:
        """Return the variant that a body for the model is held to; None where the endpoint does not serve the model."""
        candidates = self.by_model.get(model, ())
        for variant in candidates:
            if variant.discriminator is None or variant.discriminator in body:
                return variant
        return candidates[-1] if candidates else None


@dataclass(frozen=True, slots=True)
class TaskState:
    """The provider's name for a state of its tasks, and what a query answers in it; None for the variant's answer."""

    name: str
    document: Document | None


@dataclass(frozen=True, slots=True)
class Tasks:
    """How a provider's tasks go.

    Attributes:
        prefix: What every task's id begins with.
        estimated_seconds: How long the provider says that one takes.
        states: By `pending`, `running`, `succeeded`, `failed`, `cancelled`.
        failures: Text by code.
        failure_codes: The codes for `refused`, `no_images` and `internal`.

    """

    prefix: str
    estimated_seconds: int
    states: Mapping[str, TaskState]
    failures: Mapping[str, str]
    failure_codes: Mapping[str, str]

    def state_called(self, name: object) -> str | None:
        """Return which state the provider calls so."""
        return next((state for state, known in self.states.items() if known.name == name), None)


@dataclass(frozen=True)
class Provider:
    """Everything one gateway promises. `settings` is its file's remaining tables, read by whoever they concern."""

    slug: str
    name: str
    dialect: str
    base_url: str
    currency: str
    documents: tuple[str, ...]
    max_body_bytes: int
    price: Price
    models: Mapping[str, Price]
    endpoints: Mapping[str, Endpoint]
    variants: Mapping[str, Variant]
    error: Document
    errors: Mapping[str, ErrorKind]
    billing_log: Document | None
    tasks: Tasks | None
    link_lifetime: int
    settings: Mapping[str, JSON] = field(repr=False)
    rules: tuple[Rule, ...] = field(repr=False)

    @property
    def host(self) -> str:
        """The production host's name."""
        return self.base_url.removeprefix("https://")

    @cached_property
    def statuses(self) -> frozenset[int]:
        """Every HTTP status that the documents name."""
        return frozenset({200, *(kind.status for kind in self.errors.values())})

    def endpoint_for(self, kind: EndpointKind) -> Endpoint | None:
        """Return the provider's first endpoint of a kind; None where it has none."""
        return next((endpoint for endpoint in self.endpoints.values() if endpoint.kind == kind), None)

    def endpoint_of(self, variant: Variant) -> Endpoint:
        """Return the endpoint that takes a variant."""
        return next(endpoint for endpoint in self.endpoints.values() if variant in endpoint.variants)

    @cached_property
    def task_documents(self) -> tuple[Document, ...]:
        """What the query of a task may answer, and a callback carry."""
        if self.tasks is None:
            return ()
        states = [state.document for state in self.tasks.states.values() if state.document is not None]
        ended = [each.answer for each in self.variants.values() if self.endpoint_of(each).created_response is not None]
        return tuple({document.name: document for document in (*states, *ended)}.values())

    def answers_of(self, endpoint: Endpoint) -> tuple[Document, ...]:
        """Return what an endpoint may answer with success."""
        if endpoint.created_response is not None:
            return (endpoint.created_response,)
        if endpoint.variants:
            return tuple({each.answer.name: each.answer for each in endpoint.variants}.values())
        if endpoint.answer is not None:
            return (endpoint.answer,)
        return self.task_documents if endpoint.kind == "task" else ()

    @cached_property
    def has_required_header(self) -> bool:
        """Whether a header tells some endpoints from others."""
        return any(endpoint.required_header for endpoint in self.endpoints.values())

    def price_of(self, model: str) -> Price:
        """Return what one image of the model costs."""
        return self.models[model]

    def rule(self, rule_id: str) -> Rule:
        """Return the rule with that id."""
        return self._rules_by_id[rule_id]

    @cached_property
    def _rules_by_id(self) -> Mapping[str, Rule]:
        return {rule.id: rule for rule in self.rules}


@dataclass(frozen=True)
class Catalog:
    """Every provider, by slug."""

    providers: Mapping[str, Provider]

    def __iter__(self) -> Iterator[Provider]:
        return iter(self.providers.values())

    def __getitem__(self, slug: str) -> Provider:
        return self.providers[slug]

    @property
    def rules(self) -> Iterable[Rule]:
        """Every rule of every provider."""
        return (rule for provider in self for rule in provider.rules)


HTTP_RULES: tuple[tuple[Path, str, str, bool], ...] = (
    (("authorization",), "required", "unauthorized", True),
    (("authorization",), "scheme", "unauthorized", True),
    (("authorization",), "known", "unauthorized", True),
    (("content-type",), "const", "malformed", False),
    (("body",), "syntax", "malformed", True),
    (("body",), "maxBytes", "malformed", False),
    (("body",), "additionalProperties", "invalid", False),
)
"""What every provider asks of a call besides its body's schema, or leaves to it.

Place, keyword, kind of error, and whether a document says so: none says that another content type or a huge body is
refused, or that an undocumented member is not.
"""


def load(folder: FilePath = HERE) -> Catalog:
    """Load every provider's folder below the given one.

    Raises:
        CatalogError: A file is missing, unreadable, uses a keyword nobody implements, or disagrees with another.

    """
    found = {file.parent.name: _Loader(file.parent).provider() for file in sorted(folder.glob("*/provider.toml"))}
    if not found:
        raise CatalogError(folder, "", "no folder in here holds a provider.toml")
    return Catalog(MappingProxyType(found))


def _validator(name: str) -> jsonschema.Draft202012Validator:
    registry: Registry[Any] = Registry()
    for file in ("vocabulary.schema.json", "provider.schema.json"):
        registry = registry.with_resource(file, Resource.from_contents(json.loads((HERE / file).read_text("utf-8"))))
    return jsonschema.Draft202012Validator(
        {"$ref": name}, registry=registry, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


_META = {name: _validator(name) for name in ("vocabulary.schema.json", "provider.schema.json")}


class _Loader:
    """Reads one provider's folder."""

    def __init__(self, folder: FilePath) -> None:
        self.folder = folder
        self.slug = folder.name
        self.toml_file = folder / "provider.toml"
        self.files: dict[str, Schema] = {}
        self.rules: list[Rule] = []

    def provider(self) -> Provider:
        table = self._table()
        self.kinds = frozenset(table["errors"])
        self.documents: dict[str, Document] = {}
        error = self._document("error", table["error"]["schema"])
        errors = {name: self._error_kind(name, entry, error) for name, entry in table["errors"].items()}
        price = _price(table["price"])
        variants = {name: self._variant(name, entry) for name, entry in table["variants"].items()}
        billing_log = table.get("billing_log")
        self._http_rules(errors, table["authentication"])
        provider = Provider(
            slug=self.slug,
            name=table["name"],
            dialect=table.get("dialect", self.slug),
            base_url=table["base_url"],
            currency=table["currency"],
            documents=tuple(table["documents"]),
            max_body_bytes=table["max_body_bytes"],
            price=price,
            models={
                name: _price(entry["price"]) if "price" in entry else price for name, entry in table["models"].items()
            },
            endpoints={name: self._endpoint(name, entry, variants) for name, entry in table["endpoints"].items()},
            variants=variants,
            error=error,
            errors=errors,
            billing_log=None if billing_log is None else self._document("billing-log", billing_log["schema"]),
            tasks=self._tasks(table["tasks"]) if "tasks" in table else None,
            link_lifetime=table["links"]["lifetime_seconds"],
            settings=MappingProxyType(table),
            rules=tuple(self.rules),
        )
        self._check_models(provider)
        self._check_rules()
        return provider

    def _table(self) -> dict[str, Any]:
        try:
            table = tomllib.loads(self.toml_file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise CatalogError(self.toml_file, "", str(error)) from error
        self._check(self.toml_file, table, "provider.schema.json")
        return table

    def _check(self, file: FilePath, value: JSON, meta: str) -> None:
        errors = list(_META[meta].iter_errors(value))
        if errors:
            worst = cast(Any, best_match(errors))
            pointer = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in worst.absolute_path)
            raise CatalogError(file, pointer, worst.message[:1000])

    def _file(self, name: str) -> Schema:
        if name not in self.files:
            path = self.folder / name
            try:
                content = json.loads(path.read_text("utf-8"))
            except (OSError, ValueError) as error:
                raise CatalogError(path, "", str(error)) from error
            self._check(path, content, "vocabulary.schema.json")
            self.files[name] = content
        return self.files[name]

    def _resolve(self, schema: Schema, file: str, trail: tuple[str, ...] = ()) -> Schema:
        """Return the schema with every reference replaced by what it points to."""
        resolved = {key: value for key, value in schema.items() if key not in {"$ref", "$defs", "$schema"}}
        if "properties" in resolved:
            resolved["properties"] = {
                name: self._resolve(member, file, trail) for name, member in resolved["properties"].items()
            }
        if "items" in resolved:
            resolved["items"] = self._resolve(resolved["items"], file, trail)
        return self._merge(schema["$ref"], resolved, file, trail) if "$ref" in schema else resolved

    def _merge(self, reference: str, beside: Schema, file: str, trail: tuple[str, ...]) -> Schema:
        target_file, _, name = reference.partition("#/$defs/")
        target_file = target_file or file
        key = f"{target_file}#{name}"
        definitions = self._file(target_file).get("$defs", {})
        if name not in definitions:
            raise CatalogError(self.folder / file, "", f"{reference} points to nothing")
        if key in trail:
            raise CatalogError(self.folder / file, "", f"{reference} refers to itself")
        target = self._resolve(definitions[name], target_file, (*trail, key))
        clash = (target.keys() & beside.keys()) - ANNOTATIONS
        if clash:
            raise CatalogError(self.folder / file, "", f"{sorted(clash)} stands both beside {reference} and behind it")
        return {**target, **beside}

    def _document(self, name: str, file: str) -> Document:
        schema = self._resolve(self._file(file), file)
        for path, node in walk(schema):
            if "x-source" not in node or "x-certainty" not in node:
                where = "/".join(path)
                raise CatalogError(self.folder / file, f"/{where}", "x-source and x-certainty are missing here")
            self._check_overrides(file, path, node)
        rules = tuple(self._rule(name, constraint, file) for constraint in constraints(schema))
        self.rules.extend(rules)
        return Document(name, schema, rules, file)

    def _shared(self, file: str) -> Document:
        """Return the document of a file that several places name, called after the file."""
        if file not in self.documents:
            self.documents[file] = self._document(file.removesuffix(".schema.json"), file)
        return self.documents[file]

    def _tasks(self, entry: dict[str, Any]) -> Tasks:
        states: dict[str, TaskState] = {}
        for state in ("pending", "running", "succeeded", "failed", "cancelled"):
            name, *file = entry[state]
            # The answer of a success is its variant's, and has its rules there.
            states[state] = TaskState(name, self._shared(file[0]) if file and state != "succeeded" else None)
        unknown = set(entry["failure_codes"].values()) - set(entry["failures"])
        if unknown:
            raise CatalogError(
                self.toml_file, "/tasks/failure_codes", f"{sorted(unknown)[0]!r} is none of the failures"
            )
        return Tasks(
            entry.get("prefix", ""), entry["estimated_seconds"], states, entry["failures"], entry["failure_codes"]
        )

    def _error_kind(self, name: str, entry: dict[str, Any], error: Document) -> ErrorKind:
        return ErrorKind(
            name=name,
            status=entry["status"],
            message=entry["message"],
            message_certainty=entry.get("message_certainty", "assumed"),
            source=entry["source"],
            certainty=entry["certainty"],
            document=self._shared(entry["schema"]) if "schema" in entry else error,
            fields=MappingProxyType(entry.get("fields", {})),
        )

    def _check_overrides(self, file: str, path: Path, node: Schema) -> None:
        own = {c.keyword for c in constraints({k: v for k, v in node.items() if k not in {"properties", "items"}})}
        unknown = node.get("x-rules", {}).keys() - own
        if unknown:
            raise CatalogError(
                self.folder / file,
                "/" + "/".join((*path, "x-rules")),
                f"{sorted(unknown)} is no limit of this subschema, which has {sorted(own)}",
            )

    def _rule(self, name: str, constraint: Constraint, file: str) -> Rule:
        own = constraint.owner.get("x-rules", {}).get(constraint.keyword, {})
        certainty = own.get("certainty", constraint.owner["x-certainty"])
        error = own.get("error", "invalid")
        if error not in self.kinds:
            raise CatalogError(
                self.folder / file, "/" + "/".join(constraint.path), f"{error!r} is none of {sorted(self.kinds)}"
            )
        return Rule(
            id="/".join((self.slug, name, *constraint.path, constraint.keyword)),
            provider=self.slug,
            variant=name,
            path=constraint.path,
            keyword=constraint.keyword,
            value=constraint.value,
            source=own.get("source", constraint.owner["x-source"]),
            certainty=certainty,
            reject_certainty=own.get("reject_certainty", certainty),
            error=error,
        )

    def _variant(self, name: str, entry: dict[str, Any]) -> Variant:
        request = self._document(name, entry["request"])
        answer = self._document(f"{name}.200", entry["answer"])
        models = [owner for _, owner in walk(request.schema) if owner.get("x-role") == "model"]
        if len(models) != 1 or "enum" not in models[0]:
            raise CatalogError(
                self.folder / entry["request"], "/properties/model", "one member with the role model and an enum is due"
            )
        return Variant(name, entry["title"], tuple(models[0]["enum"]), entry.get("discriminator"), request, answer)

    def _endpoint(self, name: str, entry: dict[str, Any], variants: Mapping[str, Variant]) -> Endpoint:
        taken = entry.get("variants", ())
        for variant in taken:
            if variant not in variants:
                raise CatalogError(
                    self.toml_file, f"/endpoints/{name}/variants", f"{variant!r} is none of {sorted(variants)}"
                )
        header, _, value = entry.get("required_header", "").partition(": ")
        return Endpoint(
            name=name,
            kind=entry["kind"],
            method=entry["method"],
            path=entry["path"],
            variants=tuple(variants[v] for v in taken),
            required_header=(header.lower(), value) if header else None,
            created_response=self._shared(entry["created_response"]) if "created_response" in entry else None,
            answer=self._shared(entry["answer"]) if "answer" in entry else None,
            sdk=entry.get("sdk"),
        )

    def _http_rules(self, errors: Mapping[str, ErrorKind], authentication: dict[str, str]) -> None:
        for path, keyword, error, is_said in HTTP_RULES:
            kind = errors[error]
            known = authentication if error == "unauthorized" else {"source": kind.source, "certainty": kind.certainty}
            certainty = cast(Certainty, known["certainty"] if is_said else "assumed")
            self.rules.append(
                Rule(
                    id="/".join((self.slug, "http", *path, keyword)),
                    provider=self.slug,
                    variant="http",
                    path=path,
                    keyword=keyword,
                    value=True,
                    source=known["source"],
                    certainty=certainty,
                    reject_certainty=certainty,
                    error=error,
                )
            )

    def _check_models(self, provider: Provider) -> None:
        taken = {model for variant in provider.variants.values() for model in variant.models}
        if taken != set(provider.models):
            raise CatalogError(
                self.toml_file,
                "/models",
                f"{sorted(provider.models)} stand here, {sorted(taken)} in the variants' schemas",
            )

    def _check_rules(self) -> None:
        seen: set[str] = set()
        for rule in self.rules:
            if rule.id in seen:
                raise CatalogError(self.folder, "", f"two rules are called {rule.id}")
            seen.add(rule.id)


def _price(entry: dict[str, Any]) -> Price:
    amount = entry.get("amount")
    return Price(None if amount is None else Decimal(amount), entry["source"], entry["certainty"])
