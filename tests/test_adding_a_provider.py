"""`docs/adding-a-provider.md`, followed literally."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from qwenmock.mockserver.http.server import running
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.examiner.sample_images import read_png

PAGE = (Path(__file__).parent.parent / "docs" / "adding-a-provider.md").read_text("utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write every file that the page shows, under the name it gives it."""
    root = tmp_path_factory.mktemp("project")
    files = re.findall(r"`(my-schemas/[^`]+)`:\n\n```(?:json|toml)\n(.*?)```", PAGE, re.DOTALL)
    assert len(files) == 4
    for name, content in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, "utf-8")
    return root


def commands() -> list[str]:
    return [block.strip() for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)]


def test_provider_answers_as_the_page_says(folder: Path) -> None:
    serve, curl, _ = commands()
    assert shlex.split(serve)[:2] == ["qwenmock", "serve"]
    with running(Settings(port=0, schemas=folder / shlex.split(serve)[-1])) as server:
        done = subprocess.run(
            curl.replace("http://127.0.0.1:4010", server.origin), shell=True, capture_output=True, text=True, check=True
        )
        links = re.findall(r'"url":"([^"]+)"', done.stdout)
        assert [read_png(httpx.get(link).content) for link in links] == [(512, 512)] * 2
        [charge] = httpx.get(f"{server.origin}/__mock__/ledger").json()["charges"]
        assert (charge["amount"], charge["currency"]) == ("0.1", "USD")


def test_provider_passes_its_examination(folder: Path) -> None:
    *assignments, program, option, package = shlex.split(commands()[2])
    assert (program, option) == ("pytest", "--pyargs")
    environment = {**os.environ, **dict(each.split("=") for each in assignments)}
    command = [sys.executable, "-m", "pytest", option, package, "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
