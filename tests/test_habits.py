"""The configuration of tools that run elsewhere: workflows, hooks, templates."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text("utf-8"))


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def made(commands: list[str]) -> set[str]:
    return {target for command in commands for target in re.findall(r"\bmake ([a-z-]+)", command)}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_runs_existing_make_targets(path: Path) -> None:
    targets = made([step.get("run", "") for step in steps(load(path))])
    assert targets
    assert targets <= TARGETS
    assert "secrets." not in path.read_text("utf-8")


def test_workflow_tests_every_supported_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    supported = [name.rpartition(" ")[2] for name in project["classifiers"] if re.search(r":: 3\.\d+$", name)]
    (workflow,) = [path for path in WORKFLOWS if path.stem == "test"]
    assert load(workflow)["jobs"]["test"]["strategy"]["matrix"]["python"] == supported
    assert project["requires-python"] == f">={supported[0]}"


def test_only_the_job_that_publishes_may_have_an_identity() -> None:
    (workflow,) = [load(path) for path in WORKFLOWS if path.stem == "release"]
    assert workflow[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 reads `on` as true
    publishing = [
        name
        for name, job in workflow["jobs"].items()
        if any(step.get("uses", "").startswith("pypa/gh-action-pypi-publish@") for step in job["steps"])
    ]
    assert publishing == ["publish"]
    assert workflow["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    assert [name for name, job in workflow["jobs"].items() if "id-token" in str(job.get("permissions"))] == publishing


def test_hooks_run_what_lint_runs() -> None:
    hooks = [hook for repo in load(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    entries = {hook["id"]: hook["entry"] for hook in hooks}
    assert entries["ruff-check"].startswith(".venv/bin/ruff check")
    assert entries["ruff-format"].startswith(".venv/bin/ruff format")
    assert entries["lint-js"] == "make lint-js"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_issue_template_is_complete(path: Path) -> None:
    template = load(path)
    if path.stem == "config":
        assert template["blank_issues_enabled"] is True
        return
    assert {"name", "description", "body"} <= template.keys()
    ids = [field["id"] for field in template["body"]]
    assert len(ids) == len(set(ids))
    assert all(field["attributes"]["label"] for field in template["body"])


def test_contributing_begins_with_three_commands() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    first = re.search(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert first is not None
    commands = first[1].splitlines()
    assert len(commands) == 3
    assert len(made(commands)) == 3
    assert made(commands) <= TARGETS


def test_files_of_tests_without_sockets_exist() -> None:
    listed = re.findall(r"^(?:SERVER|EXAMINER|IN_PROCESS)_TESTS := ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    assert len(listed) == 3
    assert all((ROOT / path).exists() for paths in listed for path in paths.replace("\\\n", " ").split())


def test_tests_of_modules_under_mutation_are_unit_tests() -> None:
    listed = re.findall(r"^(?:SERVER|EXAMINER)_TESTS := (.*)$", MAKEFILE, re.MULTILINE)
    units = tuple(path for paths in listed for path in paths.split())
    modules: dict[str, list[str]] = tomllib.loads((ROOT / "tests/mutants/modules.toml").read_text("utf-8"))
    assert all(test.startswith(units) for tests in modules.values() for test in tests)
