"""The object storage that SDKs upload local files to: a signed policy, a form, then an `oss://` URL.

Documented: Model Studio, "Upload a local file to obtain a temporary URL"; the form fields are those its SDK sends.
"""

import base64
import hmac
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

import orjson
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
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


class _Counted(Request):
    """A request whose body ends with an error where it is too large, also without a Content-Length."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.scope, request.receive)

    async def stream(self) -> AsyncGenerator[bytes]:
        """Yield the body."""
        size = 0
        async for chunk in super().stream():
            size += len(chunk)
            if size > MAX_BYTES:
                raise MultiPartException(TOO_LARGE)  # the parser then removes the file
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
            async with _Counted(request).form(max_files=1, max_fields=20) as form:
                return await self._keep(form)
        except HTTPException as error:
            return 400, TOO_LARGE if error.detail == TOO_LARGE else f"MalformedPOSTRequest: {error}"
        except ClientDisconnect as error:
            return 400, f"MalformedPOSTRequest: {error}"

    async def _keep(self, form: FormData) -> tuple[int, str]:
        text, key, file = form.get("policy"), form.get("key"), form.get("file")
        if not isinstance(text, str) or not isinstance(key, str) or not isinstance(file, UploadFile):
            return 400, "InvalidArgument: policy, key and file are required"
        signature = form.get("Signature")
        expected = self.links.sign("upload", text)
        if not isinstance(signature, str) or not hmac.compare_digest(signature.encode(), expected.encode()):
            return 403, "SignatureDoesNotMatch"
        terms = orjson.loads(base64.b64decode(text))
        if not key.startswith(terms["dir"] + "/") or self.clock.now() > terms["expires"]:
            return 403, "AccessDenied: the policy does not cover this upload"
        await self.store.keep(SCHEME + key, await file.read())
        return 200, ""
