"""The pages, and something for each of them to show."""

import httpx

from qwenmock import fixtures
from qwenmock.mockserver.http.server import RunningServer

VIEWS = {
    "": "button.entry",
    "#playground": ".field",
    "#gallery": "li.card img",
    "#ledger": "figure canvas",
    "#tasks": "li.card",
    "#faults": "li.card",
    "#clock": "time",
    "docs/evolink": "td",
}
"""What is on a page when it shows what `fill` made, by its path."""
EMPTY_VIEWS = {"": ".empty", "#gallery": ".empty", "#ledger": ".empty", "#tasks": ".empty", "#faults": ".empty"}
"""What is on a page while there is nothing to show."""


def fill(server: RunningServer) -> None:
    """Make something of each kind that a page shows."""
    key = {"Authorization": "Bearer sk-mock"}
    create = f"{server.origin}/nebula/v1/images/generations"
    request = fixtures.exchanges("nebula", "simplified")[0].request
    for body in (request, request | {"prompt": ""}, {}):
        httpx.post(create, json=body, headers=key)
    for prompt in ("a hat", "a hat [[qwenmock: wait=600]]"):
        task = {"model": "qwen-image-edit", "prompt": prompt, "image_urls": ["https://example.com/image1.png"]}
        httpx.post(f"{server.origin}/evolink/v1/images/generations", json=task, headers=key).raise_for_status()
    faults = [
        {"status": 500, "key": "sk-mock-other", "times": 3},
        {"drop": "before", "provider": "aigc", "probability": 0.5},
    ]
    httpx.put(f"{server.origin}/__mock__/faults", json=faults).raise_for_status()
    httpx.post(f"{server.origin}/__mock__/clock", json={"advance_seconds": 60}).raise_for_status()
