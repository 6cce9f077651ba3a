"""Input images, uploads and long prompts in Redis."""

from qwenmock.mockserver.store.records import KEPT_BYTES
from qwenmock.mockserver.store.redis.connection import PREFIX, Connection

KEYS = tuple(f"{PREFIX}{{kept}}:{name}" for name in ("data", "sizes", "turns", "sum", "turn"))


class RedisBlobs(Connection):
    """The stored bytes: a hash, with their sizes and the order of their use."""

    async def keep(self, digest: str, data: bytes | bytearray) -> None:
        """Store some bytes; the least recently used are dropped when there is no room."""
        await self._run("keep", KEYS, digest, bytes(data), KEPT_BYTES)

    async def kept(self, digest: str) -> bytes | None:
        """Return the stored bytes, or None."""
        return await self._call("HGET", KEYS[0], digest)
