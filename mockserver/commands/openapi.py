"""`qwenmock openapi`: print a provider's contract as OpenAPI 3.1."""

import json
from dataclasses import dataclass

import click

from qwenmock.mockserver.commands import parameters as types
from qwenmock.mockserver.commands.base import Command
from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.settings import unknown


@dataclass(frozen=True)
class OpenapiOptions:
    """Which contract to print.

    Attributes:
        provider: The provider's slug.
        server: URL where it is served; None for the production base URL.

    """

    provider: str
    server: str | None


def print_openapi(options: OpenapiOptions) -> int:
    """Print a contract."""
    from qwenmock.mockserver.control.openapi import openapi
    from qwenmock.schemas.catalog import load

    catalog = load()
    if options.provider not in catalog.providers:
        raise SettingsError(unknown("provider", options.provider, catalog.providers))
    document = openapi(catalog[options.provider], options.server)
    print(json.dumps(document, ensure_ascii=False, indent=2))
    return 0


command = Command(
    "openapi",
    print_openapi,
    OpenapiOptions,
    params=[
        click.Argument(["provider"], type=types.SLUG, metavar="SLUG"),
        click.Option(
            ["--server"],
            type=types.TEXT,
            metavar="URL",
            show_default="the production base URL",
            help="URL where the API is served.",
        ),
    ],
    help="Print the contract of the provider SLUG as an OpenAPI 3.1 document in JSON.",
    example="qwenmock openapi nebula > nebula.json",
)
