"""What the values of requests and answers are, told from the names that gateways usually give them.

A document with `x-role`, as this project exports, says so itself: then nothing is guessed.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping

from qwenmock.mockserver.provider_folders.document import Notes
from qwenmock.mockserver.provider_folders.reading import is_table, tables
from qwenmock.schemas.vocabulary import Path, Schema, roles, subschema, walk

REQUEST_NAMES: Mapping[str, tuple[str, frozenset[str]]] = {
    "prompt": ("string", frozenset({"prompt", "text", "textprompt", "prompttext", "promptstring", "instruction"})),
    "negative_prompt": ("string", frozenset({"negativeprompt", "negativeprompttext"})),
    "n": (
        "integer",
        frozenset(
            {"n", "numimages", "numberofimages", "numoutputs", "imagecount", "batchsize", "samples", "numberresults"}
        ),
    ),
    "size": ("string", frozenset({"size", "imagesize", "outputsize"})),
    "seed": ("integer", frozenset({"seed", "randomseed"})),
    "watermark": ("boolean", frozenset({"watermark", "addwatermark"})),
    "prompt_extend": (
        "boolean",
        frozenset({"promptextend", "enhanceprompt", "promptenhance", "promptupsampling", "expandprompt"}),
    ),
    "callback_url": (
        "string",
        frozenset({"callbackurl", "webhookurl", "webhook", "callback", "notifyurl", "notificationurl", "hookurl"}),
    ),
}
"""For each role of a request: the type of its value, and what members with it are called, in small letters alone."""
IMAGE_INPUTS = frozenset(
    {
        "image", "images", "imageurl", "imageurls", "inputimage", "inputimages", "inputimageurl", "inputimageurls",
        "initimage", "referenceimage", "referenceimages", "referenceimageurls", "sourceimage", "sourceimages",
        "imageinput",
    }
)  # fmt: skip
LINKS = frozenset(
    {
        "url", "urls", "imageurl", "imageurls", "image", "images", "uri", "output", "outputs", "results", "src",
        "outputurl", "outputurls", "resulturl", "resulturls", "downloadurl", "imageuri", "link", "generated",
    }
)  # fmt: skip
ANSWER_NAMES: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "created": (frozenset({"integer"}), frozenset({"created", "createdat", "timestamp", "createtime"})),
    "request_id": (frozenset({"string"}), frozenset({"requestid", "traceid"})),
    "task_id": (frozenset({"string"}), frozenset({"taskid", "jobid", "predictionid", "generationid", "id"})),
    "task_status": (frozenset({"string"}), frozenset({"status", "taskstatus", "state", "jobstatus"})),
    "progress": (frozenset({"integer", "number"}), frozenset({"progress", "percent", "percentage"})),
    "width": (frozenset({"integer"}), frozenset({"width"})),
    "height": (frozenset({"integer"}), frozenset({"height"})),
    "image_count": (frozenset({"integer"}), frozenset({"imagecount", "imagescount", "numimages"})),
    "message": (
        frozenset({"string"}),
        frozenset({"message", "msg", "errormessage", "errmsg", "detail", "error", "errordescription"}),
    ),
    "error_code": (frozenset({"string", "integer"}), frozenset({"code", "errorcode", "errcode", "errorid"})),
    "http_status": (frozenset({"integer"}), frozenset({"status", "statuscode", "httpstatus"})),
    "remaining": (
        frozenset({"integer", "number"}),
        frozenset({"remaining", "remainingcredits", "balance", "credits", "availablecredits", "creditsremaining"}),
    ),
    "used": (frozenset({"integer", "number"}), frozenset({"used", "usedcredits", "creditsused"})),
}
"""For each role of an answer: the types that its value may have, and what members with it are called."""
OF_ERRORS = ("message", "error_code", "http_status", "request_id")
OF_SUCCESSES = ("created", "request_id", "width", "height", "image_count")
OF_TASKS = ("task_id", "task_status", "progress", "created")
OF_CREDITS = ("remaining", "used")
SIZE = re.compile(r"[1-9][0-9]{0,5}\*[1-9][0-9]{0,5}")
ASSUMED_SIDES = {"minSide": 64, "maxSide": 4096}
ASSUMED_IMAGE = {
    "mediaTypes": ["image/jpeg", "image/png", "image/webp"],
    "minWidth": 64,
    "maxWidth": 4096,
    "minHeight": 64,
    "maxHeight": 4096,
    "maxBytes": 10_485_760,
    "advisory": ["minWidth", "maxWidth", "minHeight", "maxHeight"],
}
"""Limits on input images where the document says nothing of them."""
WEB = {"http": "http://example.com/image.png", "https": "https://example.com/image.png"}
DATA = {"data": "data:image/png;base64,iVBORw0KGgo="}
BASE64 = re.compile(r"(?i)base64|data[ -]ur[il]|data:")


def plain_name(name: str) -> str:
    """Return a name without what spellings differ in: `numImages` and `num_images` are `numimages`."""
    return "".join(each for each in name.lower() if each.isalnum())


def give_request_roles(
    schema: Schema, place: str, notes: Notes, texts: Mapping[Path, str], *, makes_tasks: bool
) -> None:
    """Write into a request's schema what its values are, and take out what only told that.

    Args:
        schema: The schema, which is changed.
        place: What notes call it.
        notes: Gets what could not be used.
        texts: What the document says in words, by path.
        makes_tasks: Whether requests create tasks, which can call the client back.

    """
    if not roles(schema).keys() - {"model"}:
        _guess_request_roles(schema, place, notes, texts, makes_tasks=makes_tasks)
    model = schema.get("properties", {}).get("model")
    if model is not None and not roles(schema).get("model"):
        model["x-role"] = "model"
    for path, owner in walk(schema):
        pattern = owner.pop("pattern", None)
        if pattern is not None and not owner.keys() & {"x-image", "x-size", "x-callback"}:
            notes.leave_out(_at(place, path), f"pattern {pattern}"[:100])


def _guess_request_roles(
    schema: Schema, place: str, notes: Notes, texts: Mapping[Path, str], *, makes_tasks: bool
) -> None:
    taken: set[str] = set()
    for path, owner in [*walk(schema)]:
        name = plain_name(_name(path))
        role = next(
            (role for role, (kind, names) in REQUEST_NAMES.items() if name in names and owner.get("type") == kind), ""
        )
        if role == "callback_url" and not makes_tasks:
            continue
        if role in taken or not role or not _can_have(role, owner, _at(place, path), notes):
            continue
        taken.add(role)
        owner["x-role"] = role
        if role == "callback_url":
            owner["x-callback"] = {"schemes": ["https"], "publicHost": True}
            _assume(owner, "schemes", "publicHost")
    _give_image(schema, place, notes, texts)


def _can_have(role: str, owner: Schema, place: str, notes: Notes) -> bool:
    """Tell whether a place can have a role; a size gets the limits that its pattern states."""
    if role != "size" or "enum" in owner:
        is_usable = role != "size" or all(SIZE.fullmatch(str(value)) for value in owner["enum"])
    else:
        owner |= _size_limits(owner)
        is_usable = "x-size" in owner
    if not is_usable:
        notes.leave_out(
            place, "sizes that are listed in another form than 1024*1024: the double makes pictures of its usual size"
        )
    return is_usable


def _size_limits(owner: Schema) -> Schema:
    """Return the limits of a size that is written as W*H or WxH, read from its pattern by trying it."""
    pattern = owner.get("pattern")
    separators = [each for each in "*x" if isinstance(pattern, str) and re.search(pattern, f"1024{each}1024")]
    if not isinstance(pattern, str) or len(separators) != 1:
        return {}
    form = {} if separators == ["*"] else {"separator": "x"}
    fits = [side for side in range(1, 16385) if re.search(pattern, f"{side}{separators[0]}{side}")]
    is_stated = fits[0] > 1 and fits[-1] < 16384 and fits == [*range(fits[0], fits[-1] + 1)]
    if is_stated:
        return {"x-size": {"minSide": fits[0], "maxSide": fits[-1], **form}}
    assumed = {"certainty": "assumed"}
    rules = owner.get("x-rules", {})
    return {"x-size": {**ASSUMED_SIDES, **form}, "x-rules": {**rules, "minSide": assumed, "maxSide": assumed}}


def _give_image(schema: Schema, place: str, notes: Notes, texts: Mapping[Path, str]) -> None:
    """Mark the first place for input images; the others stay texts."""
    found = [
        (path, owner)
        for path, owner in walk(schema)
        if owner.get("type") == "string" and "enum" not in owner and _is_image_input(path)
    ]
    for path, owner in found[:1]:
        owner["x-role"] = "image"
        schemes = _schemes(owner, texts.get(path, "") + texts.get(path[:-1], ""))
        owner["x-image"] = {"schemes": schemes, **ASSUMED_IMAGE}
        for keyword in ("minLength", "maxLength"):
            owner.pop(keyword, None)
        _assume(owner, *(keyword for keyword in ASSUMED_IMAGE if keyword != "advisory"), "integrity", "encoding")
        for keyword in ("schemes", "mediaTypes", "maxBytes", "integrity", "encoding"):
            owner["x-rules"].setdefault(keyword, {})["error"] = "bad_image"
        if "data" not in schemes:
            del owner["x-rules"]["encoding"]
        notes.assume(_at(place, path), "formats, sides and bytes of input images")
    for path, _ in found[1:]:
        notes.leave_out(_at(place, path), "a second place for input images: any text is accepted")


def _schemes(owner: Schema, words: str) -> list[str]:
    pattern = owner.get("pattern")
    if isinstance(pattern, str):
        fits = [scheme for scheme, url in (WEB | DATA).items() if re.search(pattern, url)]
        if fits:
            return fits
    return [*WEB, *(DATA if BASE64.search(words) else ())]


def _is_image_input(path: Path) -> bool:
    names = [plain_name(step) for step in path if step != "*"]
    if not names or any("mask" in name for name in names):
        return False
    return names[-1] in IMAGE_INPUTS or (
        names[-1] in {"url", "uri"} and names[-2:-1] != [] and names[-2] in IMAGE_INPUTS
    )


def give_answer_roles(schema: Schema, wanted: Iterable[str]) -> None:
    """Write into an answer's schema what its values are.

    Args:
        schema: The schema, which is changed.
        wanted: The roles that such an answer can have.

    """
    if roles(schema):
        return
    members = sorted(walk(schema), key=lambda found: len(found[0]))
    for role in wanted:
        kinds, names = ANSWER_NAMES[role]
        for path, owner in members:
            is_free = "x-role" not in owner and ("*" not in path or role in {"width", "height"})
            if is_free and plain_name(_name(path)) in names and _kinds(owner) & kinds:
                owner["x-role"] = role
                break
    if {"width", "height"} - roles(schema).keys():
        for _, owner in members:
            if owner.get("x-role") in {"width", "height"}:
                del owner["x-role"]


def give_image_roles(schema: Schema) -> bool:
    """Mark the links to images in an answer and the list that has them; return whether there are any."""
    if "image_url" in roles(schema):
        return "images" in roles(schema)
    candidates = [path for path, owner in walk(schema) if "string" in _kinds(owner) and _is_link(path, owner)]
    if not candidates:
        return False
    best = max(candidates, key=lambda path: _likelihood(path, subschema(schema, path)))
    subschema(schema, best)["x-role"] = "image_url"
    owner = subschema(schema, best[: len(best) - 1 - best[::-1].index("*")])
    owner["x-role"] = "images"
    return True


def most_images(answer: Schema) -> float:
    """Return how many images an answer may have: of several forms the one for most is taken over."""
    return min(
        (subschema(answer, path).get("maxItems", math.inf) for path in roles(answer).get("images", ())), default=0
    )


def _is_link(path: Path, owner: Schema) -> bool:
    """Tell whether a text in a list is a link, by its name; a text for the image itself is none."""
    return "*" in path and plain_name(_name(path)) in LINKS and not owner.keys() & {"enum", "const", "x-role"}


def _likelihood(path: Path, owner: Schema) -> tuple[bool, bool, int]:
    return owner.get("format") == "uri", any("image" in step.lower() for step in path), -len(path)


def _kinds(owner: Schema) -> set[str]:
    named = owner.get("type", ())
    return {named} if isinstance(named, str) else {*named}


def _name(path: Path) -> str:
    """Return the name of a member, or of the list that a value is an item of."""
    return next((step for step in reversed(path) if step != "*"), "")


def _at(place: str, path: Path) -> str:
    return place + "".join("[]" if step == "*" else f".{step}" for step in path)


def _assume(owner: Schema, *keywords: str) -> None:
    rules: dict[str, Schema] = owner.setdefault("x-rules", {})
    for keyword in keywords:
        rules.setdefault(keyword, {})["certainty"] = "assumed"


def words_of(schema: Schema, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield what an expanded schema says in words, by the path of what it describes."""
    yield path, " ".join(str(schema.get(keyword, "")) for keyword in ("description", "format", "contentEncoding"))
    properties = schema.get("properties")
    for name, member in properties.items() if is_table(properties) else ():
        if is_table(member):
            yield from words_of(member, (*path, name))
    if is_table(schema.get("items")):
        yield from words_of(schema["items"], (*path, "*"))
    for keyword in ("allOf", "anyOf", "oneOf"):
        for branch in tables(schema.get(keyword)):
            yield from words_of(branch, path)
