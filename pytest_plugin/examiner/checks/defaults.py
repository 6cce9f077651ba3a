"""Documented defaults: what a request without a member makes, compared with what it makes with the member."""

import io

import orjson
from PIL import Image

from qwenmock.pytest_plugin.examiner.answer_judge import pictures
from qwenmock.pytest_plugin.examiner.bodies import example, put, take
from qwenmock.pytest_plugin.examiner.checks.single_request import accept
from qwenmock.pytest_plugin.examiner.invariants import Success, image_counts
from qwenmock.pytest_plugin.examiner.json_values import is_array, is_object
from qwenmock.pytest_plugin.examiner.results import NotExaminable
from qwenmock.pytest_plugin.examiner.sample_images import read_png
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Variant
from qwenmock.schemas.vocabulary import JSON, Path, Schema, select, subschema, walk

CORNER = (-66, -26, -8, -8)
"""Left, top, right and bottom of a part of the watermark, from the bottom right of an image."""


def examine_size_and_count(examiner: Examiner, variant: Variant, model: str) -> None:
    """Leave size and number of images out: the picture must have the default size, and be one of the default number.

    Raises:
        NotExaminable: No default is documented, or it is assumed and the target live.

    """
    request = variant.request
    found: dict[str, JSON] = {}
    body: JSON = example(variant, model)
    for role in ("size", "n"):
        for path in request.roles.get(role, ()):
            place = subschema(request.schema, path)
            if "default" in place and not (examiner.live and place["x-certainty"] == "assumed"):
                found[role] = place["default"]
                body = take(request.schema, body, path) if select(body, path) else body
    if not found:
        raise NotExaminable("no default of the size or number of images is documented")
    success = accept(examiner, variant, body)
    mistakes: list[str] = []
    counts = image_counts(success)
    if "n" in found and counts and counts[0] != found["n"]:
        mistakes.append(f"{counts[0]} images, the default is {found['n']}")
    for picture in pictures(examiner, success, 1) if "size" in found else ():
        size = "{}*{}".format(*read_png(picture.body))
        mistakes += [f"a picture of {size}, the default is {found['size']}"] if size != found["size"] else []
    examiner.results.require(
        mistakes, orjson.dumps(body), "the documented default for what is left out", success.reply, "answer"
    )


def examine_watermark(examiner: Examiner, variant: Variant, model: str) -> None:
    """Ask for a watermark, for none, and for neither: the last must be like the default one of the others.

    Raises:
        NotExaminable: There is no such default, or the target is live: no document says how the mark is drawn.

    """
    if examiner.live:
        raise NotExaminable("no document says how a watermark is drawn: not tried on a live target")
    paths = variant.request.roles.get("watermark", ())
    if not paths or "default" not in subschema(variant.request.schema, paths[0]):
        raise NotExaminable("no default of a watermark is documented")
    schema, base = variant.request.schema, example(variant, model)
    default = subschema(schema, paths[0])["default"]
    marked, again, plain = (
        _corner(examiner, accept(examiner, variant, put(schema, base, paths[0], value), max_pictures=1))
        for value in (True, True, False)
    )
    left_out = _corner(examiner, accept(examiner, variant, base, max_pictures=1))
    mistakes = ["no mark where one is asked for"] if marked != again else []
    mistakes += ["a mark where none is asked for"] if plain == marked else []
    if (left_out == marked) != default:
        mistakes.append(f"a picture {'with' if left_out == marked else 'without'} a mark, the default is {default}")
    examiner.results.require(mistakes, orjson.dumps(base), "the documented watermark", subject="picture")


def examine_prompt_extend(examiner: Examiner, variant: Variant, model: str) -> None:
    """Ask for a longer prompt, for none, and for neither: the answer to the last must have the default's members.

    Raises:
        NotExaminable: There is no such default, or no answer shows it.

    """
    path, default = _default_of(examiner, variant, "prompt_extend")
    if not _has_optional_members(variant.answer.schema):
        raise NotExaminable("no answer shows whether the prompt was extended")
    schema, base = variant.request.schema, example(variant, model)
    shown = {
        value: _members(accept(examiner, variant, put(schema, base, path, value), max_pictures=0).body)
        for value in (True, False)
    }
    if shown[True] == shown[False]:
        raise NotExaminable("no answer shows whether the prompt was extended")
    success = accept(examiner, variant, base, max_pictures=0)
    left_out = _members(success.body)
    other = ", ".join("/".join(place) for place in sorted(left_out ^ shown[bool(default)]))
    mistakes = [f"an answer that differs from the one with the default {default} in {other}"] if other else []
    examiner.results.require(
        mistakes, orjson.dumps(base), "the documented default of prompt_extend", success.reply, "answer"
    )


def examine_model(examiner: Examiner, variant: Variant) -> None:
    """Leave the model out: the answer and the bill must name the default one.

    Raises:
        NotExaminable: There is no such default, or the model is called required as well.

    """
    path, default = _default_of(examiner, variant, "model")
    if path in variant.request.defaulted:
        raise NotExaminable("the model is called required, and has a default: what happens without it is observed")
    body = take(variant.request.schema, example(variant), path)
    success = accept(examiner, variant, body, max_pictures=0)
    stated = [model for model in success.values("model") if model != default]
    mistakes = [f"the model {model}, the default is {default}" for model in stated]
    examiner.results.require(mistakes, orjson.dumps(body), "the documented default model", success.reply, "answer")


def observe_omissions(examiner: Examiner, variant: Variant) -> None:
    """Leave out what is called required and has a default, and count what happens.

    Neither a server that refuses the request nor one that takes the default breaks its document.

    Raises:
        NotExaminable: No member is called so.

    """
    request, base = variant.request, example(variant)
    if not request.defaulted:
        raise NotExaminable("no required member has a default")
    for path in request.defaulted:
        rule = request.rule_at[path, "required"]
        expected = examiner.provider.errors[rule.error].status
        status = examiner.retries.send_with_retry(take(request.schema, base, path), variant, expected).status
        default = subschema(request.schema, path)["default"]
        got = f"accepted without it (default {default})" if status == 200 else f"status {status} without it"
        examiner.results.observe(rule, "reject", held=status in {expected, 200}, detail=got)


def _default_of(examiner: Examiner, variant: Variant, role: str) -> tuple[Path, bool | str]:
    """Return where a role's value stands in requests, and its default.

    Raises:
        NotExaminable: No default is documented, or it is assumed and the target live.

    """
    for path in variant.request.roles.get(role, ()):
        place = subschema(variant.request.schema, path)
        if "default" in place and not (examiner.live and variant.request.default_terms(path)[1] == "assumed"):
            return path, place["default"]
    raise NotExaminable(f"no default of {role} is documented")


def _has_optional_members(schema: Schema) -> bool:
    return any(owner.get("properties", {}).keys() - set(owner.get("required", ())) for _, owner in walk(schema))


def _members(value: JSON, path: Path = ()) -> frozenset[Path]:
    """Return the places of all members in a document; those of all items of an array are one."""
    items = value.items() if is_object(value) else [("*", item) for item in value] if is_array(value) else ()
    return frozenset[Path]().union([path], *(_members(item, (*path, name)) for name, item in items))


def _corner(examiner: Examiner, success: Success) -> bytes:
    """Return the pixels where a watermark stands. Without one they differ from picture to picture."""
    picture = pictures(examiner, success, 1)[0]
    width, height = read_png(picture.body)
    box = (width + CORNER[0], height + CORNER[1], width + CORNER[2], height + CORNER[3])
    with Image.open(io.BytesIO(picture.body)) as image:
        return image.crop(box).convert("RGB").tobytes()
