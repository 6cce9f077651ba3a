"""The contract of a provider, as typed and frozen values: `Provider -> Variant -> Document -> Rule`.

`catalog.load` makes them from the provider's folder; nothing else does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path as FilePath
from typing import Literal, get_args

from qwenmock.schemas.vocabulary import JSON, Path, Schema, roles, select, subschema, walk

Certainty = Literal["documented", "published", "observed", "assumed"]
EndpointKind = Literal["create", "task", "cancel", "list", "credits", "upload"]
State = Literal["pending", "running", "succeeded", "failed", "cancelled"]
"""What a task's state is called here; `Tasks.states` has the provider's name for it."""

STATES: tuple[State, ...] = get_args(State)
ENDED_STATES: frozenset[State] = frozenset({"succeeded", "failed", "cancelled"})
"""The states that a task does not leave."""


DOCUMENTED_LIMITS = frozenset(
    {
        "minimum", "maximum", "maxLength", "minSide", "maxSide", "schemes", "mediaTypes", "urlPattern", "maxBytes",
        "minWidth", "maxWidth", "minHeight", "maxHeight",
    }
)  # fmt: skip
"""Keywords of the limits that documents state without saying what is refused: sizes, lengths and formats."""


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
        comment: Why it follows from the source, where that does not say it; else empty.

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
    comment: str = ""

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def is_only_a_limit(self) -> bool:
        """Whether it is documented as a limit, and not that values beyond it are refused."""
        is_stated = self.certainty in {"documented", "published"} and self.keyword in DOCUMENTED_LIMITS
        return is_stated and self.reject_certainty == "assumed"

    @property
    def number(self) -> int:
        """The limit, where the keyword limits a count, a length or a side.

        Raises:
            TypeError: The limit is not an integer.

        """
        if not isinstance(self.value, int):
            raise TypeError(f"{self.id}: expected an integer, got {self.value!r}")
        return self.value


@dataclass(frozen=True, slots=True)
class Unread:
    """A member that a document names, and does not show in a request: accepted, noted and not read.

    Attributes:
        path: Where it stands.
        instead: The name of the place that is read.
        source: Where it is named.

    """

    path: Path
    instead: str
    source: str


@dataclass(frozen=True)
class Document:
    """One schema file with its references put in, and the rules it states.

    Attributes:
        name: The variant's name, or the file's stem.
        schema: JSON Schema 2020-12 and the project's keywords, without references.
        rules: One rule for each limit.
        file: File name in the provider's folder.

    """

    name: str
    schema: Schema
    rules: tuple[Rule, ...]
    file: str

    @cached_property
    def roles(self) -> Mapping[str, tuple[Path, ...]]:
        """Where the values of each role stand."""
        return roles(self.schema)

    def values(self, role: str, body: JSON) -> list[JSON]:
        """Return the values in a body that have a role, in order."""
        whole = self.unwrapped(body)
        return [value for path in self.roles.get(role, ()) for value in select(whole, path)]

    @cached_property
    def singles(self) -> tuple[str, ...]:
        """The members of the body that are arrays, and of which one item may stand without its array."""
        found = [path for path, owner in walk(self.schema) if "x-single" in owner]
        return tuple(path[0] for path in found)

    def unwrapped(self, body: JSON) -> JSON:
        """Return a body with an array around each item that stands without one."""
        bare = [name for name in self.singles if isinstance(body, dict) and isinstance(body.get(name), str)]
        return {**body, **{name: [body[name]] for name in bare}} if bare and isinstance(body, dict) else body

    def default_terms(self, path: Path) -> tuple[str, Certainty]:
        """Return where the default of the member at a path was read, and how certain it is."""
        owner = subschema(self.schema, path)
        own = owner.get("x-rules", {}).get("default", {})
        return own.get("source", owner["x-source"]), own.get("certainty", owner["x-certainty"])

    @cached_property
    def defaulted(self) -> tuple[Path, ...]:
        """The members that are called required, and have a default.

        No document says how a request without one is answered: the server takes the default, the examiner observes.
        """
        places = ((*path, name) for path, owner in walk(self.schema) for name in owner.get("required", ()))
        return tuple(path for path in places if "default" in subschema(self.schema, path))

    @cached_property
    def unread(self) -> tuple[Unread, ...]:
        """The members that are accepted and not read."""
        return tuple(
            Unread((*path, name), terms["instead"], terms["source"])
            for path, owner in walk(self.schema)
            for name, terms in owner.get("x-unread", {}).items()
        )

    @cached_property
    def rule_at(self) -> Mapping[tuple[Path, str], Rule]:
        """The rule for a place and a keyword."""
        return {(rule.path, rule.keyword): rule for rule in self.rules}

    @cached_property
    def image_terms(self) -> tuple[Schema, Mapping[str, Rule]]:
        """The limits on input images, and their rules by keyword; only for a document with input images."""
        path = self.roles["image"][0]
        rules = {rule.keyword: rule for rule in self.rules if rule.path == path}
        return subschema(self.schema, path)["x-image"], rules


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A kind of refusal.

    Attributes:
        message: Its text; `{detail}` is replaced by what was wrong.
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
    """What one image costs in the provider's currency; `amount` is None where no document names a price.

    Attributes:
        usd: The same in US dollars; None where the document does not name that.
        steps: Lower prices of smaller images, by the largest number of pixels that they are for, in that order.
        input_image: What each input image of a request costs besides.

    """

    amount: Decimal | None
    source: str
    certainty: Certainty
    usd: Decimal | None = None
    steps: tuple[tuple[int, Decimal], ...] = ()
    input_image: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class BillingLog:
    """The record of a charge that the provider shows its customers.

    Attributes:
        document: What the record must be; its roles are `billing_text`, `model`, `quota` and `quota_dollar`.
        template: The sentence at `billing_text`, with `{images}`, `{sign}`, `{unit_price}` and `{total}` in it.
        cny_per_usd: The exchange rate that its quota is computed with.
        quota_per_usd: Units of quota for one dollar.

    """

    document: Document
    template: str
    cny_per_usd: Decimal
    quota_per_usd: int


@dataclass(frozen=True, slots=True)
class Links:
    """How long links to images work, in seconds."""

    lifetime_seconds: int
    source: str
    certainty: Certainty


@dataclass(frozen=True, slots=True)
class Picture:
    """What images are like where the request does not say.

    Attributes:
        area: Number of pixels, about; the aspect ratio is that of the last input.
        text_area: The same without an input, in a square; None where no document says.
        multiple: Both sides are multiples of this number of pixels.
        unseen_width: Width, in pixels, that counts for an input image that cannot be fetched.
        unseen_height: Its height.
        watermark: The text of a watermark.
        watermark_source: Where that text was read.

    """

    area: int
    multiple: int
    unseen_width: int
    unseen_height: int
    watermark: str
    source: str
    certainty: Certainty
    watermark_source: str
    watermark_certainty: Certainty
    text_area: int | None = None


@dataclass(frozen=True, slots=True)
class Authentication:
    """Where it is documented that calls need a key."""

    source: str
    certainty: Certainty


@dataclass(frozen=True, slots=True)
class Host:
    """Further names of the production host.

    Attributes:
        pattern: A name; `{workspace}` in it stands for the name of a customer's workspace.
        region: Where it is, in words.

    """

    pattern: str
    region: str
    source: str
    certainty: Certainty

    def matches(self, name: str) -> bool:
        """Return whether a name in lower case is one of them."""
        return re.fullmatch(re.escape(self.pattern).replace(r"\{workspace\}", "[a-z0-9-]+"), name) is not None


@dataclass(frozen=True, slots=True)
class Protocol:
    """Another form of answers and errors, which some of a provider's endpoints speak.

    Attributes:
        dialect: The slug whose dialect module writes them.
        errors: The provider's kinds of error as this protocol words them.

    """

    name: str
    dialect: str
    errors: Mapping[str, ErrorKind] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Callbacks:
    """How the provider calls the client when a task has ended.

    Attributes:
        timeout_seconds: How long it waits for the answer.
        retry_seconds: The pauses before each further attempt.
        source: Where the time-out and the number of attempts were read.
        pause_source: Where the length of the pauses was read.

    """

    timeout_seconds: int
    retry_seconds: tuple[int, ...]
    source: str
    certainty: Certainty
    pause_source: str
    pause_certainty: Certainty


@dataclass(frozen=True, slots=True)
class Invariant:
    """A promise about a success that no schema can state: how its values agree with each other and with the request.

    Attributes:
        rule: Its value is the promise in words, such as `states its HTTP status`.
        tolerance: By how many seconds a time may differ.
        needs_images: Whether the images must be fetched for it.

    """

    rule: Rule
    tolerance: int
    needs_images: bool


@dataclass(frozen=True, slots=True)
class ImageNames:
    """How prompts name input images, as `Image 1`, and where that was read."""

    pattern: re.Pattern[str]
    source: str


@dataclass(frozen=True, eq=False)  # one object each, found by it in caches
class Variant:
    """One form of a request, and the answer it gets.

    Attributes:
        name: Unique with its provider.
        title: What it is, in words.
        models: The models that take it.
        discriminator: The member whose presence tells it from the other variants of the same models.
        request: What the body must be.
        answer: What a success answers.
        invariants: What a success promises besides, by name.
        picture: What its images are like where the request does not say.

    """

    name: str
    title: str
    models: tuple[str, ...]
    discriminator: str | None
    request: Document
    answer: Document
    invariants: Mapping[str, Invariant] = field(repr=False)
    picture: Picture

    @cached_property
    def image_names(self) -> ImageNames | None:
        """How prompts name input images; None where no document says."""
        schemas = (subschema(self.request.schema, path) for path in self.request.roles.get("prompt", ()))
        found = next((schema["x-image-names"] for schema in schemas if "x-image-names" in schema), None)
        return None if found is None else ImageNames(re.compile(found["pattern"]), found["source"])

    def unnamed_images(self, prompt: str, images: int) -> ImageNames | None:
        """How a prompt should name its images; None where it names one, has a single one, or no document says."""
        names = self.image_names if images > 1 else None
        return None if names is None or names.pattern.search(prompt) is not None else names


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
        protocol: The form of its answers and errors; None for the provider's usual one.
        source: Where method and path were read.

    """

    name: str
    kind: EndpointKind
    method: str
    path: str
    variants: tuple[Variant, ...]
    source: str
    certainty: Certainty
    required_header: tuple[str, str] | None = None
    created_response: Document | None = None
    answer: Document | None = None
    sdk: str | None = None
    protocol: Protocol | None = None

    @cached_property
    def by_model(self) -> Mapping[str, tuple[Variant, ...]]:
        """The variants of each model, those with a discriminator first."""
        found: dict[str, tuple[Variant, ...]] = {}
        for variant in sorted(self.variants, key=lambda v: v.discriminator is None):
            for model in variant.models:
                found[model] = (*found.get(model, ()), variant)
        return found

    @cached_property
    def default_model(self) -> str | None:
        """The model of a request that names none; None where it must name one."""
        places = (subschema(each.request.schema, each.request.roles["model"][0]) for each in self.variants)
        return next((place["default"] for place in places if "default" in place), None)

    def variant_of(self, model: str, body: Mapping[str, JSON]) -> Variant | None:
        """Return the variant whose schema applies to a body; None where the endpoint does not serve the model."""
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
        states: The provider's name for each state, and what a query answers in it.
        failures: Text by code.
        failure_codes: The codes for `refused`, `no_images` and `internal`.

    """

    prefix: str
    estimated_seconds: int
    states: Mapping[str, TaskState]
    failures: Mapping[str, str]
    failure_codes: Mapping[str, str]
    source: str
    certainty: Certainty

    def state_called(self, name: object) -> State | None:
        """Return the state that the provider calls so; None for a name that it does not use."""
        return next((state for state in STATES if self.states[state].name == name), None)


@dataclass(frozen=True, eq=False)  # one object each, found by it in caches
class Provider:
    """Everything one gateway promises.

    Attributes:
        file: Its `provider.toml`.
        currency_sign: What stands before an amount, "" for nothing.
        documents: File names of its seed documents.
        max_body_bytes: The largest request body that it accepts.
        price: What an image costs where the model has no price of its own.
        models: The price of an image by model.
        error: What the body of an error must be.
        errors: The kinds of error by name.
        billing_log: None for a provider that documents none; so are `tasks` and `callbacks`.
        rules: The rules of all documents, those of HTTP, and those of callbacks.
        hosts: Its further production hosts.

    """

    slug: str
    file: FilePath
    name: str
    dialect: str
    base_url: str
    base_url_source: str
    base_url_certainty: Certainty
    currency: str
    currency_sign: str
    documents: tuple[str, ...]
    max_body_bytes: int
    price: Price
    models: Mapping[str, Price]
    endpoints: Mapping[str, Endpoint]
    variants: Mapping[str, Variant]
    error: Document
    errors: Mapping[str, ErrorKind]
    billing_log: BillingLog | None
    links: Links
    picture: Picture
    authentication: Authentication
    tasks: Tasks | None
    callbacks: Callbacks | None
    rules: tuple[Rule, ...] = field(repr=False)
    hosts: tuple[Host, ...] = ()

    @property
    def host(self) -> str:
        """The production host's name."""
        return self.base_url.removeprefix("https://")

    def serves(self, name: str) -> bool:
        """Return whether a host's name, in lower case, is one of its production hosts."""
        return name == self.host or any(host.matches(name) for host in self.hosts)

    @property
    def link_lifetime(self) -> int:
        """How long links to images work, in seconds."""
        return self.links.lifetime_seconds

    @cached_property
    def statuses(self) -> frozenset[int]:
        """Every HTTP status that the documents name."""
        return frozenset({200, *(kind.status for kind in self.error_kinds)})

    @cached_property
    def error_kinds(self) -> tuple[ErrorKind, ...]:
        """The kinds of error in every protocol."""
        protocols = {
            endpoint.protocol.name: endpoint.protocol for endpoint in self.endpoints.values() if endpoint.protocol
        }
        return (*self.errors.values(), *(kind for each in protocols.values() for kind in each.errors.values()))

    def dialect_of(self, endpoint: Endpoint) -> str:
        """Return the slug of the dialect that an endpoint's answers are written in."""
        return self.dialect if endpoint.protocol is None else endpoint.protocol.dialect

    @property
    def create_endpoint(self) -> Endpoint:
        """The first endpoint that makes images; every provider has one."""
        return next(endpoint for endpoint in self.endpoints.values() if endpoint.kind == "create")

    def endpoint_for(self, kind: EndpointKind) -> Endpoint | None:
        """Return the provider's first endpoint of a kind; None where it has none."""
        return next((endpoint for endpoint in self.endpoints.values() if endpoint.kind == kind), None)

    def endpoint_of(self, variant: Variant) -> Endpoint:
        """Return the endpoint that takes a variant."""
        return next(endpoint for endpoint in self.endpoints.values() if variant in endpoint.variants)

    def error_for(self, endpoint: Endpoint, name: str) -> ErrorKind:
        """Return the error of that name as an endpoint words it: queries may have a wording of their own."""
        if endpoint.protocol is not None:
            return endpoint.protocol.errors[name]
        return self.errors[name] if endpoint.variants else self.errors.get(f"query_{name}", self.errors[name])

    @cached_property
    def task_documents(self) -> tuple[Document, ...]:
        """What the query of a task may answer, and a callback carry."""
        if self.tasks is None:
            return ()
        states = [state.document for state in self.tasks.states.values() if state.document is not None]
        ended = [each.answer for each in self.variants.values() if self.endpoint_of(each).created_response is not None]
        return tuple({document.name: document for document in (*states, *ended)}.values())

    def task_state(self, body: JSON) -> State | None:
        """Return the state that a task has by the answer to a query, or by a callback; None where it states none."""
        if self.tasks is None:
            return None
        names = (name for document in self.task_documents for name in document.values("task_status", body))
        return next((state for name in names if (state := self.tasks.state_called(name)) is not None), None)

    @cached_property
    def link_names(self) -> frozenset[str]:
        """The names of the members that hold links to images, in any answer."""
        answers = [*self.task_documents, *(variant.answer for variant in self.variants.values())]
        paths = (path for document in answers for path in document.roles.get("image_url", ()))
        # A list of links has the name of the list.
        return frozenset(next(step for step in reversed(path) if step != "*") for path in paths)

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

    @cached_property
    def retry_after(self) -> int:
        """How many seconds a client is asked to wait after too many requests, where nothing says better."""
        return self.http_rule("retry-after/required").number

    def http_rule(self, name: str) -> Rule:
        """Return a rule of HTTP by place and keyword, such as `body/syntax`."""
        return self.rule(f"{self.slug}/http/{name}")

    def callback_rule(self, name: str) -> Rule:
        """Return a rule of callbacks by name, such as `after-billing`."""
        return self.rule(f"{self.slug}/callback/{name}")

    def price_of(self, model: str) -> Price:
        """Return what one image of the model costs."""
        return self.models[model]

    def rule(self, rule_id: str) -> Rule:
        """Return the rule with that id."""
        return self._rules_by_id[rule_id]

    @cached_property
    def _rules_by_id(self) -> Mapping[str, Rule]:
        return {rule.id: rule for rule in self.rules}
