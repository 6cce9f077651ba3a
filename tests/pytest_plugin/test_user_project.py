"""A user's own project, with two lines in its conftest."""

import json
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("quiet")

CONFTEST = """
from qwenmock.pytest_plugin import autouse
double = autouse("qwenmock_intercept")
"""
APPLICATION = """
import os
import httpx

def paint(prompt):
    answer = httpx.post(
        "https://llm.ai-nebula.com/v1/images/generations",
        headers={"Authorization": f"Bearer {os.environ.get('NEBULA_KEY', 'sk-production')}"},
        json={"model": "qwen-image-plus", "prompt": prompt, "parameters": {"size": "1328*1328"}},
    )
    answer.raise_for_status()
    return httpx.get(answer.json()["data"]["data"][0]["url"]).content
"""
TESTS = """
import httpx
import pytest
from application import paint

def test_paints():
    assert paint("a cat").startswith(b"\\x89PNG")

def test_bills(qwenmock):
    paint("a cat")
    paint("a dog")
    qwenmock.expect_calls(2)
    qwenmock.assert_billed("0.36")

def test_out_of_money(qwenmock):
    qwenmock.set_balance(0)
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        paint("a cat")
"""


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly -p no:hypothesispytest")


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(application=APPLICATION, test_application=TESTS)
    return pytester


def test_two_lines_make_tests_run_offline(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--qwenmock-offline")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "3 tests, 4 calls, 3 images: 0.54 CNY that production would cost",
            "*0.36 CNY     2 images  test_application.py::test_bills",
            "nebula: never exercised: 400, 401, 429, 500, expired link",
            "qwenmock: offline: no outgoing connection was *",
        ]
    )


def test_costs_are_shown_in_dollars_where_documents_name_them(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_credits="""
        import httpx
        import pytest

        BODY = {"model": "qwen-image-edit", "prompt": "a cat", "image_urls": ["https://example.com/image1.png"]}

        @pytest.mark.parametrize("images", [1, 2])
        def test_edits(qwenmock, images):
            for _ in range(images):
                url = f"{qwenmock.url('evolink')}/v1/images/generations"
                httpx.post(url, json=BODY, headers={"Authorization": f"Bearer {qwenmock.key}"}).raise_for_status()
            qwenmock.advance(10)

        def test_paints(qwenmock):
            body = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
            url = f"{qwenmock.url('nebula')}/v1/images/generations"
            httpx.post(url, json=body, headers={"Authorization": f"Bearer {qwenmock.key}"}).raise_for_status()
        """
    )
    result = pytester.runpytest_subprocess("--qwenmock-report", "used.md", "--qwenmock-report", "used.json")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "3 tests, 4 calls, 4 images: 0.18 CNY, 6.9 credits (0.0957 USD) that production would cost",
            "*4.6 credits (0.0638 USD) *2 images  test_credits.py::test_edits?2?",
            "*2.3 credits (0.0319 USD) *1 image  test_credits.py::test_edits?1?",
            "*0.18 CNY *1 image  test_credits.py::test_paints",
        ]
    )
    assert "**0.18 CNY, 6.9 credits (0.0957 USD)**" in (pytester.path / "used.md").read_text("utf-8")
    used = json.loads((pytester.path / "used.json").read_text("utf-8"))
    assert [use["usd"] for use in used["uses"]] == [{"credits": "0.0319"}, {"credits": "0.0638"}, {}]


def test_processes_of_xdist_add_up(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("-n", "2", "--qwenmock-report", "used.json")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["3 tests, 4 calls, 3 images: 0.54 CNY that production would cost"])
    used = json.loads((project.path / "used.json").read_text())
    assert sorted(use["calls"] for use in used["uses"]) == [1, 1, 2]


def test_run_that_would_cost_too_much_fails(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--qwenmock-max-cost", "0.5")
    assert result.ret == 1
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["the run would have cost 0.54 CNY, more than --qwenmock-max-cost 0.5"])
    assert project.runpytest_subprocess("--qwenmock-max-cost", "0.54").ret == 0
    wrong = project.runpytest_subprocess("--qwenmock-max-cost", "much")
    wrong.stderr.fnmatch_lines(['*--qwenmock-max-cost: expected a number of at least 0, got "much"'])


def test_reports_are_for_pull_requests_and_junit(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--qwenmock-report", "used.md", "--junit-xml", "junit.xml")
    assert result.ret == 0
    text = (project.path / "used.md").read_text("utf-8")
    assert "| `test_application.py::test_bills` | 2 | 2 | 0.36 CNY |" in text
    assert "| nebula | 0 of 111 | 400, 401, 429, 500, expired link |" in text
    properties = {
        (case.get("name"), each.get("name")): each.get("value")
        for case in ET.parse(project.path / "junit.xml").iter("testcase")
        for each in case.iter("property")
    }
    assert properties["test_bills", "qwenmock_cost"] == "0.36 CNY"
    assert properties["test_bills", "qwenmock_calls"] == "2"
    wrong = project.runpytest_subprocess("--qwenmock-report", "used.txt")
    wrong.stderr.fnmatch_lines(['*--qwenmock-report: expected a path that ends in .md or .json, got "used.txt"'])


def test_connection_that_leaves_the_machine_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import socket
        import pytest

        def test_leaves():
            with pytest.raises(ConnectionError, match="the run is offline"):
                socket.create_connection(("192.0.2.1", 80), timeout=1)
            with pytest.raises(ConnectionError, match="example.com"):
                socket.getaddrinfo("example.com", 80)
        """
    )
    result = pytester.runpytest_subprocess("--qwenmock-offline")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["qwenmock: offline: 2 outgoing connections were refused: 192.0.2.1, example.com"])


def test_failing_test_shows_what_the_double_was_asked(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_fails="""
        from application import paint

        def test_fails(qwenmock):
            paint("a cat")
            qwenmock.expect_calls(5)
        """
    )
    result = project.runpytest_subprocess("test_fails.py")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">       qwenmock.expect_calls(5)",
            "E       AssertionError: expected 5 calls, got 1:",
            "E         POST *nebula *qwen-image-plus *200 *0.18 CNY",
            "test_fails.py:5: AssertionError",
        ]
    )
    result.stdout.no_fnmatch_line("*mockserver/testing*")
    result.stdout.fnmatch_lines(["*qwenmock journal*", "  POST *nebula *qwen-image-plus *200 *0.18 CNY"])


TRACEBACKS = {
    "qwenmock.assert_billed(5)": "expected a charge of 5, got nothing:",
    "qwenmock.assert_well_behaved()": "expected no errors of the client, got 1:",
    "qwenmock.last_request": "the double was not called",
    "qwenmock.fail_next(418)": "status: expected one of *, got 418",
    "qwenmock.fail_next(429, tmes=2)": "*unknown member*tmes*",
    "qwenmock.set_balance('1_000')": "balance: expected a decimal *",
    "qwenmock.scenario('outag')": "name: expected one of *",
    "qwenmock.advance(-1)": "advance_seconds: expected *",
    "qwenmock.url('nebul')": "*unknown provider 'nebul'*",
}
REFUSE_TWICE = """
import httpx

def refuse_twice(qwenmock):
    for _ in range(2):
        url, headers = qwenmock.url("nebula"), {"Authorization": f"Bearer {qwenmock.key}"}
        httpx.post(f"{url}/v1/images/generations", json={}, headers=headers)
"""


def test_tracebacks_end_in_the_line_of_the_test(pytester: pytest.Pytester) -> None:
    tests = [
        f"def test_{number}(qwenmock):\n    {'refuse_twice(qwenmock)' if 'behaved' in line else 'pass'}\n    {line}\n"
        for number, line in enumerate(TRACEBACKS)
    ]
    pytester.makepyfile(test_lines="\n".join([REFUSE_TWICE, *tests]))
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=len(TRACEBACKS))
    result.stdout.no_fnmatch_line("*mockserver/testing*")
    for line, message in TRACEBACKS.items():
        result.stdout.fnmatch_lines([f">       {line}", f"E *Error: {message}", "test_lines.py:*Error"])


def test_settings_of_the_double_are_the_users(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import httpx
        import pytest

        @pytest.fixture(scope="session")
        def qwenmock_settings():
            return {"strict": True, "price": {"nebula": "1"}}

        def test_strict(qwenmock):
            body = {"model": "qwen-image-plus", "prompt": "a", "parameters": {"size": "1328*1328"}}
            headers = {"Authorization": f"Bearer {qwenmock.key}"}
            url = qwenmock.url("nebula") + "/v1/images/generations"
            assert httpx.post(url, json={**body, "x": 1}, headers=headers).status_code == 400
            assert httpx.post(url, json=body, headers=headers).status_code == 200
            qwenmock.assert_billed("1")
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


# With plugins and packages whose names are like ours, in an environment that `make peers` makes.


@pytest.fixture
def crowded() -> list[str]:
    program = Path(__file__).parents[2] / ".venv-bench" / "bin" / "python"
    names = "mockserver, pytest_base_url, pytest_playwright, pytest_asyncio, schemathesis, qwenmock.mockserver"
    command = [str(program), "-c", f"import {names}"]
    if not program.exists() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("there is no environment with those plugins; `make peers` makes one")
    return [str(program), "-m", "pytest", "-p", "no:cacheprovider"]


def test_asyncio_tests_use_it(pytester: pytest.Pytester, crowded: list[str]) -> None:
    pytester.makepyfile(
        """
        import httpx
        import pytest

        @pytest.mark.asyncio
        async def test_async(qwenmock, qwenmock_intercept):
            async with httpx.AsyncClient() as client:
                answer = await client.post("https://llm.ai-nebula.com/v1/images/generations", json={})
            assert answer.status_code == 401
            qwenmock.expect_calls(1)
        """
    )
    pytester.run(*crowded).assert_outcomes(passed=1)


def test_names_and_options_of_others_do_not_collide(project: pytest.Pytester, crowded: list[str]) -> None:
    """The project's own folders are called as ours are, too."""
    for folder in ("schemas", "fixtures", "contract_tests"):
        (project.path / folder).mkdir()
        (project.path / folder / "__init__.py").write_text("OWN = True\n")
    (project.path / "contract_tests" / "test_own.py").write_text(
        "import contract_tests, fixtures, mockserver, schemas\n\n"
        "def test_own(base_url, qwenmock, browser_name):\n"
        "    assert all(m.OWN for m in (contract_tests, fixtures, schemas))\n"
        "    assert base_url == 'http://127.0.0.1:1'\n"
        "    from mockserver import MockServerClient\n"
        "    from qwenmock.mockserver import running\n"
    )
    result = project.run(*crowded, "--base-url", "http://127.0.0.1:1", "--browser", "chromium")
    result.assert_outcomes(passed=4)


SCENARIOS = """
import pytest

@pytest.mark.qwenmock_scenarios
def test_marked(qwenmock, qwenmock_scenario):
    statuses = [fault.get("status") for fault in qwenmock.control("GET", "faults")]
    assert statuses == {"": [], "outage": [500], "rate-limited": [429]}[qwenmock_scenario]

def test_other(qwenmock):
    assert qwenmock.control("GET", "faults") == []
"""


def test_marked_tests_run_under_each_scenario(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_scenarios=SCENARIOS)
    pytester.runpytest_subprocess().assert_outcomes(passed=2)
    done = pytester.runpytest_subprocess("-v", "--qwenmock-scenarios", "outage,rate-limited")
    done.assert_outcomes(passed=3)
    done.stdout.fnmatch_lines_random(["*test_marked?outage? PASSED*", "*test_marked?rate-limited? PASSED*"])
    wrong = pytester.runpytest_subprocess("--qwenmock-scenarios", "outag")
    wrong.stdout.fnmatch_lines(["*--qwenmock-scenarios: unknown scenario 'outag' (did you mean outage?)*"])
    assert wrong.ret != 0


MANNERS = """
import httpx
import pytest

def repeat_a_refusal(qwenmock):
    for _ in range(2):
        url = f"{qwenmock.url('nebula')}/v1/images/generations"
        httpx.post(url, json={"model": "none"}, headers={"Authorization": f"Bearer {qwenmock.key}"})

@pytest.mark.qwenmock_allow("refusal_repeated")
def test_on_purpose(qwenmock):
    repeat_a_refusal(qwenmock)
    qwenmock.fail_next(429)

def test_by_accident(qwenmock):
    repeat_a_refusal(qwenmock)
"""


def test_findings_that_a_test_allows_are_not_reported(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_manners=MANNERS)
    done = pytester.runpytest_subprocess("--strict-markers")
    done.assert_outcomes(passed=2)
    assert [line for line in done.outlines if line.startswith(("error:", "note:"))] == [
        "note: fault_unused: a fault with the status 429 has 1 request left to fail (test_manners.py::test_on_purpose)",
        "error: refusal_repeated: the same request was sent 2 times although it was refused with 400 "
        "(test_manners.py::test_by_accident)",
    ]
    # Of another length: pytest takes a file of the same second and length for the one that it has compiled.
    pytester.makepyfile(test_manners=MANNERS.replace("refusal_repeated", "refusal_repeat"))
    done = pytester.runpytest_subprocess()
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["*unknown kind of finding 'refusal_repeat' (did you mean refusal_repeated?): *"])


MISSPELT = """
import httpx
import pytest

@pytest.mark.parametrize("prefer", ["code=429", "cod=429"])
def test_waits_for_an_error(qwenmock, prefer):
    body = {"model": "qwen-image-plus", "prompt": "a cat [[qwenmock: statsu=429]]", "parameters": {"size": "1328*1328"}}
    headers = {"Authorization": f"Bearer {qwenmock.key}", "Prefer": prefer}
    for _ in range(2):
        answer = httpx.post(f"{qwenmock.url('nebula')}/v1/images/generations", json=body, headers=headers)
    if prefer == "cod=429":
        assert answer.headers["X-Qwenmock-Advisory"].startswith("requested effect: unknown preference 'cod' (did you")
"""


def test_misspelt_preference_and_directive_are_warnings(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_misspelt=MISSPELT)
    done = pytester.runpytest_subprocess()
    done.assert_outcomes(passed=2, warnings=2)
    done.stdout.fnmatch_lines(
        [
            "test_misspelt.py::test_waits_for_an_error?cod=429?",
            "*QwenmockWarning: requested effect: unknown preference 'cod' (did you mean code?): expected one of *",
            "*QwenmockWarning: requested effect: unknown directive 'statsu' (did you mean status?): expected one of *",
        ]
    )
    strict = pytester.runpytest_subprocess("-W", "error::qwenmock.pytest_plugin.QwenmockWarning")
    strict.assert_outcomes(passed=2, errors=1)
