"""Accounts, request limits, reservations and charges in Redis."""

import asyncio
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import orjson

from qwenmock.mockserver.models import Account, Charge
from qwenmock.mockserver.money import from_units, to_units
from qwenmock.mockserver.store.protocols import (
    AccountChanges,
    AccountDefaults,
    InsufficientBalance,
    NoReservation,
    Selection,
    TooManyRequests,
)
from qwenmock.mockserver.store.records import MINUTE, ChargeRow, NewEntry, charge_row, load_charge
from qwenmock.mockserver.store.redis.connection import Answer, Argument, account_key, owner_of, pairs, tag_of
from qwenmock.mockserver.store.redis.journal import RedisJournal


class AccountFields(NamedTuple):
    """The fields of an account's hash; amounts are decimal digits."""

    currency: bytes
    balance: bytes
    reserved: bytes
    spent: bytes
    rpm: bytes


class RedisAccounts(RedisJournal):
    """The accounts; a charge also records the journal entry of its request."""

    async def _run_opening(self, script: str, defaults: AccountDefaults, *arguments: Argument) -> list[Answer]:
        """Run a script that opens its account if it does not exist, and return the rest of its answer."""
        tag = tag_of(defaults.provider, defaults.key)
        await self._add_to_index(tag)
        limit = "" if defaults.requests_per_minute is None else defaults.requests_per_minute
        first = (defaults.currency, to_units(defaults.balance), limit)
        is_new, *rest = await self._run_on_account(script, tag, *first, *arguments)
        if is_new:
            await self._add_to_index(tag, is_new=True)
        return rest

    async def account(self, defaults: AccountDefaults) -> Account:
        """Return an account; open it if it does not exist."""
        fields = AccountFields(*await self._run_opening("open", defaults))
        return _account(defaults.provider, defaults.key, fields)

    async def accounts(self, selection: Selection) -> Sequence[Account]:
        """Return the accounts, oldest first; the selection's limit is not used."""
        tags = await self._tags(selection)
        names = AccountFields._fields
        rows = await asyncio.gather(*(self._call("HMGET", account_key(tag, "account"), *names) for tag in tags))
        opened = [(tag, AccountFields(*row)) for tag, row in zip(tags, rows, strict=True) if row[0] is not None]
        return [_account(*owner_of(tag), fields) for tag, fields in opened]

    async def change_account(self, defaults: AccountDefaults, changes: AccountChanges) -> Account:
        """Change an account and return it; open it if it does not exist."""
        arguments: list[Argument] = []
        if "balance" in changes:
            arguments += ["balance", to_units(changes["balance"])]
        if "requests_per_minute" in changes:
            per_minute = changes["requests_per_minute"]
            arguments += ["rpm", "" if per_minute is None else per_minute]
        fields = AccountFields(*await self._run_opening("change", defaults, *arguments))
        return _account(defaults.provider, defaults.key, fields)

    async def admit(self, defaults: AccountDefaults, now: float) -> Decimal:
        """Count a request against its key's limit and return the balance; open the account if it does not exist."""
        balance, per_minute, wait = await self._run_opening("admit", defaults, repr(now), MINUTE)
        if float(wait) > 0:
            raise TooManyRequests(int(per_minute), float(wait))
        return from_units(int(balance))

    async def reserve(self, defaults: AccountDefaults, request_id: str, amount: Decimal, until: float | None) -> None:
        """Move an amount from the balance to a reservation for a request; open the account if it does not exist."""
        end = "" if until is None else repr(until)
        (answer,) = await self._run_opening("reserve", defaults, request_id, to_units(amount), end)
        if answer == b"short":
            raise InsufficientBalance

    async def release(self, provider: str, key: str, request_id: str) -> None:
        """Move the reservation of a request back to the balance, if there is one and it has a term."""
        await self._run_on_account("release", tag_of(provider, key), request_id)

    async def release_expired(self) -> None:
        """Release the reservations of requests whose process has died."""
        now = time.time()
        await asyncio.gather(*(self._run_on_account("expire", tag, now) for tag in await self._tags()))

    async def charge(self, charge: Charge, entry: NewEntry, *, is_held: bool) -> None:
        """Book a charge, then record the journal entry of its request."""
        arguments = (charge.request_id, to_units(charge.amount), "held" if is_held else "", dump_charge(charge))
        answer = await self._run_on_account("charge", tag_of(charge.provider, charge.key), *arguments)
        if answer == b"short":
            raise InsufficientBalance
        if answer == b"unheld":
            raise NoReservation(f"no reservation for request {charge.request_id}")
        await self.record(entry, charge.key)

    async def charges(self, selection: Selection) -> Sequence[Charge]:
        """Return the charges, newest first."""
        tags = await self._tags(selection)
        lists = await asyncio.gather(*(self._charges_of(tag, selection) for tag in tags))
        newest = sorted((line for each in lists for line in each), key=lambda line: line[0], reverse=True)
        return [load_charge(ChargeRow(*orjson.loads(row))) for _, row in newest[: selection.limit]]

    async def _charges_of(self, tag: str, selection: Selection) -> list[tuple[int, bytes]]:
        """Return the charges of an account, each after the microsecond of Redis' clock when it was booked."""
        stream = account_key(tag, "charges")
        lines: list[tuple[bytes, Answer]]
        if selection.request_id is not None:
            place = await self._call("HGET", account_key(tag, "charged"), selection.request_id)
            lines = await self._call("XRANGE", stream, place, place) if place else []
        else:
            lines = await self._call("XREVRANGE", stream, "+", "-", "COUNT", max(selection.limit, 1))
        fields = [dict(pairs(line)) for _, line in lines]
        return [(int(float(line[b"at"])), line[b"row"]) for line in fields]


def dump_charge(charge: Charge) -> bytes:
    """Return a charge as JSON."""
    return orjson.dumps(tuple(charge_row(charge)))


def _account(provider: str, key: str, fields: AccountFields) -> Account:
    return Account(
        provider=provider,
        key=key,
        currency=fields.currency.decode(),
        balance=from_units(int(fields.balance)),
        reserved=from_units(int(fields.reserved)),
        spent=from_units(int(fields.spent)),
        requests_per_minute=int(fields.rpm) if fields.rpm else None,
    )
