"""The images behind the links: their sizes, and how long and with which signature a link works."""

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, parse_qsl, urlencode

import orjson

from qwenmock.pytest_plugin.examiner import sizes
from qwenmock.pytest_plugin.examiner.bodies import example, put
from qwenmock.pytest_plugin.examiner.checks.single_request import accept
from qwenmock.pytest_plugin.examiner.json_values import as_object, read_first, read_string, read_url
from qwenmock.pytest_plugin.examiner.results import NotExaminable
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Variant
from qwenmock.schemas.vocabulary import JSON, subschema


def accept_every_size(examiner: Examiner, variant: Variant) -> None:
    """Request each size: the images must have it."""
    for body in bodies_by_size(variant):
        accept(examiner, variant, body)


def bodies_by_size(variant: Variant) -> Iterator[dict[str, JSON]]:
    """Yield a valid body for each listed size, or for the smallest and largest sides."""
    schema = variant.request.schema
    for path in variant.request.roles.get("size", ()):
        size_schema = subschema(schema, path)
        listed: list[str] = size_schema.get("enum", [])
        if "x-size" in size_schema:
            spec = size_schema["x-size"]
            listed = [sizes.write(spec, *pair) for pair in sizes.extremes(spec)]
        for size in listed:
            yield as_object(put(schema, example(variant), path, size))


def refuse_changed_links(examiner: Examiner, variant: Variant) -> None:
    """Open an answer's link again, which must work, and with signature or expiry changed, which must not.

    No document promises a signature: on a live target a changed link that works is only observed.

    Raises:
        ContractViolation: The link does not work, or a changed one does.
        NotExaminable: The link cannot be changed, or a changed one works on a live target.

    """
    success = accept(examiner, variant, example(variant))
    content = orjson.dumps(success.asked)
    for url in success.strings("image_url")[:1]:
        again = examiner.target.send("GET", url, {}).status
        if again != 200:
            promise = f"a link that works for {examiner.provider.link_lifetime} s"
            got = [f"a {again} when it is opened again"]
            raise examiner.results.violation(got, content, promise, reply=success.reply, subject="picture")
        for name, changed in _changed_links(read_url(url, "image_url")):
            if examiner.target.send("GET", changed, {}).status != 200:
                continue
            if examiner.live:
                raise NotExaminable(f"a 200 with {name} changed; no document promises a signature")
            got, promise = [f"a 200 with {name} changed"], "a refusal of a changed link"
            raise examiner.results.violation(got, content, promise, reply=success.reply, subject="picture")


def _changed_links(link: SplitResult) -> Iterator[tuple[str, str]]:
    """Yield the name of each changed parameter, and the changed link."""
    query = dict(parse_qsl(link.query))
    if not {"Signature", "Expires"} <= query.keys():
        raise NotExaminable("the link has no Signature and Expires that could be changed")
    if not re.fullmatch("[0-9]{1,20}", query["Expires"]):
        raise NotExaminable("the link's Expires is not a number that could be changed")
    later = str(int(query["Expires"]) + 1)
    for name, value in (("Signature", query["Signature"][::-1]), ("Expires", later), ("Signature", "")):
        yield name, link._replace(query=urlencode({**query, name: value})).geturl()


def outlive_link(examiner: Examiner, variant: Variant) -> None:
    """Move the target's clock to the end of a link's lifetime: it must work before the end, and not after."""
    success = accept(examiner, variant, example(variant))
    url = read_string(read_first(success.values("image_url"), "image_url"), "image_url")
    lifetime = examiner.provider.link_lifetime
    statuses: list[int] = []
    for seconds in (lifetime - 10, 20):
        examiner.control.advance(seconds)
        statuses.append(examiner.target.send("GET", url, {}).status)
    if statuses[0] != 200 or statuses[1] == 200:
        got = f"{statuses[0]} 10 s before its end, {statuses[1]} 10 s after"
        promise = f"a link that works for {lifetime} s"
        content = orjson.dumps(success.asked)
        raise examiner.results.violation([got], content, promise, reply=success.reply, subject="picture")
