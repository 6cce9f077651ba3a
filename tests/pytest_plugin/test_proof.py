"""A green run is a proof: errors of the examiner, forgotten addresses and empty runs never pass for one."""

import contextlib
import importlib
import inspect
import json
import os
import pkgutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType, FunctionType

import pytest
from commands import CONTRACT_TESTS, run_here
from extent import usually

from qwenmock.mockserver.http.server import RunningServer
from qwenmock.pytest_plugin.commands import examination
from qwenmock.pytest_plugin.examiner import checks
from qwenmock.pytest_plugin.examiner.runner import checks_of, run_alone, run_checks
from qwenmock.pytest_plugin.examiner_factory import choose_providers, create_examiner
from qwenmock.pytest_plugin.options import GivenOptions, read_options

KEY = {"QWENMOCK_NEBULA_KEY": "sk-mock"}
EMBEDDED = ("evolink", "nebula")
"""Providers whose checks call every function of `checks` that is called on the embedded double."""
LIVE = "aigc"
"""Its checks call the functions that are called on live targets only."""


def every_check() -> Iterator[FunctionType]:
    """Yield each public function of the checks."""
    for module in pkgutil.iter_modules(checks.__path__):
        loaded = importlib.import_module(f"{checks.__name__}.{module.name}")
        for name, function in vars(loaded).items():
            if inspect.isfunction(function) and function.__module__ == loaded.__name__ and not name.startswith("_"):
                yield function


CHECKS = {f"{function.__module__.rpartition('.')[2]}.{function.__name__}": function for function in every_check()}


def broken_by_type(*_: object, **__: object) -> None:
    raise TypeError("broken on purpose")


def broken_by_lookup(*_: object, **__: object) -> None:
    raise KeyError("broken on purpose")


def broken_by_assertion(*_: object, **__: object) -> None:
    raise AssertionError("broken on purpose")


BROKEN = (broken_by_type, broken_by_lookup, broken_by_assertion)


@contextlib.contextmanager
def noting(called: set[CodeType]) -> Iterator[None]:
    """Add the code of each function that is called to the set."""

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            called.add(frame.f_code)

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


def callers(given: GivenOptions) -> Iterator[tuple[CodeType, str]]:
    """Yield the code of each function that the examination calls, and the name of the contract test that calls it."""
    options = read_options(given)
    provider = choose_providers(options)[0]
    examiner = create_examiner(provider, options)
    try:
        for check in checks_of(provider):
            called: set[CodeType] = set()
            with noting(called):
                list(run_checks(examiner, [check]))
            yield from ((code, check.name) for code in called)
    finally:
        examiner.close()


@pytest.fixture(scope="session")
def called_by(shared_server: RunningServer) -> dict[CodeType, tuple[GivenOptions, str]]:
    """Return for the code of each check the options of an examination and the name of a contract test that calls it."""
    live = GivenOptions(live_url=shared_server.url(LIVE), provider=[LIVE], contract_profile="smoke", live_budget="5")
    runs = [*(GivenOptions(provider=[slug], contract_profile="smoke") for slug in EMBEDDED), live]
    found: dict[CodeType, tuple[GivenOptions, str]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(f"QWENMOCK_{LIVE.upper()}_KEY", "sk-mock")
        for given in runs:
            for code, name in callers(given):
                found.setdefault(code, (given, name))
    return found


class Only:
    """A plugin that runs one test of a session."""

    def __init__(self, name: str) -> None:
        self._name = name

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.name == self._name]


@pytest.mark.thorough
@pytest.mark.parametrize("name", CHECKS)
def test_error_in_a_check_is_never_a_green_run(
    name: str,
    called_by: dict[CodeType, tuple[GivenOptions, str]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    function = CHECKS[name]
    assert function.__code__ in called_by, "no contract test calls it"
    given, test = called_by[function.__code__]
    broken = BROKEN[list(CHECKS).index(name) % len(BROKEN)]
    monkeypatch.setattr(function, "__code__", broken.__code__)
    monkeypatch.setenv(f"QWENMOCK_{LIVE.upper()}_KEY", "sk-mock")
    monkeypatch.setattr(examination, "run_alone", lambda options, plugins: run_alone(options, [*plugins, Only(test)]))
    assert examination.examine(given) == 3
    told = capfd.readouterr().err
    assert "internal error of the examiner" in told
    assert "broken on purpose" in told


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("QWENMOCK_", "PYTEST_"))}


CHECK = (sys.executable, "-m", "qwenmock.mockserver", "check")


def run(*command: str, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command; `qwenmock check`, which does not look at its folder then, in this process."""
    whole = {**clean_environment(), **environment}
    if command[: len(CHECK)] == CHECK and folder is None:
        return run_here("check", *command[len(CHECK) :], environment=whole)
    return subprocess.run(command, capture_output=True, text=True, env=whole, cwd=folder, timeout=240, check=False)


PYTEST = (sys.executable, "-m", "pytest")


@pytest.mark.parametrize("command", [(*CHECK,), (*CONTRACT_TESTS, "--live-url")])
def test_forgotten_slug_is_one_line_with_a_hint(server: RunningServer, command: tuple[str, ...]) -> None:
    done = run(*command, server.origin, "--provider", "nebula", **KEY)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stdout + done.stderr
    assert f"did you mean {server.url('nebula')}?" in done.stderr


def test_wrong_base_url_is_not_a_hundred_violations(server: RunningServer) -> None:
    done = run(*CHECK, f"{server.url('nebula')}/v2", "--provider", "nebula", **KEY)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


TARGETS = [("ai302", "0"), ("nebula", "0"), ("nebula", "1"), ("evolink", "7")]


@pytest.mark.parametrize(("slug", "budget"), usually(TARGETS, TARGETS[-1:]))
@pytest.mark.parametrize("profile", usually(["smoke", "ci"], ["smoke"]))
def test_pytest_and_check_examine_the_same(
    server: RunningServer, tmp_path: Path, slug: str, budget: str, profile: str
) -> None:
    """The same checks in the same order: so much is spent on the same rules."""
    key = {f"QWENMOCK_{slug.upper()}_KEY": "sk-mock"}
    common = ("--provider", slug, "--live-budget", budget, "--contract-profile", profile, "--contract-report")
    reports = []
    for number, command in enumerate(((*CHECK,), (*CONTRACT_TESTS, "--live-url"))):
        path = tmp_path / f"{number}.json"
        done = run(*command, server.url(slug), *common, str(path), **key)
        assert done.returncode == 0, done.stdout + done.stderr
        reports.append(json.loads(path.read_text("utf-8")))
    first, second = ({row["id"]: row["status"] for row in report["rules"]} for report in reports)
    assert first == second
    assert reports[0]["skipped"] == reports[1]["skipped"]


def test_live_run_leaves_the_project_alone(server: RunningServer, tmp_path: Path) -> None:
    """Neither its tests nor its hooks, options and names of tests apply."""
    (tmp_path / "conftest.py").write_text("raise RuntimeError('loaded')\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\npython_files = check_*.py\n")
    (tmp_path / "check_own.py").write_text("def test_own():\n    raise RuntimeError('run')\n")
    options = ("--live", "--provider", "nebula", "--live-url", server.url("nebula"), "--contract-report", "r.json")
    done = run(*PYTEST, *options, folder=tmp_path, **KEY)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert report["profile"] == "smoke"
    assert report["summary"]["examined"] > 0
    assert f"conforms as far as examined: {report['summary']['examined']} of " in done.stdout
    assert "(budget 0)" in done.stdout


def test_live_run_without_any_key_names_them(tmp_path: Path) -> None:
    done = run(*PYTEST, "--live", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stdout + done.stderr
    assert "QWENMOCK_NEBULA_KEY" in done.stderr
    assert "QWENMOCK_EVOLINK_KEY" in done.stderr


COMMANDS = [[*CHECK], [*CONTRACT_TESTS, "--live-url"]]


@pytest.mark.parametrize("command", usually(COMMANDS, COMMANDS[:1]))
def test_too_few_rules_fail_a_run_that_requires_more(server: RunningServer, tmp_path: Path, command: list[str]) -> None:
    paths = {suffix: tmp_path / f"r.{suffix}" for suffix in ("json", "xml", "md", "html")}
    reports = [part for path in paths.values() for part in ("--contract-report", str(path))]
    budget = ("--live-budget", "0")
    common = (server.url("nebula"), "--provider", "nebula", *budget, "--contract-profile", "smoke", *reports)
    done = run(*command, *common, "--require-rules", "90", **KEY)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "--require-rules asks for 90 %" in done.stdout
    summary = json.loads(paths["json"].read_text("utf-8"))["summary"]
    extent = f"conforms as far as examined: {summary['examined']} of {summary['rules']} rules (budget 0)"
    for text in (done.stdout, *(paths[suffix].read_text("utf-8") for suffix in ("xml", "md", "html"))):
        assert extent in text
    suite = next(ET.parse(paths["xml"]).iter("testsuite"))
    counts = {name: int(suite.get(name, "")) for name in ("tests", "failures", "skipped")}
    assert counts == {"tests": summary["rules"], "failures": summary["fail"], "skipped": summary["skipped"]}
    assert run(*command, *common, "--require-rules", "1", **KEY).returncode == 0


BASELINE = ("--provider", "nebula", "--contract-profile", "smoke", "--contract-baseline", "old.json")


@pytest.mark.parametrize(("command", "code"), [((*CHECK,), 2), ((*CONTRACT_TESTS,), 4)])
def test_baseline_that_cannot_be_read_ends_the_run(tmp_path: Path, command: tuple[str, ...], code: int) -> None:
    refused = run(*command, *BASELINE, folder=tmp_path)
    assert refused.returncode == code
    assert "--contract-baseline: cannot read old.json" in refused.stdout + refused.stderr


COMPARED = [[*CHECK], [*CONTRACT_TESTS], [*CONTRACT_TESTS, "-k", "n/maximum"]]


@pytest.mark.parametrize("command", usually(COMPARED, COMPARED[-1:]))
def test_baseline_is_compared(tmp_path: Path, command: list[str]) -> None:
    old = {"provider": "nebula", "profile": "ci", "started": 0, "failures": []}
    mended = "nebula/contents/parameters/n/maximum"
    (tmp_path / "old.json").write_text(json.dumps({**old, "rules": [{"id": mended, "status": "fail"}]}))
    done = run(*command, *BASELINE, "--contract-report", "new.json", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nebula: since old.json (1970-01-01 00:00 UTC, profile ci): 0 newly violated, 1 mended" in done.stdout
    assert f"mended: {mended} (was: VIOLATED, now: holds)" in done.stdout
    comparison = json.loads((tmp_path / "new.json").read_text("utf-8"))["baseline"]
    assert [change["id"] for change in comparison["mended"]] == [mended]
