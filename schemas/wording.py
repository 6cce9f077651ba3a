"""Wording that the server and the examiner share."""


def counted(number: int, thing: str) -> str:
    """Write a number of things: `1 call`, `2 calls`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
