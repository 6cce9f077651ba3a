"""The services that the rooms of one server share.

The rooms below `calls` take a `Services`; `calls.double.Double` extends it with what only `calls` and the rooms above
it need.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from qwenmock.mockserver.clock import Clock
from qwenmock.mockserver.metrics import Metrics
from qwenmock.mockserver.settings import Settings
from qwenmock.mockserver.store.compact import CompactEntry
from qwenmock.mockserver.store.protocols import Store
from qwenmock.mockserver.store.records import NewEntry
from qwenmock.schemas.catalog import Catalog

OTHER_BITS = ~(0xF << 76 | 0b11 << 62)
VERSION_4 = 4 << 76 | 0b10 << 62


@dataclass(kw_only=True)
class Services:
    """The settings, the state and the tools of one running server.

    Attributes:
        rng: The only source of randomness; `--seed` seeds it.
        wake: Called when there is work for the callback worker.
        log: Called with each journal entry.
        settling: The tasks that are being settled now; None before the first.

    """

    settings: Settings
    catalog: Catalog
    store: Store
    clock: Clock
    rng: Random
    metrics: Metrics = field(default_factory=Metrics)
    wake: Callable[[], None] = lambda: None
    log: Callable[[NewEntry | CompactEntry], None] = lambda _entry: None
    settling: "asyncio.Future[list[bool]] | None" = None

    def new_id(self) -> str:
        """Return a new UUID (version 4). The same seed gives the same ids in the same order."""
        # 0.6 µs; `str(uuid.UUID(int=…, version=4))` takes 4.0 µs, and a request needs two.
        digits = (self.rng.getrandbits(128) & OTHER_BITS | VERSION_4).to_bytes(16, "big").hex()
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
