"""Standard Webhooks signatures. The providers sign nothing; signing is for users whose receivers want it.

`webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}`, keyed by what stands in
base64 behind `whsec_`.
"""

import base64
import binascii
import hmac

PREFIX = "whsec_"
TOLERANCE_SECONDS = 300


def key_of(secret: str) -> bytes:
    """Return the key in a secret.

    Raises:
        ValueError: It is not `whsec_` and base64.

    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not key or not secret.startswith(PREFIX):
        raise ValueError("a secret is whsec_ followed by base64, as Standard Webhooks has it")
    return key


def headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers for a message."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{_signature(secret, message_id, str(timestamp), body)}",
    }


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    content = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(key_of(secret), content, "sha256")).decode()


def problem(secret: str, received: dict[str, str], body: bytes, now: float) -> str | None:
    """Return what is wrong with a message's signature; None for one that is right.

    Args:
        received: The message's headers by lower-case name.
        now: Unix seconds.

    """
    values = [received.get(name, "") for name in ("webhook-id", "webhook-timestamp", "webhook-signature")]
    message_id, timestamp, signatures = values
    if not all(values):
        return "it is not signed"
    if not timestamp.isdecimal() or abs(int(timestamp) - now) > TOLERANCE_SECONDS:
        return f"its timestamp {timestamp} is more than {TOLERANCE_SECONDS} s from now"
    due = _signature(secret, message_id, timestamp, body)
    given = [each.partition(",")[2] for each in signatures.split(" ") if each.startswith("v1,")]
    if not any(hmac.compare_digest(each.encode(), due.encode()) for each in given):
        return "its signature is not that of its content"
    return None
