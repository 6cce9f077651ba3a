"""What `make test` leaves to CI: values of a parameter that try the same once more.

`make test ALL=1` and plain `pytest` run everything.
"""

from collections.abc import Collection, Iterable
from typing import Any

import pytest

EXTENTS = [
    pytest.param(("--contract-seconds", "1"), id="1 second"),
    pytest.param((), id="whole", marks=pytest.mark.thorough),
]
"""Options for an examination: where a test is not about what is found, `make test` examines for a second only."""


def usually(values: Iterable[Any], usual: Collection[Any]) -> list[Any]:
    """Return the values of a parameter, those that are not usual with the marker `thorough`; a tuple is several."""
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else (value,)),
            marks=() if value in usual else pytest.mark.thorough,
        )
        for value in values
    ]
