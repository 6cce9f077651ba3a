"""Every command and snippet of README and docs does what it says."""

import importlib.util
import inspect
import os
import pkgutil
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path

import httpx
import pytest
import yaml
from commands import serving

from qwenmock import mockserver
from qwenmock.pytest_plugin import plugin
from qwenmock.schemas.catalog import load
from qwenmock.schemas.recordings import Recording, save

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "examples" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TUTORIAL = ROOT / "docs" / "index.md"
DOCUMENTED = [
    name
    for page in ("fixtures", "python")
    for name in re.findall(r"^::: (\S+)", (ROOT / "docs" / "reference" / f"{page}.md").read_text("utf-8"), re.MULTILINE)
]
ADDRESS = "http://127.0.0.1:4010"
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
    arguments += ["--proxy-port", "0"] if "--proxy" in arguments else []
    process = subprocess.Popen([*real, *arguments, "--port", "0"], stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    process.terminate()
    process.communicate(timeout=30)
    sys.exit(0 if "127.0.0.1" in line else 3)
if arguments[:1] == ["check"] and "--contract-profile" not in arguments:
    # The whole of it runs as `contract_tests`, beside this, and test_check.py examines every provider.
    arguments += ["--contract-profile", "smoke"]
    if "--provider" not in arguments:
        arguments += ["--provider", "ai302"]
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
    "pytest": f'exec "{sys.executable}" -m pytest -p no:cacheprovider -p no:hypothesispytest "$@"',
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `output` is the block after it that shows what it prints."""

    page: Path
    number: int
    language: str
    title: str
    text: str
    output: str = ""

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}-{self.number}"


def blocks_of(page: Path) -> list[Block]:
    found: list[Block] = []
    for number, (language, rest, text) in enumerate(BLOCK.findall(page.read_text("utf-8"))):
        title = re.search(r'title="([\w.]+)"', rest)
        if title and title[1] == "output":
            found[-1] = replace(found[-1], output=text)
        else:
            found.append(Block(page, number, language, title[1] if title else "", text))
    return found


def blocks(language: str) -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page) if block.language == language]


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


def run(block: Block, origin: str, folder: Path, environment: dict[str, str]) -> None:
    """Type a block's commands, and compare what they print with what the page shows."""
    text = block.text
    for url, slug in PRODUCTION.items():
        text = text.replace(url, f"{origin}/{slug}")
    text = text.replace(ADDRESS, origin).replace("http://127.0.0.1:4011/", f"{origin}/health")
    text = text.replace("sk-…", "sk-mock").replace("pytest contract_tests", "pytest")
    text = text.replace(
        "pytest --pyargs qwenmock.contract_tests", "pytest --pyargs qwenmock.contract_tests -q -k billing"
    )
    command = ["bash", "-euo", "pipefail", "-c", text]
    environment = {**environment, "PRODUCTION": f"{origin}/nebula"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "Traceback" not in done.stderr
    if text.startswith("curl"):
        assert '"error"' not in done.stdout
    for line in block.output.replace(ADDRESS, origin).splitlines():
        assert re.search(".*".join(map(re.escape, line.split("…"))), done.stdout), f"{line}\n{done.stdout}"


@pytest.fixture(scope="module")
def shared_origin() -> Iterator[str]:
    with serving("--port", "0", "--quiet", "--allow-local-callbacks") as (_, origin):
        yield origin


@pytest.fixture
def origin(shared_origin: str) -> str:
    """The address of a running double, in which nothing has happened."""
    httpx.post(f"{shared_origin}/__mock__/reset", json={}).raise_for_status()
    return shared_origin


def is_tried_elsewhere(block: Block) -> bool:
    """Return whether other tests run its commands: examinations, and the examples in `test_examples.py`."""
    return "qwenmock check" in block.text or "pytest examples" in block.text


# `test_adding_a_provider.py` follows that page as a whole, and `test_tutorial_from_start_to_end` the tutorial.
@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=block.name, marks=pytest.mark.thorough if is_tried_elsewhere(block) else ())
        for block in blocks("sh")
        if block.page != TUTORIAL and block.page.stem != "adding-a-provider"
    ],
)
def test_commands_run(
    block: Block, origin: str, shell: dict[str, str], folder: Path, request: pytest.FixtureRequest
) -> None:
    if block.page.parent.name == "examples":
        (folder / "examples").symlink_to(ROOT / "examples")
    if "node " in block.text and shutil.which("node") is None:
        pytest.skip("node is not installed")
    if "redis://" in block.text:
        shell["REDIS_URL"] = request.getfixturevalue("redis_server").url
    run(block, origin, folder, shell)


def test_tutorial_from_start_to_end(shell: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "tutorial"
    folder.mkdir()
    with serving("--port", "0") as (_, origin):
        for block in blocks_of(TUTORIAL):
            if block.language == "sh":
                run(block, origin, folder, shell)
            else:
                (folder / block.title).write_text(block.text, "utf-8")
    assert (folder / "harbour.png").read_bytes().startswith(b"\x89PNG")


def test_output_that_differs_from_the_page_is_found(shell: dict[str, str], tmp_path: Path) -> None:
    block = Block(TUTORIAL, 0, "sh", "", "echo one two three", output="one … three\n")
    run(block, ADDRESS, tmp_path, shell)
    with pytest.raises(AssertionError, match="one … four"):
        run(replace(block, output="one … four\n"), ADDRESS, tmp_path, shell)


def test_python_snippets_are_tests_that_pass(tmp_path: Path) -> None:
    for number, page in enumerate(PAGES):
        place = tmp_path / str(number)
        for block in blocks_of(page):
            if block.language == "python" and block.title:
                place.mkdir(exist_ok=True)
                (place / block.title).write_text(block.text, "utf-8")
        if not place.exists():
            continue
        plugins = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
        command = [sys.executable, "-m", "pytest", "-q", *plugins, "--qwenmock-offline", str(place)]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{page}\n{done.stdout}{done.stderr}"
        assert " passed" in done.stdout


def test_every_python_snippet_has_a_file_name() -> None:
    assert [block.name for block in blocks("python") if not block.title] == []


def test_config_file_is_one(tmp_path: Path) -> None:
    (text,) = [block.text for block in blocks("toml") if block.page.name == "serve.md"]
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
    copied = re.findall(r"^COPY ([^-\s]\S*)", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
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
    generated = {ROOT / "docs" / "reference" / f"{name}.md" for name in ("commands", *load().providers)}
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
            path = (page.parent / target).resolve()
            assert path.exists() or path in generated, f"{page.name}: {target}"


def test_no_table_is_cut_in_two() -> None:
    for page in PAGES:
        lines = ["", *page.read_text("utf-8").splitlines(), ""]
        for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
            begins = line.startswith("|") and not before.startswith("|")
            assert not begins or after.startswith("|--"), f"{page.name}: {line}"


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8")
    pages = [str(page.relative_to(ROOT / "docs")) for page in PAGES if page.is_relative_to(ROOT / "docs")]
    assert [page for page in pages if f": {page}\n" not in navigation] == []


@pytest.mark.skipif(importlib.util.find_spec("mkdocstrings") is None, reason="`make docs` installs what this needs")
def test_site_is_built_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "site" / "reference" / "fixtures" / "index.html").read_text("utf-8")
    methods = [name for name, _ in public_functions("qwenmock.mockserver.testing.mock.Mock")]
    assert len(methods) > 10
    assert [name for name in methods if f'id="{name}"' not in html] == []


@pytest.mark.parametrize(
    ("command", "page"), [("serve", "serve.md"), ("check", "reference/examiner.md"), ("run", "guides/any-language.md")]
)
def test_tables_have_every_option(command: str, page: str) -> None:
    words = [sys.executable, "-m", "qwenmock.mockserver", command, "--help"]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    options = {*re.findall(r"^ +(--[a-z-]+)", shown, re.MULTILINE)} - {"--help"}
    rows = re.findall(r"^\| ([^|]*`--[^|]*)", (ROOT / "docs" / page).read_text("utf-8"), re.MULTILINE)
    listed = {*re.findall(r"--[a-z-]+", " ".join(rows))}
    # pytest's name for the URL that the command takes as an argument
    assert listed - {"--live-url"} == options


def test_vocabulary_defines_each_term_once() -> None:
    text = (ROOT / "docs" / "reference" / "vocabulary.md").read_text("utf-8")
    terms = [term for term in re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE) if term != "term"]
    assert sorted(terms) == sorted(set(terms))
    required = "double examiner catalogue provider variant rule certainty dialect effect verdict hold charge journal"
    assert {*required.split(), "profile (of a key)", "profile (of a run)"} - set(terms) == set()


def public_functions(named: str) -> list[tuple[str, Callable[..., object]]]:
    """A function itself, or the public methods and properties of a class."""
    value = pkgutil.resolve_name(named)
    if not inspect.isclass(value):
        return [(named, inspect.unwrap(value))]
    members = [(f"{named}.{name}", member) for name, member in vars(value).items() if not name.startswith("_")]
    getters = [(name, member.fget if isinstance(member, property) else member) for name, member in members]
    return [(name, member) for name, member in getters if inspect.isfunction(member)]


def test_reference_covers_every_public_name() -> None:
    public = {f"qwenmock.mockserver.{name}" for name in mockserver.__all__ if name != "__version__"}
    public |= {f"qwenmock.pytest_plugin.plugin.{name}" for name in plugin.__all__}
    public |= {"qwenmock.pytest_plugin.autouse", "qwenmock.mockserver.testing.mock.Mock"}
    assert public - set(DOCUMENTED) == set()


@pytest.mark.parametrize("named", DOCUMENTED)
def test_reference_says_what_each_parameter_and_attribute_is(named: str) -> None:
    value = pkgutil.resolve_name(named)
    assert re.match(r"\S.*\.(\n|$)", inspect.getdoc(value) or ""), "the first line is one sentence"
    if is_dataclass(value):
        assert [each.name for each in fields(value) if f"\n    {each.name}: " not in inspect.getdoc(value)] == []
        return
    for name, function in public_functions(named):
        doc = inspect.getdoc(function) or ""
        assert doc, name
        # What a fixture takes are other fixtures.
        taken = [] if ".plugin." in named else [*inspect.signature(function).parameters]
        assert [each for each in taken if each != "self" and f"\n    {each}: " not in doc] == [], name
