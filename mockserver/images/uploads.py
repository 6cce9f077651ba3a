"""The object storage that SDKs upload local files to: a signed policy, a form, then an `oss://` URL.

Documented: Model Studio, "Upload a local file to obtain a temporary URL"; the form fields are those its SDK sends.
"""

import base64
import hmac
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

import orjson
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from qwenmock.mockserver.clock import Clock
from qwenmock.mockserver.images.links import Links
from qwenmock.mockserver.models import UploadPolicy
from qwenmock.mockserver.store.protocols import Store

UPLOAD_PATH = "/__upload__"
SCHEME = "oss://"
POLICY_SECONDS = 300
FILE_MEGABYTES = 100
MAX_BYTES = FILE_MEGABYTES * 2**20

TOO_LARGE = f"EntityTooLarge: at most {MAX_BYTES} bytes are accepted"


class UploadRefused(MultiPartException):
    """An upload is not accepted; the parser removes what it has of the file."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@contextmanager
def _malformed_if_undecodable() -> Generator[None]:
    """Turn an error of a charset into one after which the parser closes its files."""
    try:
        yield
    except (LookupError, UnicodeError) as error:
        raise MultiPartException(str(error)) from error


class _Form(MultiPartParser):
    """The form of an upload. Its fields come before the file, and are checked before the file is read."""

    def __init__(self, request: Request, check: Callable[[FormData], None]) -> None:
        super().__init__(request.headers, _counted(request), max_files=1, max_fields=20)
        self._check = check

    def on_headers_finished(self) -> None:
        """Check the fields where the file begins."""
        with _malformed_if_undecodable():
            super().on_headers_finished()
            if self._current_part.file is not None:
                self._check(FormData(self.items))

    def on_part_end(self) -> None:
        """Decode a field, in the charset that the Content-Type names."""
        with _malformed_if_undecodable():
            super().on_part_end()


async def _counted(request: Request) -> AsyncGenerator[bytes]:
    """Yield the body; an error where it is too large, also without a Content-Length."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BYTES:
            raise UploadRefused(400, TOO_LARGE)
        yield chunk


@dataclass(frozen=True)
class Uploads:
    """Grants uploads and receives the uploaded files."""

    store: Store
    clock: Clock
    links: Links
    new_id: Callable[[], str]

    def grant(self, folder: str, base_url: str) -> UploadPolicy:
        """Return permission to upload a file.

        Args:
            folder: Parent of the new folder that the file goes to.
            base_url: Scheme and host that the request came to.

        """
        folder = f"{folder}/{self.new_id().replace('-', '')}"
        expires = int(self.clock.now()) + POLICY_SECONDS
        text = base64.b64encode(orjson.dumps({"dir": folder, "expires": expires})).decode()
        return UploadPolicy(
            text=text,
            signature=self.links.sign("upload", text),
            folder=folder,
            url=base_url + UPLOAD_PATH,
            seconds=POLICY_SECONDS,
            max_megabytes=FILE_MEGABYTES,
        )

    async def receive(self, request: Request) -> tuple[int, str]:
        """Receive an uploaded file; return the HTTP status and, for a refusal, its reason."""
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BYTES:
            return 400, TOO_LARGE
        try:
            form = await _Form(request, self._check).parse()
        except UploadRefused as error:
            return error.status, error.message
        except (MultiPartException, ClientDisconnect, KeyError) as error:
            return 400, f"MalformedPOSTRequest: {error}"
        try:
            self._check(form)  # a field may also have come again after the file
            return await self._keep(form)
        except UploadRefused as error:
            return error.status, error.message
        except UnicodeError as error:  # the Content-Type chooses how fields are decoded
            return 400, f"MalformedPOSTRequest: {error}"
        finally:
            await form.close()

    def _check(self, fields: FormData) -> None:
        """Check that the fields permit the upload.

        Raises:
            UploadRefused: They do not.

        """
        text, key, signature = (fields.get(name) for name in ("policy", "key", "Signature"))
        if not isinstance(text, str) or not isinstance(key, str):
            raise UploadRefused(400, "InvalidArgument: policy and key are required, before the file")
        expected = self.links.sign("upload", text)
        if not isinstance(signature, str) or not hmac.compare_digest(signature.encode(), expected.encode()):
            raise UploadRefused(403, "SignatureDoesNotMatch")
        terms = orjson.loads(base64.b64decode(text))
        if not key.startswith(terms["dir"] + "/") or self.clock.now() > terms["expires"]:
            raise UploadRefused(403, "AccessDenied: the policy does not cover this upload")

    async def _keep(self, form: FormData) -> tuple[int, str]:
        """Keep the file, whose fields `_check` has accepted."""
        key, file = form.get("key"), form.get("file")
        if not isinstance(key, str) or not isinstance(file, UploadFile):
            return 400, "InvalidArgument: a file named file is required"
        await self.store.keep(SCHEME + key, await file.read())
        return 200, ""
