"""302.AI, aigc.it and Model Studio: three sellers of one request form, `input.messages`.

From 002, 003 and the upstream's public reference.
"""

import re
import time
import uuid
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

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

SIDES = re.compile(r"([0-9]+)\*([0-9]+)", re.ASCII)
PAINTED = ("1664*928", "1472*1104", "1328*1328", "1104*1472", "928*1664")


class Model(NamedTuple):
    """What a model takes.

    Attributes:
        n: The most images of one request.
        is_adjustable: Whether `size` and `prompt_extend` are for it.
        paints: Whether it makes pictures from a text alone.
        price: Of one image; None where no document names one.
        unasked: The size of a picture that is made from a text alone, where none is asked for.
        inputs: The most input images of a model that needs none.
        is_modern: Whether it is one of 2.1 and 3.0, whose requests have more parameters and whose usage is another.
        small_price: Of one image of at most 2,250,000 pixels, where that differs.
        input_price: Of one input image.

    """

    n: int
    is_adjustable: bool
    paints: bool = False
    price: Decimal | None = None
    unasked: str = PAINTED[0]
    inputs: int = 0
    is_modern: bool = False
    small_price: Decimal | None = None
    input_price: Decimal = Decimal(0)


class Made(NamedTuple):
    """What a request gave: its pictures, all of one size, from so many input images."""

    name: str
    model: Model
    urls: list[str]
    width: int
    height: int
    inputs: int


class MessagesServer(RightServer):
    """What the three have in common."""

    path = ""
    models: ClassVar[dict[str, Model]]
    gif = True
    bounded = False
    chinese_addresses = True
    cuts_long_texts = True
    is_role_required = True

    def respond(self, request: Request) -> Answer:
        """Return the answer to a request."""
        if request.path.rstrip("/") != self.path:
            raise RefusedError(404, "Not found", "not_found")
        if request.method != "POST":
            raise RefusedError(405, "Method not allowed", "method")
        key = self.authenticate(request)
        body = parsed(request)
        if "model" not in body:
            raise RefusedError(400, "model is required", "invalid")
        name = text(body["model"], "model")
        if name not in self.models:
            raise self.unknown_model(name)
        model = self.models[name]
        images, prompt = self.message(body, model)
        parameters = table(body.get("parameters", {}), "parameters")
        made = self.made(name, model, images, prompt, parameters)
        self.authorize(key)
        request_id = str(uuid.uuid4())
        self.charge_for(made, request_id, key)
        return Answer(200, self.success(self.upstream(made, request_id), made.urls))

    def made(self, name: str, model: Model, images: list[Any], prompt: str, parameters: dict[str, Any]) -> "Made":
        """Return the pictures that a request gives."""
        n, size, mark, seed = self.parameters(parameters, name, model)
        if model.is_modern:
            self.modern_parameters(parameters, images)
        largest = 10 * (2**20 if self.style.accepts_undocumented else MEGABYTE)
        sizes = [
            input_size(i, gif=self.gif, bounded=self.bounded, largest=largest, chinese=self.chinese_addresses)
            for i in images
        ]
        if size is None:
            sides = [int(side) for side in model.unasked.split("*")]
            size = automatic(*sizes[-1]) if sizes else (sides[0], sides[1])
        urls = [self.link(*size, f"{prompt} {seed} {place}", watermark=mark) for place in range(n)]
        return Made(name, model, urls, *size, len(images))

    def charge_for(self, made: "Made", request_id: str, key: str) -> None:
        """Book what was made: each picture by its resolution, and each input image."""
        model = made.model
        is_small = model.small_price is not None and made.width * made.height <= 2250000
        price = model.small_price if is_small else model.price
        extra = made.inputs * model.input_price
        self.charge(request_id, key, made.name, len(made.urls), price, extra)

    def message(self, body: dict[str, Any], model: Model) -> tuple[list[Any], str]:
        """Return the images and the text of the one message."""
        messages = table(body.get("input"), "input").get("messages")
        if not isinstance(messages, list) or len(messages) != 1:
            raise RefusedError(400, "messages length only support 1", "invalid")
        message = table(messages[0], "messages[0]")
        if message.get("role", "user") != "user":
            raise RefusedError(400, "role must be user", "invalid")
        if "role" not in message and self.is_role_required:
            raise RefusedError(400, "role is required", "invalid")
        content = message.get("content")
        if not isinstance(content, list):
            raise RefusedError(400, "content must be a list", "invalid")
        parts = [table(part, "part") for part in content]
        texts = [part["text"] for part in parts if "text" in part]
        images = [part["image"] for part in parts if "image" in part]
        if len(texts) != 1 or len(texts) + len(images) != len(parts):
            raise RefusedError(400, "one text is expected", "invalid")
        most = model.inputs or (0 if model.paints else 3)
        if not (0 if model.paints or model.inputs else 1) <= len(images) <= most:
            raise RefusedError(400, "lack of image or text", "invalid")
        return images, self.limited(text(texts[0], "text"), 800, "text")

    def limited(self, value: str, most: int, name: str) -> str:
        """Return a text cut to its limit, or refuse it, as the provider documents."""
        if len(value) > most and not self.cuts_long_texts and not self.style.accepts_undocumented:
            raise RefusedError(400, f"{name} must have at most {most} characters", "invalid")
        return value[:most]

    def parameters(
        self, given: dict[str, Any], name: str, model: Model
    ) -> tuple[int, tuple[int, int] | None, bool, object]:
        """Return number, size, watermark and seed."""
        n = whole(given["n"], 1, model.n, "n") if "n" in given else 1
        if "negative_prompt" in given:
            self.limited(text(given["negative_prompt"], "negative_prompt"), 500, "negative_prompt")
        mark = flag(given.get("watermark", False), "watermark")
        seed: object = whole(given["seed"], 0, 2147483647, "seed") if "seed" in given else time.time_ns()
        for member in ("size", "prompt_extend"):
            is_foreign = member in given and not model.is_adjustable
            if is_foreign and not (self.style.accepts_undocumented and self.slug != "dashscope"):
                raise RefusedError(400, f"{member} is not for {name}", "invalid")
        if "prompt_extend" in given:
            flag(given["prompt_extend"], "prompt_extend")
        return n, self.size(given, model), mark, seed

    def size(self, given: dict[str, Any], model: Model) -> tuple[int, int] | None:
        """Return the size that was asked for."""
        if "size" not in given:
            return None
        asked = given["size"]
        sides = SIDES.fullmatch(text(asked, "size"))
        if sides is None or (model.paints and asked not in PAINTED):
            raise RefusedError(400, "size is not supported", "invalid")
        width, height = int(sides[1]), int(sides[2])
        if model.inputs:
            is_long = model.is_modern and max(width, height) > 8 * min(width, height)
            if is_long or not 512 * 512 <= width * height <= 2048 * 2048:
                raise RefusedError(400, "the area or the ratio of size is not supported", "invalid")
        elif not model.paints and not (512 <= width <= 2048 and 512 <= height <= 2048):
            raise RefusedError(400, "the sides of size must be from 512 to 2048", "invalid")
        return width, height

    def modern_parameters(self, given: dict[str, Any], images: list[Any]) -> None:
        """Refuse wrong values of what only the models of 2.1 and 3.0 take."""
        mode = given.get("prompt_extend_mode", "direct")
        if mode not in ("direct", "agent") or (mode == "agent" and images):
            raise RefusedError(400, "prompt_extend_mode is not supported", "invalid")
        flag(given.get("enable_thinking", True), "enable_thinking")

    def usage(self, made: Made) -> dict[str, Any]:
        """Return what was used."""
        count = len(made.urls)
        if made.model.is_modern:
            sides = {"output_width": made.width, "output_height": made.height}
            return {**sides, "input_image_count": made.inputs, "output_image_count": count}
        return {"width": made.width, "height": made.height, "image_count": count}

    def upstream(self, made: Made, request_id: str) -> dict[str, Any]:
        """Return the body that the upstream answers."""
        message = {"role": "assistant", "content": [{"image": url} for url in made.urls]}
        output: dict[str, Any] = {"choices": [{"finish_reason": "stop", "message": message}]}
        if made.model.paints:
            output["task_metric"] = {"FAILED": 0, "SUCCEEDED": len(made.urls), "TOTAL": len(made.urls)}
        usage = self.usage(made)
        if self.style.extra_members:
            usage["images"] = [{"bytes": 1}]
            output["finished"] = True
        return {"output": output, "usage": usage, "request_id": request_id}

    def success(self, upstream: dict[str, Any], urls: list[str]) -> dict[str, Any]:  # noqa: ARG002, aigc needs them
        """Return the body of a success."""
        return upstream

    def unknown_model(self, name: str) -> RefusedError:
        """Return the refusal of a model that is not sold."""
        return RefusedError(400, f"the model {name[:50]} does not exist", "invalid")

    def extra_headers(self, error: RefusedError) -> dict[str, str]:
        """Return the headers of a refusal."""
        return {"Retry-After": "2"} if error.status == 429 and self.style.retry_after else {}


class AI302(MessagesServer):
    """302.AI: the models of its pages; errors of the gateway and of the upstream have two forms."""

    slug = "ai302"
    currency = "PTC"
    path = "/aliyun/api/v1/services/aigc/multimodal-generation/generation"
    models: ClassVar[dict[str, Model]] = {
        "qwen-image-edit": Model(1, is_adjustable=False, price=Decimal("0.05")),
        "qwen-image-edit-plus": Model(6, is_adjustable=True),
        "qwen-image-edit-plus-2025-12-15": Model(6, is_adjustable=True),
        "qwen-image-max": Model(1, is_adjustable=True, paints=True, unasked="1328*1328"),
    }
    gif = False
    bounded = True
    chinese_addresses = False
    is_role_required = False

    def unknown_model(self, name: str) -> RefusedError:  # noqa: ARG002, not in this text
        """Return the gateway's refusal."""
        return RefusedError(503, "No available models/channels currently", "channel")

    def refusal(self, error: RefusedError, request: Request) -> Answer:  # noqa: ARG002, not in this body
        """Return a refusal."""
        headers = self.extra_headers(error)
        if error.status in {400, 500}:
            code = "InvalidParameter" if error.status == 400 else "InternalError"
            return Answer(error.status, {"code": code, "message": error.text, "request_id": str(uuid.uuid4())}, headers)
        number = -10008 if error.code == "channel" else -10001 if error.status == 401 else -10099
        words = {"message": error.text, "message_cn": "错误", "message_jp": "エラー"}
        return Answer(error.status, {"error": {"err_code": number, **words, "type": "api_error"}}, headers)


class Aigc(MessagesServer):
    """aigc.it: four models; the form of its answers is not documented."""

    slug = "aigc"
    currency = "CNY"
    path = "/v1/images/generations"
    models: ClassVar[dict[str, Model]] = {
        "qwen-image-edit-max": Model(6, is_adjustable=True),
        "qwen-image-edit-plus": Model(6, is_adjustable=True),
        "qwen-image-edit-plus-2025-12-15": Model(6, is_adjustable=True),
        "qwen-image-edit": Model(1, is_adjustable=False),
    }
    cuts_long_texts = False

    def success(self, upstream: dict[str, Any], urls: list[str]) -> dict[str, Any]:
        """Return the images as OpenAI-like gateways do, with the upstream's body beside them."""
        data = [{"url": url, "b64_json": "", "revised_prompt": ""} for url in urls]
        return {"created": int(time.time()), "data": data, "metadata": upstream}

    def refusal(self, error: RefusedError, request: Request) -> Answer:  # noqa: ARG002, not in this body
        """Return a refusal."""
        body = {"message": error.text, "type": "invalid_request_error", "param": "", "code": error.code}
        return Answer(error.status, {"error": body}, self.extra_headers(error))
