"""`qwenmock proxy`: forward to a provider, check each exchange, and record it."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import click

from qwenmock.mockserver.commands import parameters as types
from qwenmock.mockserver.commands.base import Command
from qwenmock.pytest_plugin.options import parse_number


@dataclass(frozen=True)
class ProxyOptions:
    """How to forward.

    Attributes:
        provider: The provider's slug.
        target: URL to forward to; None for the production base URL.
        record: Folder for the exchanges; None to keep none.
        budget: Maximum to spend, in the provider's currency.
        host: Address to listen on.
        port: Port; 0 selects a free one.

    """

    provider: str
    target: str | None
    record: Path | None
    budget: Decimal
    host: str
    port: int


def forward(options: ProxyOptions) -> int:
    """Forward until a signal."""
    from qwenmock.mockserver.http.server import listen, run_until_stopped, uvicorn_server
    from qwenmock.mockserver.net.own_site import OwnSiteOnly
    from qwenmock.pytest_plugin.examiner.budget import Budget
    from qwenmock.pytest_plugin.examiner.expected_cost import worst_case_of_any
    from qwenmock.pytest_plugin.examiner_factory import find_provider
    from qwenmock.pytest_plugin.recording.proxy import Proxy
    from qwenmock.pytest_plugin.testkit.callback_receiver import print_line

    provider = find_provider(options.provider)
    budget = Budget(options.budget, provider.currency, option="--budget")
    target = (options.target or provider.base_url).rstrip("/")
    proxy = Proxy(provider, target, budget, options.record, print_line)
    listener = listen(options.host, options.port)
    host, port = listener.getsockname()[:2]
    print_line(f"forwarding http://{host}:{port} to {target}; budget {options.budget} {provider.currency}")
    if not worst_case_of_any(provider):
        print_line(f"no document names a price of {provider.name}: the budget does not limit what is forwarded")
    run_until_stopped(uvicorn_server(OwnSiteOnly(proxy.app(), {options.host.lower()})), listener)
    return 0


command = Command(
    "proxy",
    forward,
    ProxyOptions,
    params=[
        click.Option(["--provider"], type=types.SLUG, metavar="SLUG", required=True, help="The provider."),
        click.Option(
            ["--target"],
            type=types.TEXT,
            metavar="URL",
            show_default="the production base URL",
            help="URL to forward to.",
        ),
        click.Option(["--record"], type=types.FOLDER, metavar="DIR", help="Keep the exchanges in this folder."),
        click.Option(
            ["--budget"],
            type=types.Parsed("number", parse_number),
            metavar="AMOUNT",
            default="0",
            show_default=True,
            help="Maximum to spend, in the provider's currency.",
        ),
        *types.address_options(4012),
    ],
    help="Forward requests to a provider's production endpoint within a budget, check each exchange against the "
    "contract, and record it, scrubbed. Clients send their own key.",
    example="qwenmock proxy --provider nebula --record recordings --budget 0.5",
)
