"""Wrong servers over HTTP: one of each provider and kind, as a live target and as one with a control API."""

from collections.abc import Iterator
from itertools import groupby

import pytest
from extent import usually
from wrong_servers.faults import Fault
from wrong_servers.test_wrong_servers import CATALOG, FAULTS, checks

from qwenmock.mockserver.http.server import serving
from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.examiner.connection.callbacks import LocalInbox
from qwenmock.pytest_plugin.examiner.runner import run_checks
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.settings import SessionSettings
from qwenmock.pytest_plugin.examiner.target import HttpTarget
from qwenmock.pytest_plugin.examiner_factory import embedded_credentials


def kind(fault: Fault) -> tuple[str, str]:
    """Return what a fault is about: its provider, and the check that is to find it or the part that it changes."""
    parts = {"tamper": fault.tamper, "rewrite": fault.rewrite, "change": fault.change, "double": fault.double}
    changed = next((name for name, part in parts.items() if part is not None), "route")
    return fault.slug, fault.check or changed


def sample() -> Iterator[Fault]:
    for _, faults in groupby(sorted(FAULTS.values(), key=kind), kind):
        yield next(faults)


SAMPLE = {f"{fault.slug}: {fault.name}": fault for fault in sample()}
NEEDS_CONTROL = {
    "test_default_watermark",
    "test_no_refusal_is_billed",
    "test_no_refused_key_is_billed",
    "test_no_other_refusal_is_billed",
    "test_other_methods_are_refused",
    "test_callback_comes_once_with_the_result",
    "test_failure_is_called_back",
    "test_cancellation_is_called_back",
    "test_callback_is_repeated",
    "test_forbidden_addresses_get_no_callback",
    "test_credits_of_a_task_that_fails",
    "test_credits_of_a_task_that_is_cancelled",
    "test_credits_of_a_task_that_succeeds",
}
"""What no document settles, or no client sees: not tried on a live target."""
ASSUMED = {
    "ai302: create needs no key",
    "ai302: create takes an expired key",
    "aigc: answer without created",
    "aigc: create takes an expired key",
    "aigc: edit/: input is optional",
    "aigc: edit/: input is optional, for qwen-image-edit-plus-2025-12-15",
    "dashscope: cancel succeeds for ended tasks",
    "dashscope: task cuts ids that are too long",
    "evolink: edit/: image_urls is optional",
    "evolink: task cuts ids that are too long",
}
"""Wrong by a rule that no document states: a live target is not accused of it."""
MODES = [
    (name, mode)
    for name, fault in SAMPLE.items()
    for mode in ("control", "live")
    if mode == "control" or (fault.check not in NEEDS_CONTROL and name not in ASSUMED)
]


def examiner_at(origin: str, slug: str, mode: str) -> Examiner:
    provider, control = CATALOG[slug], f"{origin}/__mock__"
    if mode == "live":
        settings = SessionSettings(live=True, profile="smoke")
    else:
        ledger = f"{control}/ledger?request_id={{request_id}}"
        settings = SessionSettings(ledger=ledger, control=control, profile="smoke")
    target, credentials = HttpTarget(f"{origin}/{slug}"), embedded_credentials(slug)
    inbox = LocalInbox(target)
    return Examiner(provider, target, credentials, Budget(None, provider.currency), settings, inbox=inbox)


@pytest.mark.parametrize(("name", "mode"), usually(MODES, MODES[::16]))
def test_wrong_server_is_found_over_http(name: str, mode: str) -> None:
    """The checks that concern the place come first, which finds the same and saves time."""
    fault = SAMPLE[name]
    place = fault.name.partition(": ")[0]
    ordered = sorted(
        checks(fault.slug),
        key=lambda check: (not fault.check or fault.check not in check.name, place not in check.name),
    )
    with serving(fault.calling_out(CATALOG[fault.slug])) as port:
        examiner = examiner_at(f"http://127.0.0.1:{port}", fault.slug, mode)
        examiner.preflight()
        try:
            found = next((each for each in run_checks(examiner, ordered) if each.result == "failed"), None)
        finally:
            examiner.close()
    assert found is not None
