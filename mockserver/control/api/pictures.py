"""The generated images that links in the journal and in tasks lead to."""

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request

from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.control.api.requests import selection
from qwenmock.mockserver.control.api.responses import PictureInfo
from qwenmock.mockserver.images.files import UPLOAD
from qwenmock.mockserver.images.links import PREFIX
from qwenmock.mockserver.store.protocols import Selection
from qwenmock.mockserver.store.search import Search, search
from qwenmock.mockserver.tasks.lifecycle import settle_finished
from qwenmock.schemas.vocabulary import JSON

DEFAULT_LIMIT = 100
SERVED = (200, 299)
SPARE_ENTRIES = 200
"""Read besides one for each picture: some answers have none, and those of queries have those of their tasks."""


class _Link(NamedTuple):
    """A link to a picture, and where it was found."""

    url: str
    provider: str
    key: str
    request_id: str
    created: float


async def list_pictures(double: Double, request: Request) -> list[PictureInfo]:
    """Return the pictures that links lead to, the newest first, also where the links have expired."""
    await settle_finished(double)
    selected = selection(double, request, DEFAULT_LIMIT)
    links = await _links(double, selected)
    found: list[PictureInfo] = []
    for link in sorted(links, key=lambda link: link.created, reverse=True):
        if len(found) == selected.limit:
            break
        picture = await _described(double, link)
        if picture is not None:
            found.append(picture)
    return found


async def _links(double: Double, selected: Selection) -> list[_Link]:
    """Return each link once: those of tasks, which also appear in the answers to queries, with the end of the task."""
    links: dict[str, _Link] = {}
    now = double.clock.now()
    for task in await double.store.tasks(selected):
        if task.status_at(now).state == "succeeded":
            for url in task.urls:
                links[_path(url)] = _Link(_path(url), task.provider, task.key, task.request_id, task.ends)
    limit = selected.limit + SPARE_ENTRIES
    query = Search(provider=selected.provider, key=selected.key, statuses=SERVED, limit=limit)
    for entry in (await search(double.store, query)).entries:
        for url in _texts(entry["answer"]):
            link = _Link(_path(url), entry["provider"], entry["key"], entry["id"], entry["at"])
            links.setdefault(link.url, link)
    return list(links.values())


def _texts(value: JSON) -> Iterator[str]:
    """Yield the links to files in an answer."""
    if isinstance(value, str):
        if PREFIX in value:
            yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from _texts(member)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _path(url: str) -> str:
    """Return a link without the address of the server, which a page need not reach by the same name."""
    return url[url.find(PREFIX) :]


async def _described(double: Double, link: _Link) -> PictureInfo | None:
    """Return what the link itself says about its picture; None for one that this server has not made."""
    parts = urlsplit(link.url)
    token, _, name = parts.path.removeprefix(PREFIX).partition("/")
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    expires, links = query.get("Expires", ""), double.files.links
    if not links.is_signed(query.get("Signature", ""), token, name, expires) or token.startswith(UPLOAD):
        return None
    recipe = await links.recipe(token)
    if recipe is None:
        return None
    return {
        "url": link.url,
        "provider": link.provider,
        "key": link.key,
        "request_id": link.request_id,
        "model": recipe.model,
        "prompt": recipe.prompt,
        "width": recipe.width,
        "height": recipe.height,
        "seed": recipe.seed,
        "created": link.created,
        "expires": int(expires),
    }
