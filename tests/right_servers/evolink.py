"""EvoLink, from 004 and its public reference: tasks, credits and callbacks."""

import contextlib
import json
import re
import socket
import threading
import time
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from ipaddress import ip_address
from random import Random
from typing import Any
from urllib.parse import urlsplit

from right_servers.base import KEYS, Answer, RefusedError, Request, RightServer, Style, flag, parsed, text, whole

CREATE = "/v1/images/generations"
TASKS = "/v1/tasks/"
CREDITS = "/v1/credits"
PREFIX = "task-unified-"
PRICE = Decimal("2.3")
PLUS = "qwen-image-edit-plus"
SIDES = re.compile(r"([0-9]+)x([0-9]+)", re.ASCII)
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tiff")
PENDING, TAKES = 0.05, 0.2
"""Seconds until a task starts, and until it is done."""
PAUSES, HOOK_SECONDS = (1, 2, 4), 10
BALANCE = Decimal(1000)
WORDS = {
    "invalid": ("invalid_request", "Invalid request parameters", "invalid_request_error"),
    "unauthorized": ("unauthorized", "Invalid or expired token", "authentication_error"),
    "empty": ("insufficient_quota", "Insufficient quota. Please top up your account.", "insufficient_quota"),
    "forbidden": ("model_access_denied", "Token does not have access to model: {model}", "invalid_request_error"),
    "rate_limited": ("rate_limit_exceeded", "Too many requests, please try again later", "rate_limit_error"),
    "internal": ("internal_error", "Internal server error", "api_error"),
    "task_id": ("invalid_task_id", "Invalid task ID format, must start with 'task-unified-'", "invalid_request_error"),
    "task_key": ("unauthorized", "Authentication required", "authentication_error"),
    "task_owner": ("permission_denied", "You don't have permission to access this task", "invalid_request_error"),
    "no_task": ("task_not_found", "The requested task could not be found", "invalid_request_error"),
    "task_limit": ("rate_limit_exceeded", "Rate limit exceeded", "evo_api_error"),
    "task_internal": ("internal_error", "Failed to retrieve task status", "api_error"),
}


@dataclass
class Task:
    """A task; its state follows from the time."""

    id: str
    key: str
    model: str
    created: float
    urls: list[str]
    price: Decimal | None
    is_billed: bool = False
    watched: list[str] = field(default_factory=list[str])

    def state(self) -> tuple[str, int]:
        """Return status and progress."""
        age = time.time() - self.created
        if age < PENDING:
            return "pending", 0
        return ("processing", min(99, 1 + int(98 * age / TAKES))) if age < TAKES else ("completed", 100)


class EvoLink(RightServer):
    """Creates tasks, reserves 2.3 credits for each, and bills them when they are done."""

    slug = "evolink"
    currency = "credits"

    def __init__(self, style: Style, hooks: Mapping[str, str] | None = None) -> None:
        """Create a server.

        Args:
            style: What the documents leave open.
            hooks: The address behind each public host name that is called back.

        """
        super().__init__(style)
        self.hooks = hooks or {}
        self.tasks: dict[str, Task] = {}
        self.rng = Random()

    def respond(self, request: Request) -> Answer:
        """Return the answer to a request."""
        if request.path == CREATE and request.method == "POST":
            return self.create(request)
        if request.path.startswith(TASKS) and request.method == "GET":
            return self.query(request)
        if request.path == CREDITS and request.method == "GET":
            return self.credits(self.authenticate(request))
        raise RefusedError(405 if request.path in {CREATE, CREDITS} else 404, "Not found", "invalid")

    def create(self, request: Request) -> Answer:
        """Begin a task."""
        key = self.authenticate(request)
        body = parsed(request)
        model = body.get("model", "qwen-image-edit" if self.style.accepts_undocumented else None)
        if model not in ("qwen-image-edit", PLUS):
            raise RefusedError(400, "model", "invalid")
        prompt = text(body.get("prompt"), "prompt")
        if len(prompt) > 2000 or (not prompt and not self.style.accepts_undocumented):
            raise RefusedError(400, "prompt", "invalid")
        images = body.get("image_urls")
        if not isinstance(images, list) or not 1 <= len(images) <= 3:
            raise RefusedError(400, "image_urls", "invalid")
        for image in images:
            self.check_image(image)
        if body.get("callback_url") is not None or "callback_url" in body:
            self.check_callback(body["callback_url"])
        n, width, height, mark = self.check_plus(body) if model == PLUS else (1, 1024, 1024, False)
        if key == KEYS["empty"]:
            raise RefusedError(402, "balance", "empty")
        self.authorize(key)
        now = time.time()
        letters = "".join(self.rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=8))
        seed = body.get("seed", letters) if model == PLUS else ""
        urls = [self.link(width, height, f"{prompt}{seed}{place}", watermark=mark) for place in range(n)]
        price = None if model == PLUS else PRICE
        task = Task(f"{PREFIX}{int(now)}-{letters}", key, model, now, urls, price)
        with self.lock:
            self.tasks[task.id] = task
        address = urlsplit(body.get("callback_url", ""))
        if address.hostname in self.hooks:
            there = f"{self.hooks[address.hostname]}{address.path}?{address.query}"
            threading.Thread(target=self.call_back, args=(task, there), daemon=True).start()
        answer = self.shown(task, "pending", 0)
        answer["task_info"]["estimated_time"] = 30
        answer["usage"] = {"billing_rule": "per_call", "credits_reserved": float(price or 0), "user_group": "default"}
        return Answer(200, answer)

    def check_plus(self, body: dict[str, Any]) -> tuple[int, int, int, bool]:
        """Return number, width, height and watermark of a request for the plus model."""
        n = whole(body.get("n", 1), 1, 6, "n")
        width = height = 1024
        if "size" in body:
            sides = SIDES.fullmatch(text(body["size"], "size"))
            if sides is None or n != 1 or not all(512 <= int(side) <= 2048 for side in sides.groups()):
                raise RefusedError(400, "size", "invalid")
            width, height = int(sides[1]), int(sides[2])
        text(body.get("negative_prompt", ""), "negative_prompt")
        flag(body.get("prompt_extend", True), "prompt_extend")
        whole(body.get("seed", 0), 0, 2147483647, "seed")
        return n, width, height, flag(body.get("watermark", False), "watermark")

    def check_image(self, image: Any) -> None:
        """Refuse what is not an address of a picture."""
        parts = urlsplit(text(image, "image_urls"))
        name = parts.path.rpartition("/")[2].lower()
        if parts.scheme not in {"http", "https"} or not parts.hostname or any(c.isspace() for c in image):
            raise RefusedError(400, "image_urls", "invalid")
        if "." in name and not name.endswith(ENDINGS):
            raise RefusedError(400, "image_urls", "invalid")

    def check_callback(self, address: Any) -> None:
        """Refuse a callback that is not a public https address."""
        parts = urlsplit(text(address, "callback_url"))
        host = (parts.hostname or "").rstrip(".").lower()
        if parts.scheme != "https" or not host or len(address) > 2048:
            raise RefusedError(400, "callback_url", "invalid")
        try:
            is_public = ip_address(host).is_global
        except ValueError:
            is_public = "." in host and not host.endswith((".localhost", ".local", ".internal"))
            with contextlib.suppress(OSError):  # as most systems read it: 0x7f.0.0.1, 2130706433, 127.1
                is_public = is_public and ip_address(socket.inet_aton(host)).is_global
        if not is_public:
            raise RefusedError(400, "callback_url", "invalid")

    def call_back(self, task: Task, address: str) -> None:
        """Wait until a task is done and billed, then send it; after a failure again, three times."""
        time.sleep(TAKES)
        self.settle()
        content = json.dumps(self.shown(task, *task.state())).encode()
        headers = {"Content-Type": "application/json"}
        for pause in (*PAUSES, 0):
            try:
                request = urllib.request.Request(address, content, headers)
                with urllib.request.urlopen(request, timeout=HOOK_SECONDS):
                    return
            except OSError:
                time.sleep(pause)

    def query(self, request: Request) -> Answer:
        """Return a task as it is now."""
        try:
            key = self.authenticate(request)
        except RefusedError as error:
            raise RefusedError(error.status, "", "task_key" if error.status == 401 else "task_limit") from error
        if key == KEYS["broken"]:
            raise RefusedError(500, "", "task_internal")
        task_id = request.path.removeprefix(TASKS)
        if not task_id.startswith(PREFIX):
            raise RefusedError(400, "task_id", "task_id")
        task = self.tasks.get(task_id)
        if task is None:
            raise RefusedError(404, "", "no_task")
        if task.key != key:
            raise RefusedError(403, "", "task_owner")
        state, progress = task.state()
        self.settle()
        return Answer(200, self.shown(task, state, progress))

    def settle(self) -> None:
        """Bill the tasks that are done."""
        with self.lock:
            done = [task for task in self.tasks.values() if not task.is_billed and task.state()[0] == "completed"]
            for task in done:
                task.is_billed = True
        for task in done:
            self.charge(str(uuid.uuid4()), task.key, task.model, len(task.urls), task.price)

    def credits(self, key: str) -> Answer:
        """Return what is left: reserved credits are not."""
        if key == KEYS["broken"]:
            raise RefusedError(500, "", "internal")
        self.settle()
        with self.lock:
            waiting = [task for task in self.tasks.values() if task.key == key and not task.is_billed]
            reserved = sum((task.price or Decimal(0) for task in waiting), Decimal(0))
        spent = self.spent.get(key, Decimal(0))
        left = {"remaining_credits": float(BALANCE - spent - reserved), "used_credits": float(spent)}
        return Answer(200, {"success": True, "data": {"token": {**left, "unlimited_credits": False}, "user": left}})

    def shown(self, task: Task, state: str, progress: int) -> dict[str, Any]:
        """Return a task as the API shows it."""
        body: dict[str, Any] = {
            "created": int(task.created),
            "id": task.id,
            "model": task.model,
            "object": "image.generation.task",
            "progress": progress,
            "status": state,
            "task_info": {"can_cancel": state in {"pending", "processing"}},
            "type": "image",
        }
        if state == "completed":
            body["results"] = task.urls
        if self.style.extra_members:
            body["trace"] = {"route": "a"}
        return body

    def refusal(self, error: RefusedError, request: Request) -> Answer:  # noqa: ARG002, not in this body
        """Return a refusal."""
        code, message, kind = WORDS.get(error.code, WORDS["invalid"])
        body = {"code": code, "message": message.replace("{model}", "qwen-image-edit"), "type": kind}
        if error.code == "task_id":
            body["param"] = "task_id"
        headers = {"Retry-After": "2"} if error.status == 429 and self.style.retry_after else {}
        return Answer(error.status, {"error": body}, headers)
