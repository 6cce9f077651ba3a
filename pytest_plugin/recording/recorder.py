"""Keeps what passes between a client and a live endpoint, held to the contract as it passes."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import orjson

from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.pytest_plugin.examiner.target import Reply, Target
from qwenmock.schemas.models import Document, Endpoint, Provider, Variant
from qwenmock.schemas.recordings import Recording, save
from qwenmock.schemas.vocabulary import JSON


class Recorder:
    """A target that passes everything on to another and keeps the exchanges in a folder.

    Args:
        secrets: What must never be written.

    """

    def __init__(self, target: Target, provider: Provider, folder: Path, secrets: tuple[str, ...]) -> None:
        self.name = target.name
        self.base_url = target.base_url
        self._target = target
        self._provider = provider
        self._folder = folder
        self._secrets = secrets

    def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes = b"") -> Reply:
        """Send one request and keep it, if it went to the provider's API."""
        reply = self._target.send(method, url, headers, content)
        path = urlsplit(url).path.removeprefix(urlsplit(self.base_url).path)
        endpoint = endpoint_at(self._provider, method, path)
        if endpoint is not None:
            save(self._folder, recording_of(self._provider, endpoint, path, content, reply), self._secrets)
        return reply

    def close(self) -> None:
        """Let go of the target."""
        self._target.close()


def endpoint_at(provider: Provider, method: str, path: str) -> Endpoint | None:
    """Return the provider's endpoint for a method and a path."""
    for endpoint in provider.endpoints.values():
        pattern = endpoint.path.split("{task_id}")
        is_there = path == endpoint.path or (
            len(pattern) == 2
            and path.startswith(pattern[0])
            and path.endswith(pattern[1])
            and "/" not in path[len(pattern[0]) : len(path) - len(pattern[1])]
        )
        if endpoint.method == method and is_there:
            return endpoint
    return None


def recording_of(provider: Provider, endpoint: Endpoint, path: str, content: bytes, reply: Reply) -> Recording:
    """Return an exchange with what it breaks of the contract."""
    request, answer = _json(content), _json(reply.body)
    return Recording(
        provider=provider.slug,
        method=endpoint.method,
        path=path,
        request=request,
        status=reply.status,
        answer=answer,
        headers=reply.headers,
        seconds=round(reply.seconds, 3),
        violations=tuple(violations(provider, endpoint, request, reply.status, answer)),
        at=round(time.time(), 3),
    )


def violations(provider: Provider, endpoint: Endpoint, request: JSON, status: int, answer: JSON) -> list[str]:
    """Return what an exchange breaks of the contract, each as `rule: what`."""
    variant = variant_of(endpoint, request)
    broken = [] if variant is None else sorted(rule.id for rule in broken_rules(variant.request, request))
    documents = documents_for(provider, endpoint, variant, status)
    if not documents:
        return [f"{provider.slug}: status {status} is not documented"]
    found = [broken_rules(document, answer) for document in documents]
    best = min(found, key=len)
    said = [f"{rule.id}: the answer breaks it" for rule in sorted(best, key=lambda rule: rule.id)]
    if broken and status == 200:
        said += [f"{rule_id}: the request breaks it, and was accepted" for rule_id in broken]
    if not broken and variant is not None and status == 400:
        said.append(f"{provider.slug}/{variant.name}: the request keeps every rule, and was refused")
    return said


def variant_of(endpoint: Endpoint, request: JSON) -> Variant | None:
    """Return the variant that a request is meant as."""
    if not isinstance(request, dict):
        return None
    body = cast(dict[str, JSON], request)
    model = body.get("model")
    return endpoint.variant_of(model, body) if isinstance(model, str) else None


def documents_for(provider: Provider, endpoint: Endpoint, variant: Variant | None, status: int) -> list[Document]:
    """Return what an answer with a status may be."""
    if status != 200:
        return list({k.document.name: k.document for k in provider.errors.values() if k.status == status}.values())
    if endpoint.created_response is None and variant is not None:
        return [variant.answer]
    return list(provider.answers_of(endpoint))


def _json(data: bytes) -> JSON:
    if not data:
        return None
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return data.decode("utf-8", "replace")
