"""Answers as they were recorded, for requests that were recorded; the contract answers the rest."""

from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from qwenmock.schemas.recordings import Recording, fingerprint, load_recordings
from qwenmock.schemas.vocabulary import JSON


@dataclass
class _Turns:
    recordings: list[Recording]
    next: int = 0


class Replay:
    """The recordings of a folder, by what was asked. Several of one request take turns, and the last stays."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self._found: dict[str, _Turns] = defaultdict(lambda: _Turns([]))
        for recording in recordings:
            key = fingerprint(recording.provider, recording.path, recording.request)
            self._found[key].recordings.append(recording)

    @classmethod
    def of(cls, folder: Path) -> "Replay":
        """Return the recordings of a folder.

        Raises:
            RecordingError: The folder does not exist, or a file is not a valid recording.

        """
        return cls(load_recordings(folder))

    def find(self, provider: str, path: str, request: JSON) -> Recording | None:
        """Return the recording for a request."""
        turns = self._found.get(fingerprint(provider, path, request))
        if turns is None:
            return None
        recording = turns.recordings[turns.next]
        turns.next = min(turns.next + 1, len(turns.recordings) - 1)
        return recording


def with_links(answer: JSON, links: Sequence[str], names: AbstractSet[str]) -> JSON:
    """Return a recorded answer with its links to images, which have expired, replaced by new ones.

    Args:
        links: The new links; a link that stands in several places is replaced by the same one everywhere.
        names: The members that hold links: `Provider.link_names`.

    """
    left = list(links)
    new: dict[str, str] = {}

    def put(value: JSON, name: str) -> JSON:
        if isinstance(value, str) and name in names and value.startswith(("http://", "https://")):
            if value not in new and left:
                new[value] = left.pop(0)
            return new.get(value, value)
        if isinstance(value, dict):
            return {member: put(inner, member) for member, inner in value.items()}
        if isinstance(value, list):
            return [put(item, name) for item in value]
        return value

    return put(answer, "")
