"""Sizes as the examiner reads and chooses them: how they are written, and which limits they break."""

from typing import Any

import pytest

from qwenmock.pytest_plugin.examiner import sizes
from qwenmock.schemas.catalog import load
from qwenmock.schemas.vocabulary import walk

SIDES: Any = {"minSide": 512, "maxSide": 2048, "separator": "x"}
AREA: Any = {"minArea": 400, "maxArea": 10_000, "maxRatio": 4}
BOTH: Any = {"minSide": 12, "maxSide": 120, "minArea": 400, "maxArea": 10_000, "maxRatio": 8}
SMALL: Any = {"minArea": 1, "maxArea": 4, "maxRatio": 4}
ODD: Any = {"minArea": 500, "maxArea": 10_000, "maxRatio": 4}
FREE: Any = {"minArea": 400, "maxArea": 10_000}
WRITTEN = {
    repr(owner["x-size"]): owner["x-size"]
    for provider in load()
    for variant in provider.variants.values()
    for _, owner in walk(variant.request.schema)
    if "x-size" in owner
}


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("1024*768", (1024, 768)),
        ("1024x768", (1024, 768)),
        ("1*999999", (1, 999999)),
        ("0*5", None),
        ("05*5", None),
        ("1000000*5", None),
        ("5*1000000", None),
        ("5-5", None),
        ("5*5 ", None),
        ("", None),
    ],
)
def test_size_is_read_in_either_spelling(text: str, sides: tuple[int, int] | None) -> None:
    assert sizes.read(text) == sides


def test_size_is_written_as_the_place_expects_it() -> None:
    assert sizes.write(SIDES, 640, 480) == "640x480"
    assert sizes.write({}, 640, 480) == "640*480"


@pytest.mark.parametrize(
    ("spec", "text", "broken"),
    [
        (SIDES, "512x2048", []),
        (SIDES, "511x2048", ["minSide"]),
        (SIDES, "2049x512", ["maxSide"]),
        (SIDES, "1x9999", ["minSide", "maxSide"]),
        (SIDES, "512*2048", ["syntax"]),
        (SIDES, "wide", ["syntax"]),
        (AREA, "10*40", []),
        (AREA, "200*50", []),
        (AREA, "21*19", ["minArea"]),
        (AREA, "101*100", ["maxArea"]),
        (AREA, "10*41", ["maxRatio"]),
        ({}, "1*999999", []),
        ({}, "1*1", []),
    ],
)
def test_limits_that_a_size_breaks(spec: Any, text: str, broken: list[str]) -> None:
    assert sizes.broken(spec, text) == broken


@pytest.mark.parametrize(
    ("spec", "side"),
    [
        ({}, 1024),
        ({"minSide": 1024, "maxSide": 1024}, 1024),
        ({"minSide": 1025}, 1025),
        ({"maxSide": 1}, 1),
        ({"maxSide": 1023}, 1023),
        ({"minArea": 1025**2}, 1025),
        ({"minArea": 1024**2 + 1}, 1025),
        ({"maxArea": 1024**2 - 1}, 1023),
        ({"minArea": 1024**2, "maxArea": 1024**2}, 1024),
    ],
)
def test_square_that_keeps_the_limits(spec: Any, side: int) -> None:
    assert sizes.square(spec) == side


# What can be kept is tried: every width of the range, and every height.


@pytest.mark.parametrize("spec", [AREA, BOTH, SMALL, ODD, FREE, {"minSide": 3, "maxSide": 9}], ids=repr)
def test_widths_have_heights_and_heights_keep_the_limits(spec: Any) -> None:
    limits = {"maxRatio": sizes.USUAL_RATIO, **spec} if "minArea" in spec else spec
    low, high = sizes.widths(spec)
    kept = {
        width: {height for height in range(1, 300) if not sizes.broken(limits, sizes.write(spec, width, height))}
        for width in range(300)
    }
    assert all(kept[width] for width in range(low, high + 1))
    assert not kept[low - 1] or (low - 1) ** 2 * limits["maxRatio"] == spec["minArea"]
    assert not any(kept[width] for width in range(high + 1, 300))
    for width in range(low, high + 1):
        first, last = sizes.heights(spec, width)
        assert set(range(first, last + 1)) == kept[width]


@pytest.mark.parametrize(
    ("area", "below", "sides"),
    [
        (100, True, {10}),
        (100, False, {8, 13}),
        (99, True, {9, 11}),
        (99, False, {10}),
        (101, True, {10}),
        (5, False, {2, 3}),
    ],
)
def test_sides_at_an_area(area: int, below: bool, sides: set[int]) -> None:
    width, height = sizes.at_area(area, below=below)
    assert {width, height} == sides
    assert (width * height <= area) is below


def test_sizes_at_the_limits_of_the_sides() -> None:
    assert sizes.extremes(SIDES) == [(512, 512), (512, 2048), (2048, 512), (2048, 2048)]


def test_sizes_at_the_limits_of_the_area() -> None:
    assert sizes.extremes(AREA) == [(20, 20), (100, 100), (44, 11), (11, 44)]
    assert sizes.extremes(FREE) == [(20, 20), (100, 100), (44, 11), (11, 44)]
    assert sizes.extremes({**AREA, "maxRatio": 8})[2:] == [(64, 8), (8, 64)]


@pytest.mark.parametrize("name", WRITTEN)
def test_extremes_of_every_provider_keep_its_limits(name: str) -> None:
    spec = WRITTEN[name]
    for pair in [*sizes.extremes(spec), (sizes.square(spec),) * 2]:
        assert sizes.broken(spec, sizes.write(spec, *pair)) == []
