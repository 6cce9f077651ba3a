"""What the commands that go with tests do: proxy, drift, har, check-callback."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.http.server import listen, run_until_stopped, uvicorn_server
from qwenmock.mockserver.settings import whole_number
from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.examiner.results import CouldNotRun
from qwenmock.pytest_plugin.examiner.runner import checks_of, run_checks
from qwenmock.pytest_plugin.options import Options, key_variable, keys_of, number
from qwenmock.pytest_plugin.recording import drift
from qwenmock.pytest_plugin.recording.har import as_har, from_har
from qwenmock.pytest_plugin.recording.proxy import Proxy
from qwenmock.pytest_plugin.setup import create_examiner
from qwenmock.pytest_plugin.testkit.callback_cases import Case, examine
from qwenmock.pytest_plugin.testkit.callback_receiver import print_line
from qwenmock.schemas.catalog import HERE as SCHEMAS
from qwenmock.schemas.catalog import Catalog, load
from qwenmock.schemas.models import Provider
from qwenmock.schemas.recordings import load_recordings, save
from qwenmock.schemas.wording import counted

HOLDS, DIFFERS = 0, 1
REPORTS = (".json", ".html", ".md")
RECORDED = "qwenmock-drift"


def proxy_command(options: dict[str, Any]) -> int:
    """Forward until told to stop."""
    provider = _provider(load(), options["provider"])
    budget = Budget(number("--budget", options["budget"]), provider.currency, option="--budget")
    target = (options["target"] or provider.base_url).rstrip("/")
    folder = None if options["record"] is None else Path(options["record"])
    proxy = Proxy(provider, target, budget, folder, print_line)
    listener = listen(options["host"], whole_number("--port", options["port"], 65535))
    host, port = listener.getsockname()[:2]
    print_line(f"forwarding http://{host}:{port} to {target}, for {options['budget']} {provider.currency} at the most")
    run_until_stopped(uvicorn_server(proxy.app()), listener)
    return HOLDS


def drift_command(options: dict[str, Any]) -> int:
    """Compare, say what was found, and write what was asked for."""
    provider = _provider(load(), options["provider"])
    reports = [Path(text) for text in options["report"]]
    for path in reports:
        if path.suffix not in REPORTS:
            raise SettingsError(f"--report: {path} must end in {', '.join(REPORTS)}")
    recordings = load_recordings(_recorded(provider, options), provider.slug)
    if not recordings:
        raise SettingsError(f"there is no exchange with {provider.slug} to compare")
    found = drift.drift(provider, recordings)
    print(drift.as_markdown(found))
    for path in reports:
        drift.write(found, path)
    if options["propose"] is not None:
        patch = drift.propose(provider, found, SCHEMAS)
        Path(options["propose"]).write_text(patch, "utf-8")
        print(f"proposal: {options['propose']}, {patch.count(chr(10))} lines")
    return DIFFERS if found.is_any else HOLDS


def _recorded(provider: Provider, options: dict[str, Any]) -> Path:
    """Return the folder of exchanges, after having made them where a live endpoint is asked."""
    is_live = options["live"] or options["live_url"] is not None
    if (options["recorded"] is None) == (not is_live):
        raise SettingsError("name either --recorded DIR or --live (or --live-url URL)")
    if not is_live:
        return Path(options["recorded"])
    if keys_of(provider.slug, os.environ)[0] is None:
        raise SettingsError(f"nothing can be asked without a key: set {key_variable(provider.slug)}")
    folder = Path(RECORDED) / provider.slug
    asked = Options(
        providers=(provider.slug,),
        url=options["live_url"] or "",
        budget=number("--live-budget", options["live_budget"]),
        profile="smoke",
        record=folder,
    )
    examiner = create_examiner(provider, asked)
    try:
        examiner.preflight()
        for _ in run_checks(examiner, checks_of(provider)):
            pass  # what the checks conclude is not the question here: their exchanges are kept
    except CouldNotRun as error:
        raise SettingsError(str(error)) from error
    finally:
        examiner.close()
    return folder


def har_export(options: dict[str, Any]) -> int:
    """Write recordings as HAR."""
    import json

    recordings = load_recordings(Path(options["folder"]))
    text = json.dumps(as_har(recordings, load()), ensure_ascii=False, indent=2)
    Path(options["file"]).write_text(text + "\n", "utf-8")
    print(counted(len(recordings), "exchange"))
    return HOLDS


def har_import(options: dict[str, Any]) -> int:
    """Keep what a HAR file holds."""
    recordings, secrets = from_har(Path(options["file"]), load())
    for recording in recordings:
        save(Path(options["folder"]), recording, secrets)
    print(counted(len(recordings), "exchange"))
    return HOLDS


def callback_command(options: dict[str, Any]) -> int:
    """Examine a receiver."""
    from qwenmock.mockserver.net import webhook_signatures

    provider = _provider(load(), options["provider"])
    if not options["url"].startswith(("http://", "https://")):
        raise SettingsError(f"a URL as in http://127.0.0.1:4011/ is due, got {options['url']!r}")
    if options["secret"] is not None:
        try:
            webhook_signatures.key_of(options["secret"])
        except ValueError as error:
            raise SettingsError(f"--secret: {error}") from error
    try:
        cases = examine(provider, options["url"], options["secret"], _tell(print))
    except ValueError as error:
        raise SettingsError(str(error)) from error
    if all(case.status == 0 for case in cases):
        raise SettingsError(f"{options['url']} does not answer: {cases[0].detail}")
    return HOLDS if all(case.holds for case in cases) else DIFFERS


def _tell(say: Callable[[str], None]) -> Callable[[Case], None]:
    def tell(case: Case) -> None:
        mark = "ok  " if case.holds else "FAIL"
        came = str(case.status) if case.status else case.detail
        say(f"{mark} {case.name:12} {came} after {case.seconds:.2f} s; due: {case.expects}")

    return tell


def _provider(catalog: Catalog, slug: str) -> Provider:
    if slug not in catalog.providers:
        raise SettingsError(f"there is no provider {slug!r}; there are {', '.join(catalog.providers)}")
    return catalog[slug]
