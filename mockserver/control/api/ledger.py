"""Accounts and charges."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from qwenmock.mockserver.accounts.keys import defaults_of, profile_of
from qwenmock.mockserver.accounts.pricing import billing_log, usd_equivalent
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.control.api.requests import ControlError, provider_named, read_object, selection
from qwenmock.mockserver.control.api.responses import Accounts, AccountState, Ledger, LedgerCharge
from qwenmock.mockserver.models import Account, Charge
from qwenmock.mockserver.money import amount
from qwenmock.mockserver.schema_errors import format_json
from qwenmock.mockserver.store.protocols import AccountChanges
from qwenmock.mockserver.tasks.lifecycle import settle_finished
from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON

DEFAULT_LIMIT = 1000
CSV_LIMIT = 1_000_000
CSV_CHUNK = 2**16
MAX_REQUESTS_PER_MINUTE = 10**6


def account_change_schema(_catalog: Catalog) -> dict[str, JSON]:
    """Return the schema of a change to an account."""
    return {
        "title": "AccountChange",
        "description": "New values for the account of a key, with one provider or all.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "provider": {
                "description": "A provider's slug. Required for a balance other than 0 if currencies differ.",
                "type": "string",
            },
            "balance": {
                "description": "A decimal as text or a number, with at most nine places.",
                "type": ["string", "number"],
            },
            "requests_per_minute": {
                "description": "The rate limit; null for none.",
                "type": ["integer", "null"],
                "minimum": 0,
                "maximum": MAX_REQUESTS_PER_MINUTE,
            },
        },
        "anyOf": [{"required": ["balance"]}, {"required": ["requests_per_minute"]}],
    }


async def get_ledger(double: Double, request: Request) -> Ledger:
    """Return accounts and charges."""
    await settle_finished(double)
    await double.store.release_expired()
    selected = selection(double, request, DEFAULT_LIMIT)
    return {
        "accounts": [_account(account) for account in await double.store.accounts(selected)],
        "charges": [_charge(double, charge) for charge in await double.store.charges(selected)],
    }


async def get_ledger_csv(double: Double, request: Request) -> Response:
    """Return the charges as a table for spreadsheets, the newest first."""
    await settle_finished(double)
    charges = await double.store.charges(selection(double, request, CSV_LIMIT))
    headers = {"Content-Disposition": 'attachment; filename="ledger.csv"'}
    return StreamingResponse(_csv_lines(double.catalog, charges), 200, headers, "text/csv; charset=utf-8")


async def change_account(double: Double, request: Request) -> Accounts:
    """Set the balance or the rate limit of a key, with one provider or all."""
    key = request.path_params["key"]
    profile = profile_of(key, double.settings.keys)
    if profile is None:
        raise ControlError(404, f"unknown key {format_json(key)}")
    body = await read_object(request, account_change_schema(double.catalog))
    slug = body.pop("provider", None)
    providers = list(double.catalog) if slug is None else [provider_named(double.catalog, slug)]
    changes = _changes(body)
    _require_one_currency(providers, changes.get("balance"))
    accounts = [
        await double.store.change_account(defaults_of(provider, key, profile), changes) for provider in providers
    ]
    return {"accounts": [_account(account) for account in accounts]}


def _require_one_currency(providers: Sequence[Provider], balance: Decimal | None) -> None:
    """Refuse to set one balance in several currencies. Zero is as much in each.

    Raises:
        ControlError: The providers have different currencies.

    """
    slugs: dict[str, list[str]] = {}
    for provider in providers:
        slugs.setdefault(provider.currency, []).append(provider.slug)
    if balance and len(slugs) > 1:
        accounts = "; ".join(f"{currency}: {', '.join(found)}" for currency, found in slugs.items())
        message = f"the accounts of the key have different currencies ({accounts})"
        raise ControlError(400, f'missing member "provider": expected for a balance, since {message}')


def _changes(body: Mapping[str, Any]) -> AccountChanges:
    changes: AccountChanges = {}
    if "balance" in body:
        try:
            changes["balance"] = amount(body["balance"])
        except ValueError as error:
            raise ControlError(400, f"balance: {error}") from error
    if "requests_per_minute" in body:
        limit = body["requests_per_minute"]
        changes["requests_per_minute"] = None if limit is None else int(limit)  # JSON Schema takes 3.0 for an integer
    return changes


def _account(account: Account) -> AccountState:
    return {
        "provider": account.provider,
        "key": account.key,
        "currency": account.currency,
        "balance": f"{account.balance:f}",
        "reserved": f"{account.reserved:f}",
        "spent": f"{account.spent:f}",
        "requests_per_minute": account.requests_per_minute,
    }


def _charge(double: Double, charge: Charge) -> LedgerCharge:
    price, dollars = charge.unit_price, usd_equivalent(double.catalog[charge.provider], charge)
    return {
        "id": charge.id,
        "request_id": charge.request_id,
        "provider": charge.provider,
        "model": charge.model,
        "key": charge.key,
        "images": charge.images,
        "unit_price": None if price is None else f"{price:f}",
        "currency": charge.currency,
        "amount": f"{charge.amount:f}",
        "usd": None if dollars is None else f"{dollars:f}",
        "created": charge.created,
        "log": billing_log(double.catalog[charge.provider], charge.model, charge.images, price),
    }


def _csv_lines(catalog: Catalog, charges: Sequence[Charge]) -> Iterator[str]:
    line = io.StringIO()
    table = csv.writer(line)
    table.writerow((*Charge._fields, "usd"))
    for charge in charges:
        price = "" if charge.unit_price is None else f"{charge.unit_price:f}"
        dollars = usd_equivalent(catalog[charge.provider], charge)
        values = charge._asdict() | {"unit_price": price, "amount": f"{charge.amount:f}"}
        values["usd"] = "" if dollars is None else f"{dollars:f}"
        table.writerow(values.values())
        if line.tell() > CSV_CHUNK:
            yield line.getvalue()
            line.seek(0)
            line.truncate()
    yield line.getvalue()
