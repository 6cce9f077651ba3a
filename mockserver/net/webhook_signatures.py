"""Standard Webhooks signatures. The providers do not sign callbacks; this is for receivers that expect signatures.

`webhook-signature` is `v1,` and the base64 of an HMAC-SHA256 over `{id}.{timestamp}.{body}`. The key is the base64
after `whsec_` in the secret.
"""

import base64
import binascii
import hmac

PREFIX = "whsec_"
TOLERANCE_SECONDS = 300
MAX_DIGITS = 20
"""Of a timestamp. Python refuses to read a number of more than 4300 digits."""


def key_of(secret: str) -> bytes:
    """Return the key in a secret.

    Raises:
        ValueError: The secret is not `whsec_` followed by base64.

    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not key or not secret.startswith(PREFIX):
        raise ValueError("expected whsec_ followed by base64, as in Standard Webhooks")
    return key


def headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers of a signed message."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{_signature(secret, message_id, str(timestamp), body)}",
    }


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    content = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(key_of(secret), content, "sha256")).decode()


def problem(secret: str, received: dict[str, str], body: bytes, now: float) -> str | None:
    """Return what is wrong with the signature of a message; None if it is right.

    Args:
        secret: The shared secret.
        received: The headers of the message, by lower-case name.
        body: Its content.
        now: Unix seconds.

    """
    values = [received.get(name, "") for name in ("webhook-id", "webhook-timestamp", "webhook-signature")]
    message_id, timestamp, signatures = values
    if not all(values):
        return "it is not signed"
    is_number = timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= MAX_DIGITS
    if not is_number or abs(int(timestamp) - now) > TOLERANCE_SECONDS:
        return f"its timestamp {timestamp[:MAX_DIGITS]} is more than {TOLERANCE_SECONDS} s from now"
    expected = _signature(secret, message_id, timestamp, body)
    given = [each.partition(",")[2] for each in signatures.split(" ") if each.startswith("v1,")]
    if not any(hmac.compare_digest(each.encode(), expected.encode()) for each in given):
        return "its signature is not that of its content"
    return None
