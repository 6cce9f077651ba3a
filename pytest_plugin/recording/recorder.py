"""Recording of exchanges with a live endpoint, together with the contract violations in them."""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.pytest_plugin.examiner.target import Reply, Target
from qwenmock.schemas.errors import RecordingError
from qwenmock.schemas.models import Document, Endpoint, Provider, Variant
from qwenmock.schemas.recordings import Recording, save
from qwenmock.schemas.vocabulary import JSON


def print_error(text: str) -> None:
    """Print to the standard error output."""
    print(text, file=sys.stderr, flush=True)


class Recorder:
    """A target that forwards requests to another target and records the exchanges in a folder.

    Args:
        target: The target to forward to.
        provider: The provider whose API the target speaks.
        folder: Where to write the recordings.
        secrets: Texts that must never be written.
        report: Called with one line for each exchange that could not be written.

    """

    def __init__(
        self,
        target: Target,
        provider: Provider,
        folder: Path,
        secrets: tuple[str, ...],
        report: Callable[[str], None] = print_error,
    ) -> None:
        self.name = target.name
        self.base_url = target.base_url
        self._target = target
        self._provider = provider
        self._folder = folder
        self._secrets = secrets
        self._report = report

    def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes = b"") -> Reply:
        """Send a request, and record the exchange if the request is one of the provider's API.

        An answer whose exchange cannot be written is returned nevertheless: it may have been paid for.

        Raises:
            TargetError: No answer came.

        """
        reply = self._target.send(method, url, headers, content)
        path = urlsplit(url).path.removeprefix(urlsplit(self.base_url).path)
        endpoint = endpoint_at(self._provider, method, path)
        if endpoint is not None:
            try:
                save(self._folder, recording_of(self._provider, endpoint, path, content, reply), self._secrets)
            except RecordingError as error:
                self._report(f"{method} {path} {reply.status}: not recorded: {error}")
        return reply

    def close(self) -> None:
        """Close the target."""
        self._target.close()


def endpoint_at(provider: Provider, method: str, path: str) -> Endpoint | None:
    """Return the provider's endpoint for a method and a path; None if there is none."""
    for endpoint in provider.endpoints.values():
        if endpoint.method == method and _is_path_of(endpoint, path):
            return endpoint
    return None


def _is_path_of(endpoint: Endpoint, path: str) -> bool:
    before, parameter, after = endpoint.path.partition("{task_id}")
    if not parameter:
        return path == endpoint.path
    task_id = path.removeprefix(before).removesuffix(after)
    return path == f"{before}{task_id}{after}" and "/" not in task_id


def recording_of(provider: Provider, endpoint: Endpoint, path: str, content: bytes, reply: Reply) -> Recording:
    """Return the recording of an exchange that just ended, with its contract violations.

    Args:
        provider: The provider.
        endpoint: The endpoint of the request.
        path: Path of the request below the base URL.
        content: Request body.
        reply: The answer.

    """
    request, answer = _decode(content), _decode(reply.body)
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
    """Return the contract violations of an exchange, each as `rule: description`."""
    variant = variant_of(endpoint, request)
    broken_by_request = [] if variant is None else sorted(rule.id for rule in broken_rules(variant.request, request))
    documents = documents_for(provider, endpoint, variant, status)
    if not documents:
        return [f"{provider.slug}: status {status} is not documented"]
    broken_by_answer = min((broken_rules(document, answer) for document in documents), key=len)
    messages = [f"{rule.id}: the answer breaks it" for rule in sorted(broken_by_answer, key=lambda rule: rule.id)]
    if broken_by_request and status == 200:
        certain = [rule for rule in broken_by_request if rule not in _uncertain(variant)]
        messages += [f"{rule_id}: the request breaks it, but was accepted" for rule_id in certain]
    if not broken_by_request and variant is not None and status == 400:
        messages.append(f"{provider.slug}/{variant.name}: the request breaks no rule, but was refused")
    return messages


def _uncertain(variant: Variant | None) -> set[str]:
    """Return the ids of the rules that a server may keep or not: members that are required, and have a default."""
    return (
        set()
        if variant is None
        else {variant.request.rule_at[path, "required"].id for path in variant.request.defaulted}
    )


def variant_of(endpoint: Endpoint, request: JSON) -> Variant | None:
    """Return the variant of a request body; None if its model is unknown or missing."""
    if not isinstance(request, dict):
        return None
    body = request
    model = body.get("model", endpoint.default_model)
    return endpoint.variant_of(model, body) if isinstance(model, str) else None


def documents_for(provider: Provider, endpoint: Endpoint, variant: Variant | None, status: int) -> list[Document]:
    """Return the documents that describe answers with a status; empty if the status is not documented."""
    if status != 200:
        return list({k.document.name: k.document for k in provider.error_kinds if k.status == status}.values())
    if endpoint.created_response is None and variant is not None:
        return [variant.answer]
    return list(provider.answers_of(endpoint))


def _decode(data: bytes) -> JSON:
    """Decode a body from JSON: None for an empty body, the text if it is not valid JSON."""
    if not data:
        return None
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return data.decode("utf-8", "replace")
