"""Find the provider and endpoint of a request: by slug, by production host, or at the root."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.models import Endpoint, Provider

TASK_ID = "{task_id}"
REMEMBERED = 1024
LONGEST = 500
"""Characters of a path and a host that are remembered: clients could fill the memory with long ones."""


@dataclass(frozen=True, slots=True)
class RoutedPath:
    """A path of a provider.

    Attributes:
        endpoints: The endpoints at the path, by method; empty if the provider does not have it.
        task_id: The value of `{task_id}` in the path; "" if it has none.

    """

    provider: Provider
    endpoints: Mapping[str, Endpoint]
    task_id: str = ""


class Routes:
    """Finds the target of a request.

    Args:
        catalog: The providers, each mounted at its slug.
        root: Slug of the provider that is mounted at the root too; None for no provider.

    """

    def __init__(self, catalog: Catalog, root: str | None) -> None:
        self._catalog = catalog
        self._root = None if root is None else catalog[root]
        self._hosts = {provider.host.encode(): provider for provider in catalog}
        self._has_patterns = any(provider.hosts for provider in catalog)
        self._tables = {provider.slug: _Table(provider) for provider in catalog}
        # Clients call the same few paths and hosts: 0.1 µs for a known path, 3 µs for a new one on a known host,
        # such as that of a task, and 30 µs on a new host.
        self._remembered = lru_cache(maxsize=REMEMBERED)(self._find)
        self._remembered_host = lru_cache(maxsize=REMEMBERED)(self._of_host)

    def find(self, path: str, host: bytes) -> RoutedPath | None:
        """Return the target; None for a path that belongs to no provider.

        Args:
            path: Percent-decoded.
            host: The Host header; its port is ignored.

        """
        return (self._remembered if len(path) + len(host) <= LONGEST else self._find)(path, host)

    def _find(self, path: str, host: bytes) -> RoutedPath | None:
        path = path.rstrip("/")
        name = host.partition(b":")[0].lower()
        provider = (self._remembered_host if len(name) <= LONGEST else self._of_host)(name)
        if provider is not None:
            return self._in(provider, path)
        _, slug, *rest = path.split("/", 2) if path.startswith("/") else ("", "")
        provider = self._catalog.providers.get(slug)
        if provider is not None:
            return self._in(provider, "/" + "".join(rest))
        if self._root is not None:
            return self._in(self._root, path)
        return None

    def _of_host(self, name: bytes) -> Provider | None:
        """Return the provider whose production host has a name: an exact one, or one of its patterns."""
        known = self._hosts.get(name)
        if known is not None or not self._has_patterns:
            return known
        text = name.decode("latin-1")
        return next((provider for provider in self._catalog if provider.serves(text)), None)

    def _in(self, provider: Provider, path: str) -> RoutedPath:
        return self._tables[provider.slug].find(path)


class _Table:
    """The paths of one provider: a dictionary for plain ones, a pattern for each with a task id."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        by_path: dict[str, dict[str, Endpoint]] = {}
        for endpoint in provider.endpoints.values():
            by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
        self._plain = {path: RoutedPath(provider, found) for path, found in by_path.items() if TASK_ID not in path}
        self._patterns = [
            (re.compile(re.escape(path).replace(re.escape(TASK_ID), "([^/]+)")), found)
            for path, found in by_path.items()
            if TASK_ID in path
        ]

    def find(self, path: str) -> RoutedPath:
        target = self._plain.get(path)
        if target is not None:
            return target
        for pattern, found in self._patterns:
            match = pattern.fullmatch(path)
            if match:
                return RoutedPath(self._provider, found, match[1])
        return RoutedPath(self._provider, {})
