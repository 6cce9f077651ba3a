"""How the stores write down what they keep: JSON for what is only handed back, columns for what is searched.

Amounts are whole billionths, so that sums are exact.
"""

from dataclasses import asdict
from decimal import Decimal
from typing import TypeAlias

import orjson

from qwenmock.mockserver.models import Charge, Delivery, Task
from qwenmock.mockserver.money import from_units, to_units
from qwenmock.schemas.vocabulary import JSON

MINUTE = 60.0
"""The window of a limit, in seconds."""
JOURNAL_BYTES = 32 * 2**20
"""What the journal holds at the most, whatever its number of entries."""
KEPT_BYTES = 64 * 2**20
"""What is kept of pictures and long prompts at the most."""
FETCHES = 10_000
"""Of how many pictures it is known that they were asked for."""
CHARGE_COLUMNS = (
    "id",
    "request_id",
    "provider",
    "model",
    "key",
    "images",
    "unit_price",
    "currency",
    "amount",
    "created",
)

ChargeRow: TypeAlias = tuple[str, str, str, str, str, int, int | None, str, int, float]


def dump(value: Task | Delivery) -> bytes:
    """Return a task or a callback as JSON."""
    return orjson.dumps(asdict(value), default=str)


def load_task(data: bytes) -> Task:
    """Return the task that `dump` wrote."""
    values: dict[str, JSON] = orjson.loads(data)
    values |= {"urls": tuple(values["urls"]), "reserved": Decimal(values["reserved"])}
    return Task(**values)


def load_delivery(data: bytes) -> Delivery:
    """Return the callback that `dump` wrote."""
    values: dict[str, JSON] = orjson.loads(data)
    values["attempts"] = tuple(values["attempts"])
    return Delivery(**values)


def charge_row(charge: Charge) -> ChargeRow:
    """Return a charge's values in the order of `CHARGE_COLUMNS`."""
    return (
        charge.id,
        charge.request_id,
        charge.provider,
        charge.model,
        charge.key,
        charge.images,
        None if charge.unit_price is None else to_units(charge.unit_price),
        charge.currency,
        to_units(charge.amount),
        charge.created,
    )


def load_charge(row: ChargeRow) -> Charge:
    """Return the charge of a row."""
    id_, request_id, provider, model, key, images, unit_price, currency, amount, created = row
    price = None if unit_price is None else from_units(unit_price)
    return Charge(id_, request_id, provider, model, key, images, price, currency, from_units(amount), created)
