"""`qwenmock har`: convert recordings to HAR and back."""

from dataclasses import dataclass
from pathlib import Path

import click

from qwenmock.mockserver.commands import parameters as types
from qwenmock.mockserver.commands.base import Command, Group


@dataclass(frozen=True)
class HarOptions:
    """What to convert.

    Attributes:
        folder: Folder of recordings.
        file: HAR file.

    """

    folder: Path
    file: Path


def export_har(options: HarOptions) -> int:
    """Write recordings as HAR."""
    import json

    from qwenmock.pytest_plugin.recording.har import as_har
    from qwenmock.schemas.catalog import load
    from qwenmock.schemas.recordings import load_recordings
    from qwenmock.schemas.wording import counted

    recordings = load_recordings(options.folder)
    text = json.dumps(as_har(recordings, load()), ensure_ascii=False, indent=2)
    options.file.write_text(text + "\n", "utf-8")
    print(counted(len(recordings), "exchange"))
    return 0


def import_har(options: HarOptions) -> int:
    """Record the exchanges of a HAR file."""
    from qwenmock.pytest_plugin.recording.har import from_har
    from qwenmock.schemas.catalog import load
    from qwenmock.schemas.recordings import save
    from qwenmock.schemas.wording import counted

    recordings, secrets = from_har(options.file, load())
    for recording in recordings:
        save(options.folder, recording, secrets)
    print(counted(len(recordings), "exchange"))
    return 0


FOLDER = click.Argument(["folder"], type=types.FOLDER, metavar="DIR")
FILE = click.Argument(["file"], type=types.FILE, metavar="FILE")
command = Group(
    "har",
    [
        Command(
            "export",
            export_har,
            HarOptions,
            params=[FOLDER, FILE],
            help="Write a folder of recordings as one HAR file.",
            example="qwenmock har export recordings recordings.har",
        ),
        Command(
            "import",
            import_har,
            HarOptions,
            params=[FILE, FOLDER],
            help="Record a HAR file's exchanges with providers, scrubbed.",
            example="qwenmock har import browser.har recordings",
        ),
    ],
    metavar="ACTION",
    help="Convert recordings to HAR and back.",
    example="qwenmock har export recordings recordings.har",
)
