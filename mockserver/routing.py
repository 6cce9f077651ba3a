"""Which provider and endpoint a request is for: by slug, by production host, or at the root."""

from dataclasses import dataclass

from qwenmock.schemas.catalog import Catalog, Endpoint, Provider


@dataclass(frozen=True, slots=True)
class Target:
    """A provider's endpoint, or None for a path that the provider does not have."""

    provider: Provider
    endpoint: Endpoint | None


class Routes:
    """Finds the target of a request.

    Args:
        catalog: The providers, mounted under their slugs.
        root: Slug of the one that answers at the root too.

    """

    def __init__(self, catalog: Catalog, root: str | None) -> None:
        self._catalog = catalog
        self._root = None if root is None else catalog[root]
        self._hosts = {provider.host: provider for provider in catalog}
        self._endpoints = {
            provider.slug: {endpoint.path: endpoint for endpoint in provider.endpoints.values()} for provider in catalog
        }

    def find(self, path: str, host: str) -> Target | None:
        """Return the target; None for a path that belongs to no provider.

        Args:
            path: Percent-decoded.
            host: The Host header; the port does not count.

        """
        path = path.rstrip("/")
        provider = self._hosts.get(host.partition(":")[0].lower())
        if provider is not None:
            return self._in(provider, path)
        _, slug, *rest = path.split("/", 2) if path.startswith("/") else ("", "")
        provider = self._catalog.providers.get(slug)
        if provider is not None:
            return self._in(provider, "/" + "".join(rest))
        if self._root is not None:
            return self._in(self._root, path)
        return None

    def _in(self, provider: Provider, path: str) -> Target:
        return Target(provider, self._endpoints[provider.slug].get(path))
