"""The command `qwenmock`."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.accounts.keys import PROFILES
from qwenmock.mockserver.calls.double import catalog_of, create_double
from qwenmock.mockserver.control.openapi import openapi
from qwenmock.mockserver.errors import SettingsError, StoreError
from qwenmock.mockserver.http.app import create_app
from qwenmock.mockserver.http.request_log import RequestLog
from qwenmock.mockserver.http.server import listen, run_until_stopped, settle_memory, uvicorn_server
from qwenmock.mockserver.http.workers import run_workers
from qwenmock.mockserver.net import webhook_signatures
from qwenmock.mockserver.settings import Settings, read, whole_number
from qwenmock.pytest_plugin.commands.declarations import add_commands
from qwenmock.pytest_plugin.options import OptionError, add_options
from qwenmock.pytest_plugin.testkit.callback_receiver import create_listener, print_line
from qwenmock.schemas.catalog import Catalog, load
from qwenmock.schemas.errors import DataError

COULD_NOT_RUN = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 when all went well, 2 when it could not be done."""
    options = vars(parser().parse_args(arguments))
    run = options.pop("run")
    try:
        return run(options)
    except (SettingsError, DataError, StoreError, OptionError) as error:
        print(f"qwenmock: {error}", file=sys.stderr)
        return COULD_NOT_RUN


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="qwenmock", description="An offline double of the Qwen image APIs, and an examiner of their contract."
    )
    parser.add_argument("--version", action="version", version=f"qwenmock {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _serve_parser(commands)
    _listen_parser(commands)
    _check_parser(commands)
    _openapi_parser(commands)
    add_commands(commands)
    return parser


def _serve_parser(commands: Any) -> None:
    serve = commands.add_parser(
        "serve",
        help="run the double",
        description="Run the double. Every option is also QWENMOCK_… in the environment and a line of the config file; "
        "an option wins over the environment, and that over the file.",
    )
    serve.set_defaults(run=serve_command)
    defaults = Settings()
    add = serve.add_argument
    add("--host", metavar="ADDRESS", help=f"address to listen on (default {defaults.host})")
    add("--port", metavar="PORT", help=f"port; 0 takes a free one (default {defaults.port})")
    add("--provider", metavar="SLUG", help="mount this provider at the root too")
    add("--schemas", metavar="DIR", help="folder of the contract catalogue (default: the one that ships)")
    add(
        "--latency",
        metavar="instant|realistic|MS|MIN-MAX",
        help="how long an image takes: at once, 5 to 15 s, or milliseconds (default instant)",
    )
    add("--seed", metavar="N", help="make ids, images and faults reproducible")
    add("--config", metavar="FILE", help="config file in TOML")
    add("--public-url", metavar="URL", help="what image URLs begin with (default: the address a request came to)")
    add("--strict", action="store_true", default=None, help="refuse fields that no document names")
    add("--fetch-images", action="store_true", default=None, help="fetch input images from public addresses")
    add(
        "--allow-local-callbacks", action="store_true", default=None, help="let callbacks go to this machine, over http"
    )
    add("--callback-secret", metavar="SECRET", help="sign callbacks with whsec_…, as Standard Webhooks has it")
    add("--state", metavar="PATH|URL", help="file, or redis://…, that keeps accounts, charges and tasks")
    add("--replay", metavar="DIR", help="answer recorded requests as recorded, the rest by the contract")
    add("--workers", metavar="N", help=f"processes that serve (default {defaults.workers})")
    add("--price", metavar="SLUG=AMOUNT", action="append", help="price of one image, instead of the documents'")
    add("--journal-max", metavar="N", help=f"entries the journal holds (default {defaults.journal_max})")
    add("--admin-token", metavar="TOKEN", help="what the control API demands; needed when the host is not loopback")
    add("--log-format", metavar="text|json", help="how each request is logged on stderr (default text)")


def _listen_parser(commands: Any) -> None:
    listen_parser = commands.add_parser(
        "listen",
        help="receive callbacks, verify and print them",
        description="Receive callbacks, verify their Standard Webhooks signatures and print them.",
    )
    listen_parser.set_defaults(run=listen_command)
    add = listen_parser.add_argument
    add("--host", metavar="ADDRESS", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    add("--port", metavar="PORT", default="4011", help="port; 0 takes a free one (default 4011)")
    add("--secret", metavar="SECRET", help="whsec_… that callbacks must be signed with; others get a 401")
    add("--fail", metavar="N", default="0", help="answer the first N callbacks with a 500")


def listen_command(options: dict[str, Any]) -> int:
    """Receive callbacks until told to stop."""
    if options["secret"] is not None:
        try:
            webhook_signatures.key_of(options["secret"])
        except ValueError as error:
            raise SettingsError(f"--secret: {error}") from error
    port, fail = (whole_number(f"--{name}", options[name], 65535) for name in ("port", "fail"))
    listener = listen(options["host"], port)
    host, bound = listener.getsockname()[:2]
    print_line(f"listening for callbacks on http://{host}:{bound}/")
    run_until_stopped(uvicorn_server(create_listener(options["secret"], fail, print_line)), listener)
    return 0


def _check_parser(commands: Any) -> None:
    check_parser = commands.add_parser(
        "check",
        help="examine a server",
        description="Examine whether a server keeps its provider's contract: the double in this process, or with URL "
        "or --live any other. Exit code 0: it does; 1: it does not; 2: nothing could be examined.",
    )
    check_parser.set_defaults(run=check_command)
    check_parser.add_argument("url", metavar="URL", nargs="?", help="what stands in for the provider's base URL")
    add_options(check_parser.add_argument, with_url=False)


def check_command(options: dict[str, Any]) -> int:
    """Examine a server."""
    from qwenmock.pytest_plugin.commands.check import check, fail
    from qwenmock.pytest_plugin.examiner.results import CouldNotRun

    try:
        return check(options)
    except (OptionError, CouldNotRun) as error:
        return fail(str(error))


def _openapi_parser(commands: Any) -> None:
    openapi_parser = commands.add_parser(
        "openapi", help="print a provider's contract as OpenAPI 3.1", description="Print a contract as OpenAPI 3.1."
    )
    openapi_parser.set_defaults(run=openapi_command)
    openapi_parser.add_argument("provider", metavar="SLUG", help="whose contract")
    openapi_parser.add_argument("--server", metavar="URL", help="where it is served (default: the production base URL)")


def openapi_command(options: dict[str, Any]) -> int:
    """Print a contract."""
    catalog = load()
    if options["provider"] not in catalog.providers:
        raise SettingsError(f"there is no provider {options['provider']!r}; there are {', '.join(catalog.providers)}")
    document = openapi(catalog[options["provider"]], options["server"])
    print(json.dumps(document, ensure_ascii=False, indent=2))
    return 0


def serve_command(options: dict[str, object]) -> int:
    """Run the double until it is told to stop."""
    settings = read(options)
    if settings.workers > 1:
        catalog = catalog_of(settings)
        run_workers(settings, lambda port: print(start_text(settings, catalog, port), flush=True))
        print("stopped", flush=True)
        return 0
    double = create_double(settings)
    listener = listen(settings.host, settings.port)
    server = uvicorn_server(create_app(double), settings)
    double.log = RequestLog(settings.log_format, sys.stderr)
    settle_memory()
    print(start_text(settings, double.catalog, listener.getsockname()[1]), flush=True)
    run_until_stopped(server, listener)
    return 0


def start_text(settings: Settings, catalog: Catalog, port: int) -> str:
    """Return what the server says when it starts: addresses, keys, and the first thing to try."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    origin = f"http://{host}:{port}"
    width = max(map(len, catalog.providers))
    lines = [f"qwenmock {__version__} is listening on {origin}", ""]
    for provider in catalog:
        root = "  (and at the root)" if provider.slug == settings.provider else ""
        lines.append(f"  {provider.slug:{width}}  {origin}/{provider.slug}  for {provider.base_url}{root}")
    lines += ["", f"  dashboard   {origin}/__mock__/"]
    if settings.public_url is not None:
        lines.append(f"  pictures    {settings.public_url}")
    keys = {
        **{key: profile.about for key, profile in PROFILES.items()},
        "sk-mock.NAME": "as sk-mock, with an account of its own",
    }
    keys |= {key: profile.about for key, profile in settings.keys.items()}
    widest = max(map(len, keys))
    lines += ["", "  keys"]
    lines += [f"    {key:{widest}}  {about}" for key, about in keys.items()]
    return "\n".join([*lines, "", "Ctrl-C stops it."])
