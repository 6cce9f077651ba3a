"""`qwenmock listen`: receive callbacks."""

from dataclasses import dataclass

import click

from qwenmock.mockserver.commands import parameters as types
from qwenmock.mockserver.commands.base import Command


@dataclass(frozen=True)
class ListenOptions:
    """How to receive.

    Attributes:
        host: Address to listen on.
        port: Port; 0 selects a free one.
        secret: Secret that callbacks must be signed with; None to accept all.
        fail: Number of callbacks to answer with a 500 first.

    """

    host: str
    port: int
    secret: str | None
    fail: int


def listen_for_callbacks(options: ListenOptions) -> int:
    """Receive callbacks until a signal."""
    from qwenmock.mockserver.http.server import listen, run_until_stopped, uvicorn_server
    from qwenmock.pytest_plugin.testkit.callback_receiver import create_listener, print_line

    listener = listen(options.host, options.port)
    host, port = listener.getsockname()[:2]
    print_line(f"listening for callbacks on http://{host}:{port}/")
    run_until_stopped(uvicorn_server(create_listener(options.secret, options.fail, print_line)), listener)
    return 0


command = Command(
    "listen",
    listen_for_callbacks,
    ListenOptions,
    params=[
        *types.address_options(4011),
        click.Option(
            ["--secret"],
            type=types.SECRET,
            metavar="SECRET",
            help="The whsec_… secret that callbacks must be signed with; others are answered with a 401.",
        ),
        click.Option(
            ["--fail"],
            type=types.Parsed("count", types.integer(0, 65535)),
            metavar="N",
            default=0,
            show_default=True,
            help="Answer the first N callbacks with a 500.",
        ),
    ],
    help="Receive callbacks, verify their Standard Webhooks signatures, print them, and list them for a GET.",
    example="qwenmock listen --secret whsec_c2VjcmV0 --fail 2",
)
