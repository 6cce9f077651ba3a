"""The commands that go with tests: proxy, drift, har, check-callback. What they do is imported when they are called."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def add_commands(commands: Any) -> None:
    """Declare the commands on argparse's subparsers."""
    _proxy_parser(commands)
    _drift_parser(commands)
    _har_parser(commands)
    _callback_parser(commands)


def _proxy_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "proxy",
        help="forward to a provider, hold each exchange to the contract, keep it",
        description="Forward to a provider's production endpoint within a budget, hold each exchange to the contract, "
        "and keep it, scrubbed. Clients send their own key.",
    )
    parser.set_defaults(run=_later("proxy_command"))
    add = parser.add_argument
    add("--provider", metavar="SLUG", required=True, help="whose API")
    add("--target", metavar="URL", help="what stands in for its base URL (default: production)")
    add("--record", metavar="DIR", help="where to keep the exchanges")
    add("--budget", metavar="AMOUNT", default="0", help="what may be spent, in the provider's currency (default 0)")
    add("--host", metavar="ADDRESS", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    add("--port", metavar="PORT", default="4012", help="port; 0 takes a free one (default 4012)")


def _drift_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "drift",
        help="compare what production answers with the schemas",
        description="Compare recorded exchanges, or a live endpoint's, with the schemas. Exit code 0: production keeps "
        "what the documents say; 1: it differs; 2: nothing could be compared.",
    )
    parser.set_defaults(run=_later("drift_command"))
    add = parser.add_argument
    add("--provider", metavar="SLUG", required=True, help="whose contract")
    add("--recorded", metavar="DIR", help="exchanges that `proxy` or `--record` has kept")
    add("--live", action="store_true", help="ask the production endpoint now; the key is in QWENMOCK_<SLUG>_KEY")
    add("--live-url", metavar="URL", help="ask this endpoint now")
    add("--live-budget", metavar="AMOUNT", default="0", help="what may be spent (default 0)")
    add(
        "--report", metavar="PATH", action="append", default=[], help="write a report: .md, .html or .json (repeatable)"
    )
    add("--propose", metavar="PATH", help="write a patch of the schemas with what was seen")


def _har_parser(commands: Any) -> None:
    parser = commands.add_parser("har", help="recordings to HAR and back", description="Recordings to HAR and back.")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    export = actions.add_parser("export", help="write a folder of recordings as one HAR file")
    export.set_defaults(run=_later("har_export"))
    export.add_argument("folder", metavar="DIR")
    export.add_argument("file", metavar="FILE")
    take = actions.add_parser("import", help="keep a HAR file's exchanges with providers, scrubbed")
    take.set_defaults(run=_later("har_import"))
    take.add_argument("file", metavar="FILE")
    take.add_argument("folder", metavar="DIR")


def _callback_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "check-callback",
        help="examine a program that receives callbacks",
        description="Send a receiver double, late, out-of-order, forged and huge callbacks. Exit code 0: it coped; "
        "1: it did not; 2: it does not answer.",
    )
    parser.set_defaults(run=_later("callback_command"))
    parser.add_argument("url", metavar="URL", help="where it receives")
    parser.add_argument("--provider", metavar="SLUG", default="evolink", help="whose callbacks (default evolink)")
    parser.add_argument("--secret", metavar="SECRET", help="whsec_… that it verifies signatures with")


def _later(name: str) -> Callable[[dict[str, Any]], int]:
    def run(options: dict[str, Any]) -> int:
        return getattr(import_module("qwenmock.pytest_plugin.commands.actions"), name)(options)

    return run
