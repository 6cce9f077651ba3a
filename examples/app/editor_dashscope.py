"""Edits a picture with Model Studio, through the dashscope SDK, which uploads local files by itself."""

import os
from pathlib import Path
from typing import Any

import dashscope
import httpx


def edit(picture: Path, instruction: str, target: Path) -> Path:
    """Edit a picture as the instruction says, and store the result."""
    content = [{"image": f"file://{picture.absolute()}"}, {"text": instruction}]
    answer: Any = dashscope.MultiModalConversation.call(
        api_key=os.environ["DASHSCOPE_KEY"],
        model="qwen-image-edit-plus",
        messages=[{"role": "user", "content": content}],
        n=1,
        watermark=False,
    )
    if answer.status_code != 200:
        raise RuntimeError(f"{answer.code}: {answer.message}")
    link = answer.output.choices[0].message.content[0]["image"]
    target.write_bytes(httpx.get(link).raise_for_status().content)
    return target
