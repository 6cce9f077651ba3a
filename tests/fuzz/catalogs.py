"""Folders of providers with something wrong in provider.toml or a schema file: loaded and, if that works, served."""

import asyncio
import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from fuzz.asgi import send
from fuzz.mutations import changed_bytes, changed_json, dumped
from qwenmock.mockserver.calls.double import create_double
from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.http.app import create_app
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.schemas import catalog
from qwenmock.schemas.errors import CatalogError

SLUGS = sorted(file.parent.name for file in catalog.HERE.glob("*/provider.toml"))
VALUES = [
    '""', '"x"', "0", "-1", "1", "1.5", "true", "[]", "{}", "[[]]", '[""]', "inf", "nan", "1e400",
    "9223372036854775807",
    "2026-01-01", "2026-01-01T00:00:00Z", "07:32:00", '"\\u0000"', '"{detail}"', '"{"', '"$"', '"../x.schema.json"',
    '"/"', '"100000000000000000000"', '"NaN"', '"Infinity"', '"-0"', '"1_000"', '"assumed"', '"documented"', '"http://["',
    "1" * 5000, "[" * 2000 + "]" * 2000, "[" * 100 + "]" * 100,
    '"https://a.example"', '"{task_id}"', '"error.schema.json"', '"edit.schema.json"', "{ a = 1 }", '"a: b"',
]  # fmt: skip


def changed_toml(text: str, rng: Random) -> str:
    """Return the text of a TOML file with a line or some bytes changed."""
    lines = text.splitlines()
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(len(lines))
        name, equals, _ = lines[at].partition(" = ")
        changes = [f"{name}{equals}{rng.choice(VALUES)}" if equals else lines[at]] * 3
        changes.append("")
        changes.append(rng.choice(lines))
        changes.append(f"{lines[at]}\n{rng.choice(lines)}")
        changes.append(changed_bytes(lines[at].encode(), rng).decode("utf-8", "replace"))
        changes.append(f"{name}{equals}{rng.choice(lines).partition(' = ')[2]}")
        lines[at] = rng.choice(changes)
    return "\n".join(lines)


class Catalogs:
    """The folder of one provider at a time."""

    def __init__(self, folder: Path, loop: asyncio.Runner) -> None:
        self._folder = folder
        self._loop = loop

    def run_one(self, rng: Random) -> None:
        slug = rng.choice(SLUGS)
        place = self._folder / slug
        shutil.copytree(catalog.HERE / slug, place)
        try:
            self._change(place, rng)
            self._load()
        finally:
            shutil.rmtree(place)

    def _change(self, place: Path, rng: Random) -> None:
        toml = place / "provider.toml"
        if rng.random() < 0.5:
            toml.write_text(changed_toml(toml.read_text("utf-8"), rng), "utf-8")
        else:
            file = rng.choice(sorted(place.glob("*.schema.json")))
            content: Any = json.loads(file.read_text("utf-8"))
            for _ in range(rng.choice([1, 1, 2])):
                content = changed_json(content, rng)
            file.write_bytes(dumped(content, rng))
        if rng.random() < 0.1:
            file = rng.choice(sorted(place.iterdir()))
            file.write_bytes(changed_bytes(file.read_bytes(), rng))

    def _load(self) -> None:
        """Loading ends in a catalogue or in the one documented error; what loads can be served."""
        try:
            found = catalog.load(self._folder)
            double = create_double(Settings(seed=1, schemas=self._folder))
        except (CatalogError, SettingsError) as error:
            assert str(error)
            return
        app = create_app(double, calls_out=False)
        for provider in found:
            for endpoint in provider.endpoints.values():
                for variant in endpoint.variants:
                    self._loop.run(self._serve(app, provider, endpoint, variant))

    async def _serve(self, app: Any, provider: Any, endpoint: Any, variant: Any) -> None:
        """The smallest body that the schema accepts gets a documented answer; dialects follow no change of its form."""
        headers = {"authorization": "Bearer sk-mock", "content-type": "application/json"}
        if endpoint.required_header is not None:
            headers[endpoint.required_header[0]] = endpoint.required_header[1]
        data = json.dumps(example(variant)).encode()
        reply = await send(app, "POST", f"/{provider.slug}{endpoint.path}", headers, data)
        assert reply.status in provider.statuses, (reply.status, reply.body[:300])
        json.loads(reply.body)


@contextlib.contextmanager
def catalogs() -> Iterator[Catalogs]:
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as loop:
        yield Catalogs(Path(folder), loop)
