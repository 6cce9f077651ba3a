"""Changes to bytes, texts and JSON values."""

import json
import re
from random import Random
from typing import Any

STRANGE: list[Any] = [
    None, True, 0, -1, 2.0, 1e308, 2**63, 2**70, "", "\x00", "\xed\xa0\x80",
    "x" * 5000, "[[qwenmock: status=999, wait=x]]", "data:image/png;base64,", "data:,", "http://[", "//", [], {}, [[]],
    {"": {}}, "1328*1328", "٣*٣", "1" * 400, float("inf"), float("nan"), "\ud800", -(2**63), 1e-320, "0", "http://[::1",
    "https://example.com:99999/a.png", "*", "0*0", "1*1*1", "^(a+)+$", "$ref", "http://127.0.0.1/__files__/x/0.png",
]  # fmt: skip
BYTES = [b"", b"\0", b"\xff", b"\n", b"\r\n", b"\r\n\r\n", b'"', b"{", b"]", b"\xef\xbb\xbf", b"\xff\xff\xff\xff", b" "]
MAX_GROWTH = 100_000
NESTED = re.compile('"@nested ([0-9]+)@"')
"""Stands for so many arrays in each other, which `json.dumps` cannot write."""


def changed_json(value: Any, rng: Random) -> Any:
    """Return a JSON value with one place changed."""
    if rng.random() < 0.01:
        return f"@nested {rng.choice([30, 200, 600, 1100])}@"
    if isinstance(value, dict) and value and rng.random() < 0.85:
        return _changed_object(value, rng)
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        return rng.choice(
            [
                value * 2,
                value[:at] + value[at + 1 :],
                [*value[:at], changed_json(value[at], rng), *value[at + 1 :]],
            ]
        )
    if isinstance(value, str) and rng.random() < 0.4:
        return changed_bytes(value.encode("utf-8", "surrogatepass"), rng).decode("utf-8", "surrogateescape")
    return rng.choice(STRANGE)


def dumped(value: Any, rng: Random) -> bytes:
    """Return a value as JSON, in one of the two ways to write characters outside ASCII."""
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    text = NESTED.sub(lambda found: "[" * int(found[1]) + "1" + "]" * int(found[1]), text)
    return text.encode("utf-8", "surrogatepass")


def _changed_object(value: dict[str, Any], rng: Random) -> dict[str, Any]:
    name = rng.choice(list(value))
    action = rng.random()
    if action < 0.12:
        return {key: member for key, member in value.items() if key != name}
    if action < 0.24:
        return {**value, rng.choice(["x", "n", "size", "", name * 2, *value]): rng.choice(STRANGE)}
    if action < 0.3:
        return {**value, name: value[rng.choice(list(value))]}
    return {**value, name: changed_json(value[name], rng)}


def changed_bytes(data: bytes, rng: Random, times: int = 1) -> bytes:
    """Return bytes with some places changed."""
    for _ in range(times):
        at = rng.randrange(len(data) + 1)
        length = rng.choice([0, 1, 1, 2, 4, 8, rng.randint(0, 200)])
        piece = rng.choice([rng.randbytes(rng.randint(0, 4)), rng.choice(BYTES), _copied(data, rng)])
        data = data[:at] + piece + data[at + length :]
        if rng.random() < 0.05:
            data = data[: rng.randrange(len(data) + 1)]
    return data[:MAX_GROWTH] if len(data) > 2 * MAX_GROWTH else data


def _copied(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[at : at + rng.randint(0, 100)]


def changed_number(data: bytes, rng: Random) -> bytes:
    """Return bytes in which one binary number of 1, 2 or 4 bytes has an extreme value."""
    size = rng.choice([1, 2, 4])
    at = rng.randrange(max(1, len(data) - size))
    value = rng.choice(
        [0, 1, 2 ** (8 * size) - 1, 2 ** (8 * size - 1), 2 ** (8 * size - 1) - 1, rng.getrandbits(8 * size)]
    )
    return data[:at] + value.to_bytes(size, rng.choice(["big", "little"])) + data[at + size :]
