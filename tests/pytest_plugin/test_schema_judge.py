"""The examiner's own validator, on values that nobody expects."""

import base64
import io
import struct

import pytest
from PIL import Image

from qwenmock.pytest_plugin.examiner.bodies import example, put
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.schemas.catalog import load

VARIANT = load()["aigc"].variants["edit"]
(PATH,) = VARIANT.request.roles["image"]


def saved(form: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 400)).save(out, form)
    return out.getvalue()


def broken_by(url: str) -> set[str]:
    body = put(VARIANT.request.schema, example(VARIANT), PATH, url)
    return {rule.keyword for rule in broken_rules(VARIANT.request, body)}


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize("text", ["iVBORw0\ufeffKGgo=", "iVBO Rw0K", "iVBOR", "é"])
def test_text_that_is_no_base64_breaks_the_encoding(text: str) -> None:
    assert broken_by(f"data:image/png;base64,{text}") == {"encoding"}


@pytest.mark.parametrize(
    "data",
    [
        saved("PNG")[:16] + struct.pack(">II", 2**20, 2**20) + saved("PNG")[24:],
        saved("PNG")[:11] + b"\x05" + saved("PNG")[12:],
    ],
    ids=["claims to be huge", "short header"],
)
def test_image_that_pillow_refuses_is_not_intact(data: bytes) -> None:
    assert broken_by(data_url(data)) in ({"integrity"}, {"mediaTypes"})


def test_image_within_the_limits_breaks_nothing() -> None:
    assert broken_by(data_url(saved("PNG"))) == set()
