"""Values on both sides of a rule, and texts that several keywords use."""

from typing import TypeAlias

from qwenmock.schemas.vocabulary import JSON

Values: TypeAlias = tuple[list[JSON], list[JSON]]
"""Values that are accepted, and values that are refused, in one place of a body."""
WIDE = "\N{GRINNING FACE}"
"""One code point, two UTF-16 units, four bytes: a server that counts the wrong unit gets another length."""
LINES = 'A cat,\n\tand "a dog" \\ <b>both</b> at 100 %'
LONG = "A very long story of a cat. " * 120
"""Longer than any documented limit on a text."""
