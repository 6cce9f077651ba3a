"""What users' tests used: calls, images and simulated cost by test, client behaviour, coverage of the contract."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from qwenmock.mockserver.testing.entries import ChargeEntry, Fault, JournalEntry, VerdictFinding
from qwenmock.mockserver.testing.mock import Mock, sums_of
from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.wording import counted

TOP = 10
CALLBACKS = ("delivered", "failed")


@dataclass
class Use:
    """What one test used.

    Attributes:
        cost: Simulated money by currency, as decimal text.
        usd: The same in US dollars by currency, where documents name the prices of all its images in them too.
        findings: Findings on the behaviour of the code under test.

    """

    test: str
    calls: int = 0
    images: int = 0
    cost: dict[str, str] = field(default_factory=dict[str, str])
    usd: dict[str, str] = field(default_factory=dict[str, str])
    findings: list[VerdictFinding] = field(default_factory=list[VerdictFinding])


@dataclass
class Touched:
    """What of one provider's contract was exercised."""

    statuses: set[str] = field(default_factory=set[str])
    rules: set[str] = field(default_factory=set[str])
    states: set[str] = field(default_factory=set[str])
    callbacks: set[str] = field(default_factory=set[str])
    links: set[str] = field(default_factory=set[str])


@dataclass
class Usage:
    """What a run used, gathered test by test; that of several processes can be added up."""

    uses: list[Use] = field(default_factory=list[Use])
    touched: dict[str, Touched] = field(default_factory=dict[str, Touched])

    def take(self, test: str, mock: Mock, allow: Collection[str] = ()) -> Use:
        """Add what a test did with the mock server, without findings of the kinds that it allows."""
        journal, charges = mock.journal(), mock.ledger()["charges"]
        use = Use(test, calls=sum(entry["endpoint"] != "callback" for entry in journal))
        use.images = sum(charge["images"] for charge in charges)
        use.cost = {currency: f"{amount:f}" for currency, amount in sums_of(charges).items()}
        use.usd = _in_dollars(charges)
        findings = [*mock.verdict()["findings"], *_unused_faults(mock)]
        use.findings = [finding for finding in findings if finding["kind"] not in allow]
        self._touch(mock, journal, use)
        self.uses.append(use)
        return use

    def _touch(self, mock: Mock, journal: Iterable[JournalEntry], use: Use) -> None:
        has_expired = any(finding["kind"] == "link_after_expiry" for finding in use.findings)
        for entry in journal:
            touched = self.touched.setdefault(entry["provider"], Touched())
            if entry["endpoint"] == "callback":
                touched.callbacks.add(entry.get("state", ""))
                continue
            touched.statuses.add(str(entry["status"]))
            if entry["rule"]:
                touched.rules.add(entry["rule"]["id"])
            kind = mock.catalog.endpoint_kind(entry["provider"], entry["endpoint"])
            if kind == "task" and entry["status"] == 200:
                state = mock.catalog[entry["provider"]].task_state(entry["answer"])
                touched.states.update({state} if state else ())
            if entry["charge"] and has_expired:
                touched.links.add("expired")

    def total(self) -> dict[str, Decimal]:
        """Return the money of all tests, by currency."""
        sums: dict[str, Decimal] = {}
        for use in self.uses:
            for currency, amount in use.cost.items():
                sums[currency] = sums.get(currency, Decimal(0)) + Decimal(amount)
        return sums

    def total_in_dollars(self) -> dict[str, Decimal]:
        """Return the money of all tests in US dollars, by the currencies for which each test has it."""
        paying = {currency: [use for use in self.uses if currency in use.cost] for currency in self.total()}
        return {
            currency: sum((Decimal(use.usd[currency]) for use in uses), Decimal(0))
            for currency, uses in paying.items()
            if all(currency in use.usd for use in uses)
        }

    def add(self, other: "Usage") -> None:
        """Add what another process gathered."""
        self.uses += other.uses
        for slug, touched in other.touched.items():
            mine = self.touched.setdefault(slug, Touched())
            for name, values in vars(touched).items():
                getattr(mine, name).update(values)

    def dump(self) -> str:
        """Return all as JSON."""
        touched = {
            slug: {name: sorted(values) for name, values in vars(each).items()} for slug, each in self.touched.items()
        }
        return json.dumps({"uses": [asdict(use) for use in self.uses], "touched": touched})

    @classmethod
    def load(cls, text: str) -> "Usage":
        """Return what `dump` wrote."""
        values = cast(dict[str, Any], json.loads(text))
        touched = {
            slug: Touched(**{name: set(found) for name, found in each.items()})
            for slug, each in values["touched"].items()
        }
        return cls([Use(**use) for use in values["uses"]], touched)


def _in_dollars(charges: Iterable[ChargeEntry]) -> dict[str, str]:
    """Return the sums of charges in US dollars, by the currencies of which each charge has them."""
    stated: dict[str, list[str | None]] = {}
    for charge in charges:
        stated.setdefault(charge["currency"], []).append(charge["usd"])
    amounts = {currency: [usd for usd in found if usd is not None] for currency, found in stated.items()}
    return {
        currency: f"{sum(map(Decimal, found), Decimal(0)):f}"
        for currency, found in amounts.items()
        if len(found) == len(stated[currency])
    }


def _unused_faults(mock: Mock) -> Iterator[VerdictFinding]:
    """Yield a note for each fault of `fail_next` that no request has met."""
    plan: list[Fault] = mock.control("GET", "faults")
    for fault in plan:
        left = fault.get("times")
        if left:
            detail = f"a fault with the status {fault.get('status', '-')} has {counted(left, 'request')} left to fail"
            yield VerdictFinding(kind="fault_unused", severity="note", detail=detail, requests=[], lost="")


def never(touched: Touched, catalog: Catalog, slug: str) -> list[str]:
    """Return what of a provider's contract no test exercised."""
    provider = catalog[slug]
    missing = [str(status) for status in sorted(provider.statuses) if str(status) not in touched.statuses]
    if provider.tasks is not None and touched.states | touched.callbacks:
        missing += [f"task {state}" for state in provider.tasks.states if state not in touched.states]
    if provider.callbacks is not None and touched.callbacks:
        missing += [f"callback {outcome}" for outcome in CALLBACKS if outcome not in touched.callbacks]
    return missing + ([] if "expired" in touched.links else ["expired link"])


def rule_counts(touched: Touched, catalog: Catalog, slug: str) -> tuple[int, int]:
    """Return how many of a provider's rules on requests were broken by a test, and how many there are."""
    rules = {rule.id for variant in catalog[slug].variants.values() for rule in variant.request.rules}
    return len(touched.rules & rules), len(rules)


def money(sums: Mapping[str, Decimal | str], dollars: Mapping[str, Decimal | str] = MappingProxyType({})) -> str:
    """Write sums of several currencies in one line, with what they are in US dollars."""
    texts = {currency: f"{amount} {currency}" for currency, amount in sorted(sums.items())}
    texts |= {currency: f"{texts[currency]} ({amount} USD)" for currency, amount in dollars.items()}
    return ", ".join(texts.values()) or "nothing"


def _made(usage: Usage) -> str:
    calls, images = sum(use.calls for use in usage.uses), sum(use.images for use in usage.uses)
    return f"{counted(calls, 'call')}, {counted(images, 'image')}"


def lines(usage: Usage, catalog: Catalog) -> list[str]:
    """Return what the terminal says of a run."""
    total = money(usage.total(), usage.total_in_dollars())
    said = [f"{counted(len(usage.uses), 'test')}, {_made(usage)}: {total} that production would cost"]
    said += [
        f"  {money(use.cost, use.usd):>20}  {counted(use.images, 'image'):>11}  {use.test}" for use in _dearest(usage)
    ]
    for slug, touched in sorted(usage.touched.items()):
        broken, rules = rule_counts(touched, catalog, slug)
        said.append(f"{slug}: {broken} of {rules} rules on requests were broken by a test")
        missing = never(touched, catalog, slug)
        if missing:
            said.append(f"{slug}: never exercised: {', '.join(missing)}")
    for use in usage.uses:
        said += [
            f"{f['severity']}: {f['kind']}: {f['detail']} ({use.test})"
            for f in use.findings
            if f["severity"] == "error" or f["kind"] == "fault_unused"
        ]
    return said


def _dearest(usage: Usage) -> list[Use]:
    paid = [use for use in usage.uses if use.images]
    return sorted(paid, key=lambda use: -sum(Decimal(amount) for amount in use.cost.values()))[:TOP]


def write(usage: Usage, catalog: Catalog, path: Path) -> None:
    """Write a report: Markdown for a pull request, or JSON, as the file's ending says."""
    if path.suffix == ".json":
        path.write_text(usage.dump() + "\n", "utf-8")
        return
    rows = "\n".join(
        f"| `{use.test}` | {use.calls} | {use.images} | {money(use.cost, use.usd)} |" for use in _dearest(usage)
    )
    said = [
        "## What the tests would have cost",
        "",
        f"{_made(usage)}, **{money(usage.total(), usage.total_in_dollars())}**.",
        "",
        "| test | calls | images | cost |",
        "|---|---|---|---|",
        rows,
        "",
        "## What they exercised",
        "",
        "| provider | rules broken | never exercised |",
        "|---|---|---|",
    ]
    for slug, touched in sorted(usage.touched.items()):
        broken, rules = rule_counts(touched, catalog, slug)
        said.append(f"| {slug} | {broken} of {rules} | {', '.join(never(touched, catalog, slug)) or '–'} |")
    findings = [(use, finding) for use in usage.uses for finding in use.findings]
    if findings:
        said += ["", "## How the code behaved", ""]
        said += [f"- **{f['kind']}** ({f['severity']}): {f['detail']} (`{use.test}`)" for use, f in findings]
    path.write_text("\n".join(said) + "\n", "utf-8")
