"""Commands that send a request again: short enough for a terminal, with long bodies and pictures in files."""

import base64
import binascii
import hashlib
import re
import shlex
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from qwenmock.pytest_plugin.examiner.connection.credentials import Credentials
from qwenmock.pytest_plugin.examiner.findings import Request

INLINE_MAX = 400
"""Characters of a body that stand in a command; a longer body is in a file."""
DATA_URL = re.compile(rb"data:image/([a-z]{1,8})[a-z+.-]{0,20};base64,([A-Za-z0-9+/=]+)")
PICTURES_MAX = 6
"""Pictures of one body that are written to files."""
PICTURE_MAX = 1_000_000
"""Characters of a picture that is: a larger one is in the body only."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A command, and the files that belong to it: the body that it reads, and the pictures in the body."""

    curl: str
    files: tuple[str, ...] = ()


@cache
def _temporary_folder() -> Path:
    """Return the folder for the files of runs in this process that write no report. It is left for the user."""
    return Path(tempfile.mkdtemp(prefix="qwenmock-"))


class Reproductions:
    """Writes commands, with the key as the name of its environment variable.

    Args:
        credentials: The keys, which are in no command and no file.
        folder: Where long bodies are written; None for a temporary folder. It is made when it is needed.

    """

    def __init__(self, credentials: Credentials, folder: Path | None) -> None:
        self._credentials = credentials
        self._folder = folder

    def of(self, request: Request) -> Reproduction:
        """Return the command for a request, and write the files that it needs."""
        headers = sorted(request.headers.items(), key=lambda header: header[0] != "Content-Type")
        options = "".join(f" -H {self._quoted(f'{name}: {value}')}" for name, value in headers)
        command = f"curl -sS -X {request.method} {self._quoted(request.url)}{options}"
        if not request.content:
            return Reproduction(command)
        text = self._inline(request.content)
        if text is not None:
            return Reproduction(f"{command} --data-binary {text}")
        files = self._write(request.content)
        return Reproduction(f"{command} --data-binary {shlex.quote(f'@{files[0]}')}", files)

    def _inline(self, content: bytes) -> str | None:
        """Return a body as an argument; None if it is too long, or has bytes that a command line cannot have."""
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            return None
        if len(text) > INLINE_MAX or not text.isprintable() or text.startswith("@"):
            return None
        return shlex.quote(self._credentials.mask(text))

    def _write(self, content: bytes) -> tuple[str, ...]:
        folder = self._folder or _temporary_folder()
        folder.mkdir(exist_ok=True)
        name = hashlib.sha256(content).hexdigest()[:12]
        body = folder / f"{name}.body"
        body.write_bytes(self._credentials.mask_bytes(content))
        paths = [body]
        for number, match in enumerate(DATA_URL.finditer(content)):
            if number == PICTURES_MAX:
                break
            if len(match[2]) > PICTURE_MAX:
                continue
            try:
                picture = base64.b64decode(match[2], validate=True)
            except binascii.Error:
                continue
            paths.append(folder / f"{name}-{number + 1}.{match[1].decode()}")
            paths[-1].write_bytes(picture)
        return tuple(map(str, paths))

    def _quoted(self, text: str) -> str:
        """Quote a text for a shell: in double quotes if the shell must put a key there."""
        masked = self._credentials.mask(text)
        return shlex.quote(text) if masked == text else f'"{masked}"'
