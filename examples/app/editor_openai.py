"""Paints a picture with Nebula, through the openai SDK."""

import os
from pathlib import Path

import httpx
import openai


def paint(prompt: str, target: Path) -> Path:
    """Paint what the prompt says, and store it."""
    with openai.OpenAI(base_url="https://llm.ai-nebula.com/v1", api_key=os.environ["NEBULA_KEY"]) as client:
        # Nebula wraps the answer, which the SDK's own classes do not know: so it is read as it came.
        answer = client.images.with_raw_response.generate(
            model="qwen-image-plus", prompt=prompt, extra_body={"parameters": {"size": "1328*1328"}}
        )
    link = answer.http_response.json()["data"]["data"][0]["url"]
    target.write_bytes(httpx.get(link).raise_for_status().content)
    return target
