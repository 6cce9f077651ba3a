"""What is packed is what is in the repository."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("mockserver", "schemas", "fixtures", "contract_tests", "pytest_plugin")


def git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_wheel_from_the_sdist_holds_every_file(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing to compare with")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = tmp_path.glob("*.whl")
    [sdist] = tmp_path.glob("*.tar.gz")
    expected = {
        name
        for name in git("ls-files", "--cached", "--others", "--exclude-standard", *FOLDERS)
        if (ROOT / name).exists()
    }
    names = zipfile.ZipFile(wheel).namelist()
    packed = {name for name in names if ".dist-info/" not in name}
    assert packed == {f"qwenmock/{name}" for name in expected}
    glyphs = "mockserver/images/unifont"
    assert {f"qwenmock/{glyphs}/glyphs.bin", f"qwenmock/{glyphs}/OFL-1.1.txt"} < packed
    assert any(name.endswith(f".dist-info/licenses/{glyphs}/OFL-1.1.txt") for name in names)
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert expected | {"README.md", "LICENSE", "pyproject.toml"} <= names


def test_version_and_changelog_agree() -> None:
    from qwenmock.mockserver import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def interpreter(version: str) -> str:
    """Return a Python of that version on this machine, or skip the test."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    folders += sorted(Path.home().glob(".pyenv/versions/*/bin"))
    for program in (folder / f"python{version}" for folder in folders):
        check = [str(program), "-c", f"import sys, venv, ensurepip; assert sys.version.startswith('{version}')"]
        if program.exists() and subprocess.run(check, capture_output=True, check=False).returncode == 0:
            return str(program)
    pytest.skip(f"Python {version} is not installed")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.mark.thorough
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_wheel_works_in_a_clean_environment(version: str, wheel: Path, tmp_path: Path) -> None:
    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(interpreter(version), "-m", "venv", "clean")
    program = str(tmp_path / "clean" / "bin" / "python")
    install = [program, "-m", "pip", "install", "--quiet", str(wheel)]
    done = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "Failed to establish a new connection" in done.stderr or "name resolution" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    script = str(tmp_path / "clean" / "bin" / "qwenmock")
    assert run(script, "--version").startswith("qwenmock ")
    assert "openapi" in run(script, "openapi", "nebula")
    out = run(
        program, "-m", "pytest", "--pyargs", "qwenmock.contract_tests", "-q", "--provider", "aigc", "-k", "billing"
    )
    assert " passed" in out
    names = ("mockserver", "schemas", "fixtures", "contract_tests", "pytest_plugin")
    paths = "; ".join(f"print(importlib.import_module('qwenmock.{name}').__file__)" for name in names)
    files = run(program, "-c", f"import importlib; {paths}").split()
    assert all((Path(file).parent / "py.typed").exists() for file in files)


def test_metadata_is_for_those_who_look_for_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        text = archive.read(name).decode()
    for classifier in ("Framework :: Pytest", "Framework :: Hypothesis", "Typing :: Typed"):
        assert f"Classifier: {classifier}" in text
    assert "Provides-Extra: redis" in text
    assert "Requires-Python: >=3.11" in text
