"""Nebula, from its two pages: text to image (001) and image editing (000)."""

import time
import uuid
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from right_servers.base import (
    MEGABYTE,
    Answer,
    RefusedError,
    Request,
    RightServer,
    automatic,
    flag,
    input_size,
    parsed,
    table,
    text,
    whole,
)

PATH = "/v1/images/generations"
PAINTER = "qwen-image-plus"
EDITORS = ("qwen-image-edit-plus", "qwen-image-edit-plus-2025-10-30")
SIZES = ("1328*1328", "1664*928", "928*1664", "1472*1140", "1140*1472")
PRICE = Decimal("0.18")


class Nebula(RightServer):
    """Answers as the pages say, and bills 0.18 CNY an image."""

    slug = "nebula"
    currency = "CNY"

    def respond(self, request: Request) -> Answer:
        """Return the answer to a request."""
        if request.path != PATH:
            raise RefusedError(404, "Not found")
        if request.method != "POST":
            raise RefusedError(405, "Method not allowed")
        key = self.authenticate(request)
        body = parsed(request)
        model = text(body.get("model"), "model")
        if model == PAINTER:
            urls, size, task_metric = self.paint(body, key)
        elif model in EDITORS:
            urls, size, task_metric = self.edit(body, key)
        else:
            raise RefusedError(400, f"the model {model[:50]} does not exist", "invalid")
        return self.success(key, model, urls, size, task_metric=task_metric)

    def paint(self, body: dict[str, Any], key: str) -> tuple[list[str], tuple[int, int], bool]:
        """Make one picture from a text."""
        prompt = text(body.get("prompt"), "prompt")
        if not prompt and not self.style.accepts_undocumented:
            raise RefusedError(400, "prompt is empty", "invalid")
        extra = body.get("extra")
        if extra is not None:
            extra = table(extra, "extra")
            content = table(extra.get("input"), "extra.input").get("messages")
            if not isinstance(content, list) or not content:
                raise RefusedError(400, "extra.input.messages is required", "invalid")
            for message in content:
                parts = table(message, "message").get("content")
                if message.get("role") != "user" or not isinstance(parts, list) or len(parts) != 1:
                    raise RefusedError(400, "one message of the user with one text is expected", "invalid")
                text(table(parts[0], "part").get("text"), "text")
            if len(content) > 1:
                raise RefusedError(400, "one message is expected", "invalid")
            parameters = table(extra.get("parameters"), "extra.parameters")
        else:
            parameters = table(body.get("parameters"), "parameters")
        size = parameters.get("size")
        if size not in SIZES:
            raise RefusedError(400, "Unsupported image size", "size")
        if "negative_prompt" in parameters:
            text(parameters["negative_prompt"], "negative_prompt")
        for name in ("prompt_extend", "watermark"):
            if name in parameters:
                flag(parameters[name], name)
        if "n" in parameters and not self.style.accepts_undocumented:
            whole(parameters["n"], 1, 1, "n")
        if "seed" in parameters and not self.style.accepts_undocumented:
            whole(parameters["seed"], 0, 2147483647, "seed")
        self.authorize(key)
        width, height = (int(side) for side in size.split("*"))
        mark = parameters.get("watermark", True)
        return [self.link(width, height, prompt, watermark=mark)], (width, height), True

    def edit(self, body: dict[str, Any], key: str) -> tuple[list[str], tuple[int, int], bool]:
        """Edit pictures."""
        text(body.get("prompt"), "prompt")
        parameters = table(body.get("parameters"), "parameters")
        contents = body.get("contents")
        if not isinstance(contents, list) or len(contents) != 1:
            raise RefusedError(400, "contents must have one entry", "invalid")
        entry = table(contents[0], "contents[0]")
        parts = entry.get("parts")
        if entry.get("role") != "user" or not isinstance(parts, list) or not parts:
            raise RefusedError(400, "contents[0] must be the user's, with parts", "invalid")
        images = [part["image"] for part in parts if isinstance(part, dict) and "image" in part]
        if len(images) > 3:
            raise RefusedError(400, "Image quantity exceeds limit", "quantity")
        if not images or len(images) != len(parts) - 1:
            raise RefusedError(400, "1 to 3 images and one text are expected", "invalid")
        instruction = text(table(parts[-1], "the last part").get("text"), "text")
        n = 1
        if "n" in parameters:
            try:
                n = whole(parameters["n"], 1, 6, "n")
            except RefusedError as error:
                if error.code == "range:n":
                    raise RefusedError(400, "Image quantity exceeds limit", "quantity") from error
                raise
        if "negative_prompt" in parameters:
            text(parameters["negative_prompt"], "negative_prompt")
        mark = flag(parameters.get("watermark", False), "watermark")
        seed = whole(parameters["seed"], 0, 2147483647, "seed") if "seed" in parameters else time.time_ns()
        largest = 10 * (2**20 if self.style.accepts_undocumented else MEGABYTE)
        sizes = [input_size(image, gif=False, bounded=True, largest=largest) for image in images]
        self.authorize(key)
        width, height = automatic(*sizes[-1])
        urls = [self.link(width, height, f"{instruction} {seed} {place}", watermark=mark) for place in range(n)]
        return urls, (width, height), False

    def success(self, key: str, model: str, urls: list[str], size: tuple[int, int], *, task_metric: bool) -> Answer:
        """Return the answer with the pictures, and charge for them."""
        request_id = str(uuid.uuid4())
        self.charge(request_id, key, model, len(urls), PRICE)
        message = {"content": [{"image": url} for url in urls], "role": "assistant"}
        output: dict[str, Any] = {"choices": [{"finish_reason": "stop", "message": message}]}
        if task_metric:
            output["task_metric"] = {"FAILED": 0, "SUCCEEDED": len(urls), "TOTAL": len(urls)}
        usage: dict[str, Any] = {"width": size[0], "image_count": len(urls), "height": size[1]}
        data: dict[str, Any] = {
            "data": [{"url": url, "b64_json": "", "revised_prompt": ""} for url in urls],
            "created": int(time.time()),
            "metadata": {"output": output, "usage": usage, "request_id": request_id},
        }
        if self.style.extra_members:
            usage["seconds"] = 7.5
            data["queue"] = {"waited": 3}
        return Answer(
            200, {"code": 200, "msg": "操作成功" if self.style.own_words else "Operation successful", "data": data}
        )

    def billing_log(self, model: str, images: int) -> Any:
        """Return the record that both pages print: the quota of one image, and dollars for all."""
        dollars = Decimal(12329 * images) / 500000
        if images > 2 and self.style.own_words:
            # The pages print one and two images only: rounding the total once agrees with them too.
            dollars = (PRICE * images / Decimal("7.3") * 500000).quantize(Decimal(1), ROUND_HALF_UP) / 500000
        total = PRICE * images
        return {
            "content": f"Image generation: {images} image{'s' if images > 1 else ''} × ¥0.18 = ¥{total}",
            "modelName": model,
            "quota": 12329,
            "quotaDollar": f"{dollars:.6f}",
        }

    def refusal(self, error: RefusedError, request: Request) -> Answer:  # noqa: ARG002, some providers need it
        """Return a refusal."""
        words = error.text
        if error.status == 400:
            words = f"Parameter Error: {words}"
        if self.style.own_words and error.status not in {400, 429}:
            words = f"{words} (see the documentation)"
        headers = {"Retry-After": "2"} if error.status == 429 and self.style.retry_after else {}
        return Answer(error.status, {"code": error.status, "msg": words, "data": None}, headers)
