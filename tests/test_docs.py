"""Every command and snippet of README and docs does what it says."""

import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from commands import serving

from qwenmock.schemas.recordings import Recording, save

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "examples" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PRODUCTION = {"https://llm.ai-nebula.com": "nebula", "https://api.evolink.ai": "evolink"}
PROGRAM = """#!{python}
import os, signal, subprocess, sys
arguments = sys.argv[1:]
real = [sys.executable, "-m", "qwenmock.mockserver"]
if arguments[:1] and arguments[0] in ("serve", "listen", "proxy"):
    # It runs until it is stopped: started as it is typed, on a free port, and ended once it has said that it listens.
    if any(word.startswith("redis://") for word in arguments):
        arguments[arguments.index(next(w for w in arguments if w.startswith("redis://")))] = os.environ["REDIS_URL"]
    if "--port" in arguments:
        del arguments[arguments.index("--port") : arguments.index("--port") + 2]
    process = subprocess.Popen([*real, *arguments, "--port", "0"], stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    process.terminate()
    process.communicate(timeout=30)
    sys.exit(0 if "127.0.0.1" in line else 3)
if arguments[:1] == ["check"] and "--contract-profile" not in arguments:
    # The whole of it runs as `contract_tests`, beside this.
    arguments += ["--contract-profile", "smoke"]
if "--live" in arguments:
    arguments.remove("--live")
    if arguments[0] == "drift":
        arguments += ["--live-url", os.environ["PRODUCTION"]]
    else:
        arguments.insert(1, os.environ["PRODUCTION"])
code = subprocess.run([*real, *arguments]).returncode
# A difference, or a receiver that does not cope, is an answer as well.
sys.exit(0 if code in ((0, 1) if arguments[:1] and arguments[0] in ("drift", "check-callback") else (0,)) else code)
"""
MAKE = shutil.which("make")
STUBS = {
    "make": f'"{MAKE}" -n -C "{ROOT}" "$@" > /dev/null',
    "pip": "true",
    "docker": f'cd "{ROOT}" && test "$1" = compose && test -f "$3"',
    "python": f'cd "{ROOT}" && exec "{sys.executable}" "$@"',
    "pytest": f'exec "{sys.executable}" -m pytest -p no:cacheprovider "$@"',
}


def blocks(language: str) -> Iterator[tuple[str, str, str]]:
    for page in PAGES:
        for number, (found, rest, text) in enumerate(BLOCK.findall(page.read_text("utf-8"))):
            if found == language:
                yield f"{page.relative_to(ROOT)}-{number}", rest, text


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment in which what readers type runs: programs that would not end are started and ended."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {**STUBS, "qwenmock": None}.items():
        path = programs / name
        path.write_text(PROGRAM.replace("{python}", sys.executable) if text is None else f"#!/bin/bash\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "QWENMOCK_NEBULA_KEY": "sk-mock"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what the pages speak of: recordings, a test, a catalogue of one's own."""
    place = tmp_path / "work"
    place.mkdir()
    (place / "fixtures").symlink_to(ROOT / "fixtures")
    body = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
    answer = {"code": 400, "msg": "Parameter Error", "data": None}
    save(place / "kept", Recording("nebula", "POST", "/v1/images/generations", body, 400, answer))
    (place / "test_nothing.py").write_text("def test_nothing(qwenmock):\n    qwenmock.expect_calls(0)\n")
    (place / "conftest.py").write_text("")
    return place


# `test_adding_a_provider.py` follows that page as a whole.
@pytest.mark.parametrize(
    "text", [pytest.param(text, id=name) for name, _, text in blocks("sh") if "adding-a-provider" not in name]
)
def test_commands_run(text: str, shell: dict[str, str], folder: Path, request: pytest.FixtureRequest) -> None:
    redis_url = request.getfixturevalue("redis_server").url if "redis://" in text else ""
    options = ["--port", "0", "--allow-local-callbacks"]
    with serving(*options) as (_, origin):
        for url, slug in PRODUCTION.items():
            text = text.replace(url, f"{origin}/{slug}")
        text = text.replace("http://127.0.0.1:4010", origin).replace("http://127.0.0.1:4011/", f"{origin}/health")
        text = text.replace("sk-…", "sk-mock").replace("pytest contract_tests", "pytest")
        text = text.replace(
            "pytest --pyargs qwenmock.contract_tests", "pytest --pyargs qwenmock.contract_tests -q -k billing"
        )
        environment = {**shell, "PRODUCTION": f"{origin}/nebula", "REDIS_URL": redis_url}
        command = ["bash", "-euo", "pipefail", "-c", text]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "Traceback" not in done.stderr
    if text.startswith("curl"):
        assert '"error"' not in done.stdout


def test_python_snippets_are_tests_that_pass(tmp_path: Path) -> None:
    for number, page in enumerate(PAGES):
        place = tmp_path / str(number)
        for language, rest, text in BLOCK.findall(page.read_text("utf-8")):
            title = re.search(r'title="([\w.]+)"', rest)
            if language == "python" and title:
                place.mkdir(exist_ok=True)
                (place / title[1]).write_text(text, "utf-8")
        if not place.exists():
            continue
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--qwenmock-offline", str(place)]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{page}\n{done.stdout}{done.stderr}"
        assert " passed" in done.stdout


def test_every_python_snippet_has_a_file_name() -> None:
    assert [name for name, rest, _ in blocks("python") if "title=" not in rest] == []


def test_config_file_is_one(tmp_path: Path) -> None:
    (text,) = [text for name, _, text in blocks("toml") if "serve.md" in name]
    tomllib.loads(text)
    config = tmp_path / "qwenmock.toml"
    config.write_text(text)
    with serving("--config", str(config), "--port", "0") as (_, origin):
        assert origin.startswith("http://127.0.0.1:")


def test_deployment_and_workflow_are_what_they_must_be() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    assert compose["services"]["qwenmock"]["deploy"]["replicas"] == 3
    workflow = yaml.safe_load((ROOT / "examples" / "github-actions" / "contract.yml").read_text())
    lines = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    commands = [line for text in lines for line in text.splitlines() if line.startswith(("pytest", "qwenmock"))]
    assert len(commands) == 3
    known = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"], capture_output=True, text=True, check=True
    ).stdout
    known += "".join(
        subprocess.run(
            [sys.executable, "-m", "qwenmock.mockserver", name, "--help"], capture_output=True, text=True, check=True
        ).stdout
        for name in ("check", "drift")
    )
    for option in re.findall(r"--[a-z-]+", " ".join(commands)):
        assert option in known
    copied = re.findall(r"^COPY (\S+)", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    assert all((ROOT / name).exists() for name in copied)


def test_command_reference_has_the_help_of_every_command() -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: `make docs` installs it")
    spec = importlib.util.spec_from_file_location("docs_hooks", ROOT / "docs" / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    page = hooks.commands()
    for name in ("serve", "check", "har export", "completion"):
        help_text = subprocess.run(
            [sys.executable, "-m", "qwenmock.mockserver", *name.split(), "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        section = page.partition(f"\n## qwenmock {name}\n")[2].partition("\n## ")[0]
        assert section.split() == ["```text", *help_text.split(), "```"]
    assert "qwenmock completion zsh" in page


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
            if "reference/" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
