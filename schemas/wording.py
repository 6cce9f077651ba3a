"""How the double and the examiner say things."""


def counted(number: int, thing: str) -> str:
    """Write a number of things: `1 call`, `2 calls`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
