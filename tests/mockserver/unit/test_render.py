"""What is kept for the next picture: the shapes of words, and scaled input images."""

import io

import pytest
from PIL import Image, ImageDraw

from qwenmock.mockserver.images import render
from qwenmock.mockserver.images.links import Recipe
from qwenmock.mockserver.images.text import LONGEST_KEPT, font, write


def png(colour: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (colour, 100, 200)).save(out, "PNG")
    return out.getvalue()


def drawn(colour: int, side: int = 256) -> bytes:
    recipe = Recipe("m", "a cat", "", 1, side, side, 1, "", "id", ((f"digest {colour}", "", 64, 48),))
    return render.render(recipe, 0, [png(colour)])


@pytest.mark.parametrize("word", ["cat", "jAj", "fjg|", "W" * (LONGEST_KEPT + 1)])
@pytest.mark.parametrize("size", [14, 61])
def test_word_is_written_as_the_font_draws_it(word: str, size: int) -> None:
    expected, found = (Image.new("P", (2000, 200), 3) for _ in range(2))
    ImageDraw.Draw(expected).text((100, 50), word, fill=1, font=font(size))
    for _ in range(2):  # the second time from what was kept
        write(ImageDraw.Draw(found), word, (100, 50), size, 1)
        assert found.tobytes() == expected.tobytes()


def test_colour_of_a_word_is_not_kept() -> None:
    image = Image.new("P", (200, 100), 3)
    for colour in (1, 2):
        write(ImageDraw.Draw(image), "cat", (10, 10), 20, colour)
    assert {colour for _, colour in image.getcolors() or ()} == {2, 3}


def test_input_is_scaled_once_for_each_size_and_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    scaled: list[int] = []
    scale = render._scaled
    monkeypatch.setattr(render, "_scaled", lambda data, *size: (scaled.append(len(data)), scale(data, *size))[1])
    monkeypatch.setattr(render, "_SCALED", render._ScaledInputs())
    first = drawn(1)
    assert (drawn(1), len(scaled)) == (first, 1)
    assert drawn(2) != first
    drawn(1, side=300)
    assert len(scaled) == 3
    for colour in range(3, 30):
        drawn(colour)
    assert len(render._SCALED._pictures) == render.KEPT_INPUTS
    assert (drawn(1), len(scaled)) == (first, 31)
