"""The session cookie, which stands for the admin token in a browser."""

import hashlib

COOKIE = "qwenmock_session"


def session_of(token: str) -> str:
    """Return the value of the cookie for an admin token."""
    return hashlib.blake2b(b"session", key=hashlib.sha256(token.encode()).digest(), digest_size=24).hexdigest()
