"""The storage that Model Studio's SDK puts local files into before it sends them: policy, form, `oss://` address.

Published: Model Studio, upload a local file to obtain a temporary URL; the fields are those the SDK reads and sends.
"""

import base64
import hmac

import orjson
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from qwenmock.mockserver.calls.call import Call
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.models import UploadPolicy
from qwenmock.schemas.vocabulary import JSON

UPLOAD_PATH = "/__upload__"
SCHEME = "oss://"
POLICY_SECONDS = 300
FILE_MEGABYTES = 100
MAX_BYTES = FILE_MEGABYTES * 2**20


def policy(double: Double, call: Call, request_id: str) -> JSON:
    """Return the certificate that an upload needs."""
    dialect = double.dialects[call.provider.slug]
    folder = f"{dialect.upload_folder}/{double.new_id().replace('-', '')}"
    expires = int(double.clock.now()) + POLICY_SECONDS
    text = base64.b64encode(orjson.dumps({"dir": folder, "expires": expires})).decode()
    granted = UploadPolicy(
        text=text,
        signature=double.links.sign("upload", text),
        folder=folder,
        url=call.base_url + UPLOAD_PATH,
        seconds=POLICY_SECONDS,
        max_megabytes=FILE_MEGABYTES,
    )
    return dialect.upload_policy(granted, request_id)


async def store_upload(double: Double, request: Request) -> tuple[int, str]:
    """Take an uploaded file. Returns status and, for a refusal, its reason."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BYTES:
        return 400, f"EntityTooLarge: at most {MAX_BYTES} bytes are taken"
    try:
        async with request.form(max_files=1, max_fields=20) as form:
            return await _stored(double, form)
    except (HTTPException, ClientDisconnect) as error:
        return 400, f"MalformedPOSTRequest: {error}"


async def _stored(double: Double, form: FormData) -> tuple[int, str]:
    text, key, file = form.get("policy"), form.get("key"), form.get("file")
    if not isinstance(text, str) or not isinstance(key, str) or not isinstance(file, UploadFile):
        return 400, "InvalidArgument: policy, key and file are due"
    signature = form.get("Signature")
    if not isinstance(signature, str) or not hmac.compare_digest(
        signature.encode(), double.links.sign("upload", text).encode()
    ):
        return 403, "SignatureDoesNotMatch"
    terms = orjson.loads(base64.b64decode(text))
    if not key.startswith(terms["dir"] + "/") or double.clock.now() > terms["expires"]:
        return 403, "AccessDenied: the policy does not cover this upload"
    await double.store.keep(SCHEME + key, await file.read())
    return 200, ""
