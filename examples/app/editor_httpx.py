"""Edits a picture with Nebula, over plain HTTP."""

import base64
import os
import time
from pathlib import Path

import httpx

URL = "https://llm.ai-nebula.com/v1/images/generations"
TRIES = 4


class EditFailed(Exception):
    """The provider did not edit the picture; the text is its own."""


def edit(picture: Path, instruction: str, target: Path) -> Path:
    """Edit a picture as the instruction says, and store the result."""
    data = base64.b64encode(picture.read_bytes()).decode()
    image = f"data:image/{picture.suffix.removeprefix('.')};base64,{data}"
    body = {
        "model": "qwen-image-edit-plus",
        "prompt": instruction,
        "contents": [{"role": "user", "parts": [{"image": image}, {"text": instruction}]}],
        "parameters": {"n": 1},
    }
    headers = {"Authorization": f"Bearer {os.environ['NEBULA_KEY']}"}
    with httpx.Client(timeout=60) as client:
        for turn in range(TRIES):
            answer = client.post(URL, json=body, headers=headers)
            if answer.status_code not in {429, 500} or turn == TRIES - 1:
                break
            # A 429 says how long to wait; a 500 is tried again after a while.
            time.sleep(float(answer.headers.get("Retry-After", 2**turn / 4)))
        content = answer.json()
        if answer.status_code != 200 or content["code"] != 200:
            raise EditFailed(content["msg"])
        link = content["data"]["data"][0]["url"]
        # Links end after a day: what is worth keeping is stored at once.
        target.write_bytes(client.get(link).raise_for_status().content)
    return target
