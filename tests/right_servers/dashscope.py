"""Model Studio, from its public reference: the synchronous call, and tasks for text to image."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

from right_servers.base import KEYS, Answer, RefusedError, Request, Style, parsed, table, text
from right_servers.messages import Made, MessagesServer, Model

SYNTHESIS = "/api/v1/services/aigc/text2image/image-synthesis"
GENERATION = "/api/v1/services/aigc/image-generation/generation"
TASKS = "/api/v1/tasks"
COMPATIBLE = "/compatible-mode/v1/images/generations"
SYNTHESIZED = {"qwen-image", "qwen-image-plus"}
"""The models of 2025 that work as tasks."""
PENDING, TAKES = 0.05, 0.2
"""Seconds until a task starts, and until it is done."""
PLUS = Decimal("0.20")
MAX = Decimal("0.50")
CODES = {
    "unauthorized": "InvalidApiKey",
    "rate_limited": "Throttling.RateQuota",
    "forbidden": "AccessDenied",
    "not_asynchronous": "AccessDenied",
    "not_synchronous": "AccessDenied",
    "empty": "Arrearage",
    "internal": "InternalError",
    "unknown_model": "ModelNotFound",
    "not_cancellable": "UnsupportedOperation",
}
TEXTS = {
    "unauthorized": "Invalid API-key provided.",
    "rate_limited": "Requests rate limit exceeded, please try again later.",
    "empty": "Access denied, please make sure your account is in good standing.",
}


class Task(NamedTuple):
    """A task; its state follows from the time."""

    id: str
    request_id: str
    key: str
    model: str
    prompt: str
    created: float
    made: Made
    is_extended: bool
    with_choices: bool

    def state(self) -> str:
        """Return the status."""
        age = time.time() - self.created
        return "PENDING" if age < PENDING else "RUNNING" if age < TAKES else "SUCCEEDED"


class DashScope(MessagesServer):
    """Answers as the reference says."""

    slug = "dashscope"
    currency = "CNY"
    path = "/api/v1/services/aigc/multimodal-generation/generation"
    models: ClassVar[dict[str, Model]] = {
        "qwen-image": Model(1, is_adjustable=True, paints=True, price=Decimal("0.25")),
        "qwen-image-plus": Model(1, is_adjustable=True, paints=True, price=PLUS),
        "qwen-image-edit": Model(1, is_adjustable=False, price=Decimal("0.30")),
        "qwen-image-edit-plus": Model(6, is_adjustable=True, price=PLUS),
        "qwen-image-edit-plus-2025-10-30": Model(6, is_adjustable=True, price=PLUS),
        "qwen-image-edit-plus-2025-12-15": Model(6, is_adjustable=True, price=PLUS),
        "qwen-image-edit-max": Model(6, is_adjustable=True, price=MAX),
        "qwen-image-edit-max-2026-01-16": Model(6, is_adjustable=True, price=MAX),
        "qwen-image-plus-2026-01-09": Model(1, is_adjustable=True, paints=True, price=PLUS),
        "qwen-image-max": Model(1, is_adjustable=True, paints=True, price=MAX),
        "qwen-image-max-2025-12-30": Model(1, is_adjustable=True, paints=True, price=MAX),
        **{
            name: Model(6, is_adjustable=True, inputs=3, unasked="2048*2048", price=price)
            for name, price in (
                ("qwen-image-2.0", PLUS),
                ("qwen-image-2.0-2026-03-03", PLUS),
                ("qwen-image-2.0-pro", MAX),
                ("qwen-image-2.0-pro-2026-03-03", MAX),
                ("qwen-image-2.0-pro-2026-04-22", MAX),
                ("qwen-image-2.0-pro-2026-06-22", MAX),
            )
        },
        "qwen-image-2.1-pro": Model(6, is_adjustable=True, inputs=10, is_modern=True, unasked="1280*800"),
        "qwen-image-3.0": Model(
            6,
            is_adjustable=True,
            inputs=3,
            is_modern=True,
            unasked="1024*1024",
            price=Decimal("0.18"),
            input_price=Decimal("0.02"),
        ),
        "qwen-image-3.0-pro": Model(
            6,
            is_adjustable=True,
            inputs=3,
            is_modern=True,
            unasked="1536*1024",
            price=MAX,
            small_price=Decimal("0.25"),
            input_price=Decimal("0.02"),
        ),
    }

    def __init__(self, style: Style) -> None:
        super().__init__(style)
        self.tasks: dict[str, Task] = {}
        self.cancelled: dict[str, float] = {}
        self.billed: set[str] = set()

    def respond(self, request: Request) -> Answer:
        """Return the answer to a request."""
        path = request.path.rstrip("/")
        if path == self.path:
            key = self.authenticate(request)
            del key
            if request.headers.get("x-dashscope-async", "").lower() == "enable":
                self.check_model(request)
                raise RefusedError(403, "Current user api does not support asynchronous calls.", "not_asynchronous")
            return super().respond(request)
        if path == COMPATIBLE and request.method == "POST":
            return self.compatible(request)
        if path in {SYNTHESIS, GENERATION} and request.method == "POST":
            return self.create(request, path)
        if path == TASKS and request.method == "GET":
            return self.listed(request)
        if path.startswith(TASKS + "/"):
            task_id = path.removeprefix(TASKS + "/")
            if request.method == "POST" and task_id.endswith("/cancel"):
                return self.cancel(request, task_id.removesuffix("/cancel"))
            if request.method == "GET":
                return self.query(request, task_id)
        if path == "/api/v1/uploads" and request.method == "GET":
            return self.policy(request)
        raise RefusedError(404, "Not found", "not_found")

    def check_model(self, request: Request) -> None:
        """Refuse a wrong body before a wrong way of calling."""
        body = parsed(request)
        name = text(body.get("model"), "model")
        if name not in self.models:
            raise self.unknown_model(name)
        images, prompt = self.message(body, self.models[name])
        self.made(name, self.models[name], images, prompt, table(body.get("parameters", {}), "parameters"))

    def compatible(self, request: Request) -> Answer:
        """Answer in OpenAI's form."""
        key = self.authenticate(request)
        body = parsed(request)
        if "model" not in body:
            raise RefusedError(400, "model is required", "invalid")
        name = text(body["model"], "model")
        if name not in self.models or not self.models[name].is_modern:
            raise self.unknown_model(name)
        model = self.models[name]
        prompt = text(body.get("prompt"), "prompt")
        if not prompt and not self.style.accepts_undocumented:
            raise RefusedError(400, "prompt is empty", "invalid")
        images = body.get("image", [])
        images = [images] if isinstance(images, str) else images
        if not isinstance(images, list) or len(images) > model.inputs or ("image" in body and not images):
            raise RefusedError(400, "image is not supported", "invalid")
        if body.get("response_format", "url") not in ("url", "b64_json"):
            raise RefusedError(400, "response_format is not supported", "invalid")
        parameters = dict(body)
        if "size" in body:
            parameters["size"] = text(body["size"], "size").replace("*", " ").replace("x", "*")
        made = self.made(name, model, images, prompt, parameters)
        self.authorize(key)
        self.charge_for(made, str(uuid.uuid4()), key)
        answer: dict[str, Any] = {"data": [{"url": url} for url in made.urls]}
        if not self.style.extra_members:
            answer |= {"created": int(time.time()), "usage": self.usage(made)}
        return Answer(200, answer)

    def create(self, request: Request, path: str) -> Answer:
        """Begin a task."""
        key = self.authenticate(request)
        body = parsed(request)
        if "model" not in body:
            raise RefusedError(400, "model is required", "invalid")
        name = text(body["model"], "model")
        is_made_here = name in SYNTHESIZED or (
            path == GENERATION and name in self.models and self.models[name].is_modern
        )
        if not is_made_here:
            raise self.unknown_model(name)
        model = self.models[name]
        parameters = table(body.get("parameters", {}), "parameters")
        images: list[Any] = []
        if path == SYNTHESIS:
            given = table(body.get("input"), "input")
            prompt = self.limited(text(given.get("prompt"), "prompt"), 800, "prompt")
            if not prompt and not self.style.accepts_undocumented:
                raise RefusedError(400, "prompt is empty", "invalid")
            if "negative_prompt" in given:
                text(given["negative_prompt"], "negative_prompt")
        else:
            images, prompt = self.message(body, model)
        made = self.made(name, model, images, prompt, parameters)
        if request.headers.get("x-dashscope-async", "").lower() != "enable":
            raise RefusedError(403, "current user api does not support synchronous calls", "not_synchronous")
        self.authorize(key)
        task = Task(
            id=str(uuid.uuid4()),
            request_id=str(uuid.uuid4()),
            key=key,
            model=name,
            prompt=prompt,
            created=time.time(),
            made=made,
            is_extended=parameters.get("prompt_extend", True),
            with_choices=path == GENERATION,
        )
        with self.lock:
            self.tasks[task.id] = task
        return Answer(200, {"output": {"task_status": "PENDING", "task_id": task.id}, "request_id": task.request_id})

    def own(self, request: Request, task_id: str) -> tuple[str, Task | None]:
        """Return the key, and its task of that id."""
        key = self.authenticate(request)
        if key == KEYS["broken"]:
            raise RefusedError(500, "An internal error has occured", "internal")
        self.settle()
        task = self.tasks.get(task_id)
        return key, task if task is not None and task.key == key else None

    def query(self, request: Request, task_id: str) -> Answer:
        """Return a task as it is now."""
        _, task = self.own(request, task_id)
        request_id = str(uuid.uuid4())
        if task is None:
            return Answer(200, {"request_id": request_id, "output": {"task_id": task_id, "task_status": "UNKNOWN"}})
        output, usage = self.output(task)
        return Answer(200, {"request_id": request_id, "output": output, **usage})

    def output(self, task: Task) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what a query answers in `output`, and the usage."""
        if task.id in self.cancelled:
            times = {"submit_time": stamp(task.created), "scheduled_time": stamp(self.cancelled[task.id])}
            ended = {"end_time": stamp(self.cancelled[task.id])}
            return {"task_id": task.id, "task_status": "CANCELED", **times, **ended}, {}
        state = task.state()
        output: dict[str, Any] = {"task_id": task.id, "task_status": state}
        if state == "PENDING":
            return output, {}
        output |= {"submit_time": stamp(task.created), "scheduled_time": stamp(task.created + PENDING)}
        done = int(state == "SUCCEEDED")
        if not task.with_choices:
            output["task_metrics"] = {"TOTAL": 1, "SUCCEEDED": done, "FAILED": 0}
        if not done:
            return output, {}
        output["end_time"] = stamp(task.created + TAKES)
        if task.with_choices:
            message = {"role": "assistant", "content": [{"image": url} for url in task.made.urls]}
            output["choices"] = [{"finish_reason": "stop", "message": message}]
            return output, {"usage": self.usage(task.made)}
        prompts = {"orig_prompt": task.prompt} | (
            {"actual_prompt": task.prompt + ", in detail"} if task.is_extended else {}
        )
        output["results"] = [{**prompts, "url": task.made.urls[0]}]
        return output, {"usage": {"image_count": 1}}

    def cancel(self, request: Request, task_id: str) -> Answer:
        """Cancel a task that has not started."""
        _, task = self.own(request, task_id)
        if task is None or task.id in self.cancelled or task.state() != "PENDING":
            raise RefusedError(
                400, "Failed to cancel the task, please confirm if the task is in PENDING status.", "not_cancellable"
            )
        self.cancelled[task.id] = time.time()
        return Answer(200, {"request_id": str(uuid.uuid4())})

    def listed(self, request: Request) -> Answer:
        """Return the key's tasks."""
        key, _ = self.own(request, "")
        entries = [
            {"model_name": task.model, "request_id": str(uuid.uuid4()), **self.output(task)[0]}
            for task in reversed(self.tasks.values())
            if task.key == key
        ]
        page = {"page_no": 1, "page_size": 10, "total_page": 1, "total": len(entries)}
        return Answer(200, {"request_id": str(uuid.uuid4()), **page, "data": entries[:10]})

    def policy(self, request: Request) -> Answer:
        """Return an upload policy; nothing can be uploaded to this server."""
        self.own(request, "")
        data = {
            "policy": "e30=",
            "signature": "none",
            "upload_dir": "none",
            "upload_host": self.origin,
            "max_file_size_mb": 100,
        }
        return Answer(200, {"request_id": str(uuid.uuid4()), "data": data})

    def settle(self) -> None:
        """Bill the tasks that are done."""
        with self.lock:
            done = [t for t in self.tasks.values() if t.id not in self.billed | set(self.cancelled)]
            done = [t for t in done if t.state() == "SUCCEEDED"]
            self.billed |= {task.id for task in done}
        for task in done:
            self.charge_for(task.made, task.request_id, task.key)

    def unknown_model(self, name: str) -> RefusedError:
        """Return the refusal of a model that is not sold here."""
        return RefusedError(404, f"The model {name[:50]} does not exist.", "unknown_model")

    def authorize(self, key: str) -> None:
        """Refuse an empty account as the reference says: with 400."""
        if key == KEYS["empty"]:
            raise RefusedError(400, "", "empty")
        super().authorize(key)

    def refusal(self, error: RefusedError, request: Request) -> Answer:
        """Return a refusal, in the form of the path that was asked."""
        code = CODES.get(error.code, "InvalidParameter")
        words = TEXTS.get(error.code, error.text)
        body: dict[str, Any] = {"code": code, "message": words, "request_id": str(uuid.uuid4())}
        if request.path.startswith("/compatible-mode/"):
            code = {"InvalidParameter": "invalid_parameter_error", "InvalidApiKey": "invalid_api_key"}.get(code, code)
            words = "Incorrect API key provided." if error.code == "unauthorized" else words
            named = {"message": words, "type": "invalid_request_error", "param": None, "code": code}
            body = {"error": named, "request_id": str(uuid.uuid4())}
        return Answer(error.status, body, self.extra_headers(error))


def stamp(seconds: float) -> str:
    """Return a time as the upstream writes it: Beijing time, with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC) + timedelta(hours=8)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"
