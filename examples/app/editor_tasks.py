"""Edits a picture with EvoLink: a task that is asked for until it has ended."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import httpx

URL = "https://api.evolink.ai/v1"
PAUSE_SECONDS = 2.0


def edit(address: str, instruction: str, target: Path, pause: Callable[[float], None] = time.sleep) -> Path:
    """Edit the picture at an address as the instruction says, and store the result."""
    headers = {"Authorization": f"Bearer {os.environ['EVOLINK_KEY']}"}
    body = {"model": "qwen-image-edit", "prompt": instruction, "image_urls": [address]}
    with httpx.Client(timeout=60, headers=headers) as client:
        task = client.post(f"{URL}/images/generations", json=body).raise_for_status().json()
        while task["status"] in {"pending", "processing"}:
            pause(PAUSE_SECONDS)
            task = client.get(f"{URL}/tasks/{task['id']}").raise_for_status().json()
        if task["status"] == "failed":
            raise RuntimeError(task["error"]["message"])
        target.write_bytes(httpx.get(task["results"][0]).raise_for_status().content)
    return target
