"""Sizes that a schema accepts, as the examiner reads `x-size`: how they are written, and which are at its limits."""

import math
import re

from qwenmock.schemas.vocabulary import Schema

USUAL_RATIO = 4
"""Of the longer to the shorter side of random sizes, where no document limits it."""
LARGEST_SIDE = 10**5
"""Where no document limits it."""


def read(text: str) -> tuple[int, int] | None:
    """Return width and height of a size in either spelling; None for another text."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})[*x]([1-9][0-9]{0,5})", text)
    return None if match is None else (int(match[1]), int(match[2]))


def write(spec: Schema, width: int, height: int) -> str:
    """Return a size as the place expects it."""
    return f"{width}{spec.get('separator', '*')}{height}"


def broken(spec: Schema, text: str) -> list[str]:
    """Return the limits that a size breaks."""
    sides = read(text)
    if sides is None or write(spec, *sides) != text:
        return ["syntax"]
    low, high = sorted(sides)
    found = {
        "minSide": low < spec.get("minSide", 1),
        "maxSide": high > spec.get("maxSide", math.inf),
        "minArea": low * high < spec.get("minArea", 1),
        "maxArea": low * high > spec.get("maxArea", math.inf),
        "maxRatio": high > low * spec.get("maxRatio", math.inf),
    }
    return [name for name, is_broken in found.items() if is_broken]


def square(spec: Schema) -> int:
    """Return the side of a square that keeps the limits, of 1024 pixels if that does."""
    low = max(spec.get("minSide", 1), math.isqrt(spec.get("minArea", 1) - 1) + 1)
    high = min(spec.get("maxSide", LARGEST_SIDE), math.isqrt(spec.get("maxArea", LARGEST_SIDE**2)))
    return max(low, min(1024, high))


def widths(spec: Schema) -> tuple[int, int]:
    """Return the smallest and the largest width for which there are heights."""
    if "minArea" not in spec:
        return spec["minSide"], spec["maxSide"]
    ratio = spec.get("maxRatio", USUAL_RATIO)
    low = max(spec.get("minSide", 1), math.isqrt(spec["minArea"] // ratio) + 1)
    return low, min(spec.get("maxSide", LARGEST_SIDE), math.isqrt(spec["maxArea"] * ratio))


def heights(spec: Schema, width: int) -> tuple[int, int]:
    """Return the smallest and the largest height beside a width."""
    if "minArea" not in spec:
        return spec["minSide"], spec["maxSide"]
    ratio = spec.get("maxRatio", USUAL_RATIO)
    low = max(spec.get("minSide", 1), -(-spec["minArea"] // width), -(-width // ratio))
    return low, max(low, min(spec.get("maxSide", LARGEST_SIDE), spec["maxArea"] // width, width * ratio))


def at_area(area: int, *, below: bool) -> tuple[int, int]:
    """Return sides whose product is nearest to a number of pixels: at most it, or more."""
    side = math.isqrt(area)
    pairs = [(width, area // width + (0 if below else 1)) for width in range(side * 3 // 4, side + 2)]
    return min(pairs, key=lambda pair: (abs(pair[0] * pair[1] - area), abs(pair[0] - pair[1])))


def extremes(spec: Schema) -> list[tuple[int, int]]:
    """Return sizes at the limits: the smallest, the largest, the widest and the highest."""
    if "minArea" not in spec:
        sides = spec["minSide"], spec["maxSide"]
        return [(width, height) for width in sides for height in sides]
    small, large = at_area(spec["minArea"] - 1, below=False), at_area(spec["maxArea"], below=True)
    ratio = spec.get("maxRatio", USUAL_RATIO)
    short = math.isqrt(spec["minArea"] // ratio) + 1
    return [small, large, (short * ratio, short), (short, short * ratio)]
