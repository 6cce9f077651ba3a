"""Files of recordings and HAR files: loaded, replayed, compared with the schemas, scrubbed and written again."""

import asyncio
import contextlib
import json
import shutil
import string
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from fuzz.asgi import send
from fuzz.mutations import changed_bytes, changed_json, dumped
from qwenmock import fixtures
from qwenmock.mockserver.calls.double import create_double
from qwenmock.mockserver.calls.replay import Replay
from qwenmock.mockserver.http.app import create_app
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.recording.drift import as_html, as_markdown, drift
from qwenmock.pytest_plugin.recording.har import as_har, from_har
from qwenmock.schemas.catalog import Catalog, load
from qwenmock.schemas.errors import RecordingError
from qwenmock.schemas.recordings import LEAK_LENGTH, Recording, load_recordings, save, scrub_text

AT = 1_700_000_000.0


def samples(catalog: Catalog) -> list[Recording]:
    """Return the stored exchanges as recordings."""
    return [
        Recording(
            provider=provider.slug,
            method="POST",
            path=provider.endpoint_of(variant).path,
            request=exchange.request,
            status=200,
            answer=exchange.answer or {"code": 200},
            headers={"content-type": "application/json", "x-request-id": "1"},
            seconds=0.5,
            at=AT,
        )
        for provider in catalog
        for name, variant in provider.variants.items()
        for exchange in fixtures.exchanges(provider.slug, name)
    ]


def changed_file(path: Path, rng: Random) -> None:
    """Change the content of a JSON file."""
    content: Any = json.loads(path.read_text("utf-8"))
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        content = changed_json(content, rng)
    data = dumped(content, rng)
    if rng.random() < 0.2:
        data = changed_bytes(data, rng, rng.randint(1, 3))
    path.write_bytes(data)


class Recordings:
    """Recordings, in a folder that is emptied before each input."""

    def __init__(self, folder: Path, loop: asyncio.Runner) -> None:
        self._folder = folder / "recordings"
        self._folder.mkdir()
        self._again = folder / "again"
        self._loop = loop
        self._catalog = load()
        self._samples = samples(self._catalog)
        self._double = create_double(Settings(seed=1), self._catalog)
        self._app = create_app(self._double, calls_out=False)

    def run_one(self, rng: Random) -> None:
        for old in self._folder.iterdir():
            old.unlink()
        for recording in rng.sample(self._samples, rng.randint(1, 3)):
            save(self._folder, recording)
        changed_file(rng.choice(sorted(self._folder.iterdir())), rng)
        try:
            recordings = load_recordings(self._folder)
        except RecordingError as error:
            assert str(error).startswith(str(self._folder))
            return
        self._compare(recordings)
        self._loop.run(self._replay(recordings))
        self._save(recordings, rng)

    def _compare(self, recordings: list[Recording]) -> None:
        for provider in self._catalog:
            own = [recording for recording in recordings if recording.provider == provider.slug]
            found = drift(provider, own)
            assert as_markdown(found)
            assert as_html(found)

    async def _replay(self, recordings: list[Recording]) -> None:
        """Every request that was recorded is answered with the recorded status."""
        self._double.replay = Replay(recordings)
        for recording in recordings:
            if recording.provider not in self._catalog.providers or recording.method != "POST":
                continue
            headers = {"authorization": "Bearer sk-mock", "content-type": "application/json"}
            data = json.dumps(recording.request).encode()
            reply = await send(self._app, "POST", f"/{recording.provider}{recording.path}", headers, data)
            provider = self._catalog[recording.provider]
            assert reply.status in provider.statuses | {recording.status, 404, 405}
            json.loads(reply.body)

    def _save(self, recordings: list[Recording], rng: Random) -> None:
        """What is written again holds no part of a key, and scrubbing it once more changes nothing."""
        key = "sk-" + "".join(rng.choices(string.ascii_letters + string.digits, k=rng.randint(20, 48)))
        for recording in recordings:
            shown = replace(recording, answer=[recording.answer, f"{rng.choice(['', 'key=', 'Bearer ', 'x'])}{key}!"])
            try:
                path = save(self._again, shown, [key])
            except RecordingError:
                continue
            text = path.read_text("utf-8")
            assert not any(key[at : at + LEAK_LENGTH] in text for at in range(3, len(key) - LEAK_LENGTH + 1))
            assert scrub_text(text) == text
            path.unlink()


class Har:
    """HAR files of some exchanges."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._catalog = load()
        self._samples = samples(self._catalog)

    def run_one(self, rng: Random) -> None:
        path = self._folder / "exchanges.har"
        document = as_har(rng.sample(self._samples, rng.randint(1, 3)), self._catalog)
        for entry in document["log"]["entries"]:
            entry["request"]["headers"].append({"name": "Authorization", "value": "Bearer sk-mock"})
        path.write_text(json.dumps(document), "utf-8")
        changed_file(path, rng)
        try:
            recordings, secrets = from_har(path, self._catalog)
        except RecordingError as error:
            assert str(error).startswith(str(path))
            return
        for recording in recordings:
            with contextlib.suppress(RecordingError):
                save(self._folder / "recordings", recording, secrets)
        self._export()

    def _export(self) -> None:
        """What was written can be loaded, and be written as HAR."""
        folder = self._folder / "recordings"
        if folder.exists():
            json.dumps(as_har(load_recordings(folder), self._catalog))
            shutil.rmtree(folder)


@contextlib.contextmanager
def recordings() -> Iterator[Recordings]:
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as loop:
        yield Recordings(Path(folder), loop)


@contextlib.contextmanager
def har() -> Iterator[Har]:
    with tempfile.TemporaryDirectory() as folder:
        yield Har(Path(folder))
