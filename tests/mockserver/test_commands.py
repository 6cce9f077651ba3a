"""The command line as a whole: its help, errors, completion and settings, without running a command."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import click
import pytest

from qwenmock.mockserver.cli import COMMANDS, CommandTable, main, root
from qwenmock.mockserver.commands.options import OPTIONS, read_settings
from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.settings import Settings

PROGRAM = [sys.executable, "-m", "qwenmock.mockserver"]
HEAVY = ("starlette", "hypothesis", "jsonschema", "uvicorn", "httpx", "pytest", "PIL", "rich")


def commands(group: click.Group = root, name: str = "qwenmock") -> Iterator[tuple[str, click.Command]]:
    ctx = click.Context(group)
    for child in group.list_commands(ctx):
        command = group.get_command(ctx, child)
        assert command is not None
        yield f"{name} {child}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {child}")


NAMES = [name for name, _ in commands()]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("QWENMOCK_")}
    return subprocess.run(
        [*PROGRAM, *arguments], capture_output=True, text=True, timeout=60, env={**clean, **environment}, check=False
    )


def error(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line on stderr with which the command line refuses its arguments."""
    assert main(arguments) == 2, arguments
    out, line = capsys.readouterr()
    assert out == ""
    assert line.startswith("qwenmock: ")
    assert line.count("\n") == 1
    return line.removeprefix("qwenmock: ").rstrip("\n")


def test_help_groups_the_commands_by_purpose(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    position = 0
    for purpose, entries in COMMANDS.items():
        for word in (f"\n{purpose}:\n", *(f"\n  {entry.name} " for entry in entries)):
            assert text.find(word, position) >= 0, word
            position = text.find(word, position)


@pytest.mark.parametrize("name", NAMES)
def test_help_of_a_command_ends_with_an_example_that_is_accepted(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*name.split()[1:], "--help"]) == 0
    title, example = capsys.readouterr().out.splitlines()[-2:]
    assert title == "Example:"
    assert example.startswith(f"  {name} ")
    assert max(map(len, example.splitlines())) <= 80
    words = shlex.split(example.partition(" > ")[0])[1:]
    group: click.Command = root
    while isinstance(group, click.Group):
        _, command, words = group.resolve_command(click.Context(group), words)
        assert command is not None
        group = command
    group.make_context(name, words).close()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["completion", "bash"], ["serve", "--help"], ["check", "--help"], ["serv"]]
)
def test_help_version_and_completion_import_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys; from qwenmock.mockserver.cli import main; "
        f"main({arguments!r}); print(','.join(sorted({set(HEAVY)!r} & set(sys.modules))), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == ""


def test_completing_a_command_imports_nothing_heavy() -> None:
    """The names of all commands are offered: each is imported."""
    script = (
        "import atexit, sys; from qwenmock.mockserver.cli import main; "
        f"atexit.register(lambda: print(sorted({set(HEAVY)!r} & set(sys.modules)), file=sys.stderr)); main()"
    )
    environment = {**os.environ, "_QWENMOCK_COMPLETE": "bash_complete", "COMP_WORDS": "qwenmock ", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert len(done.stdout.splitlines()) == len(list(root.list_commands(click.Context(root))))
    assert done.stderr == "[]\n"


def test_server_does_not_import_the_plugin() -> None:
    script = (
        "import sys, qwenmock.mockserver.cli, qwenmock.mockserver.commands.serve, qwenmock.mockserver.http.workers; "
        "print([name for name in sys.modules if name.startswith('qwenmock.pytest_plugin')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "missing command; see `qwenmock --help`"),
        ("serv", "unknown command 'serv' (did you mean serve?); see `qwenmock --help`"),
        ("--prot 1", "unknown option --prot; see `qwenmock --help`"),
        ("serve --prot 1", "unknown option --prot (did you mean --port?); see `qwenmock serve --help`"),
        ("serve extra", "got unexpected extra argument (extra); see `qwenmock serve --help`"),
        ("serve --latency", "option '--latency' requires an argument"),
        ("serve --port x", '--port: expected an integer from 0 to 65535, got "x"'),
        ("serve --port 65536", '--port: expected an integer from 0 to 65535, got "65536"'),
        ("serve --workers 0", '--workers: expected an integer from 1 to 64, got "0"'),
        ("serve --latency 5-1", "--latency: expected instant, realistic, milliseconds or a range such as 200-800"),
        ("serve --price nebula", '--price: expected SLUG=AMOUNT such as nebula=0.20, got "nebula"'),
        ("serve --log-format xml", '--log-format: expected text or json, got "xml"'),
        ("serve --provider ''", '--provider: expected a string that is not empty, got ""'),
        ("serve --state ftp://x", "--state: expected a path, sqlite:///path or redis://host:port/number"),
        ("serve --callback-secret x", "--callback-secret: expected whsec_ followed by base64"),
        ("serve --provider nebulo", "unknown provider 'nebulo' (did you mean nebula?): expected one of"),
        ("serve --keys x", '--keys: expected a table such as [keys."sk-mock-small"], got "x"'),
        ("check --contract-profile x", '--contract-profile: expected smoke, ci or deep, got "x"'),
        ("check --live-allow x", '--live-allow: expected rate-limit, got "x"'),
        ("check --live-budget x", '--live-budget: expected a number of at least 0, got "x"'),
        ("check --live-budget 1_0", '--live-budget: expected a number of at least 0, got "1_0"'),
        ("check --contract-report r.txt", "--contract-report: expected a path that ends in .json, .html, .md or .xml"),
        ("check --callback-url https://x/", "--callback-url and --callback-poll need each other"),
        ("check --callback-url https://x/ --callback-poll http://y/", "--callback-url needs --live or a URL"),
        (
            "check http://x/ --provider evolink --callback-url x --callback-poll http://y/",
            "--callback-url: expected a URL",
        ),
        ("check --live-ledger http://x/", "--live-ledger: expected a URL that contains {request_id}"),
        ("drift", "missing --provider SLUG; see `qwenmock drift --help`"),
        ("drift --provider acme", "unknown provider 'acme': expected one of"),
        ("drift --provider nebula --report x", "--report: expected a path that ends in .json, .html or .md, got"),
        ("drift --provider nebula", "expected either --recorded DIR, or --live or --live-url URL"),
        ("proxy --provider nebula --budget x", '--budget: expected a number of at least 0, got "x"'),
        ("listen --fail x", '--fail: expected an integer from 0 to 65535, got "x"'),
        ("har", "missing command; see `qwenmock har --help`"),
        ("har exprt a b", "unknown command 'exprt' (did you mean export?); see `qwenmock har --help`"),
        ("check ''", 'URL: expected a string that is not empty, got ""'),
        ("har export a", "missing FILE; see `qwenmock har export --help`"),
        ("openapi", "missing SLUG; see `qwenmock openapi --help`"),
        ("completion tcsh", 'SHELL: expected bash, zsh or fish, got "tcsh"'),
    ],
)
def test_wrong_command_line_is_one_plain_line(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = error(*shlex.split(line), capsys=capsys)
    assert found.startswith(message), found


def test_file_that_cannot_be_written_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "none" / "all.har"
    assert error("har", "export", str(tmp_path), str(path), capsys=capsys) == f"{path}: No such file or directory"


def test_errors_name_where_the_value_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "qm.toml"
    for text, message in (
        ("port = true", f"{config}: port: expected an integer from 0 to 65535, got true"),
        ('strict = "maybe"', f'{config}: strict: expected true or false, got "maybe"'),
        ("journal-max = 0", f"{config}: journal-max: expected an integer from 1 to 1000000, got 0"),
        ("[price]\nnebula = -1", f'{config}: price: expected SLUG=AMOUNT such as nebula=0.20, got "nebula=-1"'),
        ("schemas = 3", f"{config}: schemas: expected a string that is not empty, got 3"),
        ("keys = 3", f'{config}: keys: expected a table such as [keys."sk-mock-small"], got 3'),
        ("[keys.sk-mock-a]\nlimit = 3", f"{config}: keys: sk-mock-a: unknown name 'limit'; expected balance,"),
        ('[keys.sk-mock-a]\nalways = "x"', f"{config}: keys: sk-mock-a: expected unauthorized, forbidden,"),
        ("prot = 1", f"--config {config}: unknown setting 'prot' (did you mean port?): expected one of admin-token, "),
        ("colour = 1", f"--config {config}: unknown setting 'colour': expected one of admin-token, "),
        ("port = [", f"--config {config}: "),
    ):
        config.write_text(text)
        assert error("serve", "--config", str(config), capsys=capsys).startswith(message)
    monkeypatch.setenv("QWENMOCK_CONFIG", str(tmp_path / "none.toml"))
    assert error("serve", capsys=capsys) == f"--config {tmp_path / 'none.toml'}: No such file or directory"
    monkeypatch.setenv("QWENMOCK_CONFIG", "")
    for name, value, message in (
        ("QWENMOCK_PORT", "x", 'QWENMOCK_PORT: expected an integer from 0 to 65535, got "x"'),
        ("QWENMOCK_STRICT", "x", 'QWENMOCK_STRICT: expected true or false, got "x"'),
        ("QWENMOCK_PRICE", "nebula=1,x", 'QWENMOCK_PRICE: expected SLUG=AMOUNT such as nebula=0.20, got "x"'),
    ):
        monkeypatch.setenv(name, value)
        assert error("serve", capsys=capsys) == message
        monkeypatch.delenv(name)


def settings_of(*arguments: str) -> Settings:
    """Return the settings with which `qwenmock serve` would run."""
    found: list[Settings] = []
    table = CommandTable(COMMANDS)
    command = table.get_command(click.Context(table), "serve")
    assert command is not None
    with command.make_context("serve", list(arguments)) as ctx:
        found.append(command.options(**ctx.params))
    return found[0]


def test_option_precedes_environment_and_that_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "qm.toml"
    config.write_text(
        'port = 1\nseed = 1\nlatency = "1"\nstrict = true\nfetch-images = false\nlog-format = "json"\n'
        'price = ["nebula=1", "aigc=2"]\n[keys.sk-mock-a]\nbalance = 3\nrequests_per_minute = 2\n'
    )
    monkeypatch.setenv("QWENMOCK_CONFIG", str(config))
    monkeypatch.setenv("QWENMOCK_PORT", "2")
    monkeypatch.setenv("QWENMOCK_SEED", "2")
    monkeypatch.setenv("QWENMOCK_FETCH_IMAGES", "on")
    monkeypatch.setenv("QWENMOCK_PUBLIC_URL", "")
    found = settings_of("--port", "3")
    assert (found.port, found.seed, found.latency.maximum) == (3, 2, 0.001)
    assert (found.strict, found.fetch_images, found.allow_local_callbacks) == (True, True, False)
    assert (found.public_url, found.log_format, found.workers) == (None, "json", 1)
    assert found.prices == {"nebula": Decimal(1), "aigc": Decimal(2)}
    assert (found.keys["sk-mock-a"].balance, found.keys["sk-mock-a"].requests_per_minute) == (Decimal(3), 2)
    monkeypatch.setenv("QWENMOCK_PRICE", "nebula=0.5 CNY,evolink=0.25")
    assert settings_of().prices == {"nebula": Decimal("0.5"), "evolink": Decimal("0.25")}
    assert settings_of("--price", "aigc=7", "--price", "nebula=8").prices == {"aigc": 7, "nebula": 8}


def test_defaults_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("QWENMOCK_")]:
        monkeypatch.delenv(name)
    assert settings_of() == Settings()
    assert read_settings({}) == Settings()


def test_values_from_python_have_the_names_of_the_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWENMOCK_PORT", "7")
    monkeypatch.setenv("QWENMOCK_PRICE", "aigc=7")
    values = {"latency": "200", "strict": True, "price": {"nebula": Decimal("0.5")}, "seed": None, "replay": tmp_path}
    found = read_settings(values)
    assert (found.port, found.latency.maximum, found.strict, found.seed) == (Settings.port, 0.2, True, None)
    assert (found.prices, found.replay) == ({"nebula": Decimal("0.5")}, tmp_path)
    config = tmp_path / "qm.toml"
    config.write_text("port = 5\njournal-max = 6\n")
    found = read_settings({"config": str(config), "port": 8})
    assert (found.port, found.journal_max) == (8, 6)
    with pytest.raises(SettingsError, match=r"^--port: expected"):
        read_settings({"config": str(config), "port": "x"})
    for wrong, message in (
        ({"prot": 1}, "unknown setting 'prot' .did you mean port"),
        ({"journal_max": 0}, "--journal-max: expected an integer from 1 to 1000000, got 0"),
        ({"latency": "slow"}, "--latency: expected instant"),
    ):
        with pytest.raises(SettingsError, match=message):
            read_settings(wrong)


def test_every_setting_has_an_option() -> None:
    names = {str(option.name) for option in OPTIONS}
    assert {name.replace("prices", "price") for name in Settings.__dataclass_fields__} == names - {"config"}


COMPLETIONS = [
    ("qwenmock ch", {"check", "check-callback"}),
    ("qwenmock serve --po", {"--port"}),
    ("qwenmock serve --provider ne", {"nebula"}),
    ("qwenmock serve --latency re", {"realistic"}),
    ("qwenmock check --contract-profile d", {"deep"}),
    ("qwenmock har ex", {"export"}),
    ("qwenmock completion z", {"zsh"}),
]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_and_answers(shell: str, tmp_path: Path) -> None:
    done = run("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_QWENMOCK_COMPLETE={shell}_complete" in done.stdout
    program = shutil.which(shell)
    if program is not None:
        script = tmp_path / "completion"
        script.write_text(done.stdout)
        subprocess.run([program, "-n", str(script)], check=True)
    for line, expected in COMPLETIONS:
        words = line.split()
        # fish passes the word at the cursor itself, the others its index.
        variables = {"COMP_WORDS": line, "COMP_CWORD": words[-1] if shell == "fish" else str(len(words) - 1)}
        answer = run(**variables, _QWENMOCK_COMPLETE=f"{shell}_complete").stdout.split("\n")
        if shell == "zsh":
            found = set(answer[1::3])
        else:
            found = {each.partition(",")[2].partition("\t")[0] for each in answer if each}
        assert found == expected, answer


def test_bash_completes_what_is_typed(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    program = tmp_path / "qwenmock"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m qwenmock.mockserver "$@"\n')
    program.chmod(0o755)
    script = (
        f'PATH="{tmp_path}:$PATH"; eval "$(qwenmock completion bash)"; COMP_WORDS=(qwenmock serve --provider ev); '
        'COMP_CWORD=3; _qwenmock_completion qwenmock; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run([bash, "--norc", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "evolink\n"


def test_python_and_the_script_are_the_same_program() -> None:
    script = Path(sys.executable).with_name("qwenmock")
    if not script.exists():
        pytest.skip("the script is not installed beside this Python")
    for arguments in (["--help"], ["check", "--help"]):
        assert (
            subprocess.run([script, *arguments], capture_output=True, text=True, check=True).stdout
            == run(*arguments).stdout
        )
    assert run("--version").stdout.startswith("qwenmock ")


def test_public_names_are_importable() -> None:
    from qwenmock.mockserver import Settings, __version__, create_app, create_double, running
    from qwenmock.pytest_plugin import autouse

    assert all(callable(each) for each in (Settings, create_app, create_double, running, autouse))
    assert __version__
    assert Settings(port=0).port == 0
