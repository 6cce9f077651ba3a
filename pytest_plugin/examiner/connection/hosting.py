"""URLs of the images in requests: a URL that can be fetched in place of each one that stands for an image."""

import base64
import re

import orjson

from qwenmock.pytest_plugin.examiner.json_values import read_member, read_string
from qwenmock.pytest_plugin.examiner.results import NotExaminable
from qwenmock.pytest_plugin.examiner.sample_images import HOSTED, SAMPLES
from qwenmock.pytest_plugin.examiner.settings import SessionSettings
from qwenmock.pytest_plugin.examiner.target import Target

HOSTED_HOST = b"pictures.example.com"
HOSTED_ADDRESS = re.compile(rb"https://pictures\.example\.com/[0-9a-f]{24}\.png")


class PictureHost:
    """Puts URLs that can be fetched into requests. The double's control API hosts images; nothing else does."""

    def __init__(self, target: Target, settings: SessionSettings) -> None:
        self._target = target
        self._control = settings.control
        self._real_image = settings.image if settings.live else None
        self._hosted: dict[bytes, bytes] = {}

    def with_real_addresses(self, content: bytes) -> bytes:
        """Return the body with URLs that can be fetched.

        Raises:
            NotExaminable: The target cannot host the images.

        """
        if self._real_image is not None:
            for sample in SAMPLES:
                real = f"{sample.partition(':')[0]}:{self._real_image.partition(':')[2]}"
                content = content.replace(orjson.dumps(sample), orjson.dumps(real))
        # The search for the pattern takes three times as long: 3 ms for a body of 13 MB.
        for address in set(HOSTED_ADDRESS.findall(content)) if HOSTED_HOST in content else ():
            if address not in self._hosted:
                self._hosted[address] = self._host(HOSTED.get(address.decode(), ""))
            content = content.replace(address, self._hosted[address])
        return content

    def _host(self, data_url: str) -> bytes:
        if self._control is None:
            raise NotExaminable("images can only be sent as URLs here, and the target does not host any")
        data = base64.b64decode(data_url.partition(",")[2])
        reply = self._target.send("POST", f"{self._control}/images?suffix=png", {"Content-Type": "image/png"}, data)
        if reply.status != 200:
            raise NotExaminable(f"the target does not host this image: {reply.excerpt}")
        return read_string(read_member(reply.json(), "url"), "url").encode()

    def forget(self) -> None:
        """Host every image again before its next use."""
        self._hosted.clear()
