"""Wording that the server and the examiner share."""


def counted(number: int, thing: str) -> str:
    """Format a count with its noun: `1 call`, `2 calls`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
