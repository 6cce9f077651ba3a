"""The fault plan's schema, and what it says of plans that it refuses."""

from typing import Any

import jsonschema
import pytest

from qwenmock.mockserver.calls.fault_schema import fault_plan_schema, fault_schema, parse_fault_plan
from qwenmock.mockserver.calls.faults import Fault
from qwenmock.schemas.catalog import load

PROVIDERS = load().providers


def test_schema_is_valid_and_names_every_member() -> None:
    jsonschema.Draft202012Validator.check_schema(fault_plan_schema(PROVIDERS))
    assert set(fault_schema(PROVIDERS)["properties"]) == set(Fault.__dataclass_fields__)


def test_schema_names_the_values_that_members_have_by_themselves() -> None:
    members = fault_schema(PROVIDERS)["properties"]
    stated = {name: member["default"] for name, member in members.items() if "default" in member}
    assert stated == {name: Fault.__dataclass_fields__[name].default for name in stated}
    assert stated.keys() > {"probability", "delay_ms", "fail_images", "after_seconds", "refuse"}


def test_largest_number_is_the_largest_that_every_parser_keeps() -> None:
    assert parse_fault_plan([{"status": 500, "times": 2**53 - 1}], PROVIDERS) == [Fault(status=500, times=2**53 - 1)]
    with pytest.raises(ValueError, match=r"^times: .*, got 9007199254740992$"):
        parse_fault_plan([{"status": 500, "times": 2**53}], PROVIDERS)


@pytest.mark.parametrize(
    ("plan", "fault"),
    [
        ([{"status": 429}], Fault(status=429)),
        ([{"status": 429.0, "times": 2}], Fault(status=429, times=2)),
        ([{"drop": "mid-body", "probability": 0.5}], Fault(drop="mid-body", probability=0.5)),
        ([{"callback": "lost", "provider": "evolink", "key": "sk-mock", "model": "m"}],
         Fault(callback="lost", provider="evolink", key="sk-mock", model="m")),
        ([{"delay_ms": 1}], Fault(delay_ms=1)),
        ([{"refuse": True}], Fault(refuse=True)),
        ([{"malformed": True}], Fault(malformed=True)),
        ([{"expire_links": True, "after_seconds": 1.5, "for_seconds": 2, "since": 3.5}],
         Fault(expire_links=True, after_seconds=1.5, for_seconds=2, since=3.5)),
        ([{"fail_images": 1}], Fault(fail_images=1)),
        ([{"fail_task": "generation_timeout"}], Fault(fail_task="generation_timeout")),
        ([{"status": 500, "delay_ms": 0, "times": 0, "probability": 0}],
         Fault(status=500, times=0, probability=0)),
    ],
)  # fmt: skip
def test_plan_is_read(plan: list[Any], fault: Fault) -> None:
    assert parse_fault_plan(plan, PROVIDERS) == [fault]


def test_empty_plan_is_read() -> None:
    assert parse_fault_plan([], PROVIDERS) == []


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({}, "expected a list, got {}"),
        ([3], "expected an object, got 3"),
        ([{"status": 429}, "x"], '[1]: expected an object, got "x"'),
        ([{"colour": 1}], 'unknown member "colour"; expected provider, key, model, status, times, probability, '
         "delay_ms, drop, fail_images, fail_task, callback, callback_origin, refuse, malformed, expire_links, "
         "after_seconds, for_seconds, since"),
        ([{"status": 500}, {"colour": 1}], '[1]: unknown member "colour"; expected provider, key, model, status, '
         "times, probability, delay_ms, drop, fail_images, fail_task, callback, callback_origin, refuse, malformed, "
         "expire_links, after_seconds, for_seconds, since"),
        ([{"status": 418}], "status: expected one of 400, 401, 402, 403, 404, 429, 500, 503, got 418"),
        ([{"status": 429}, {"status": "429"}], '[1].status: expected an integer, got "429"'),
        ([{"status": True}], "status: expected an integer, got true"),
        ([{"provider": "acme", "status": 500}],
         'provider: expected one of ai302, aigc, dashscope, evolink, nebula, got "acme"'),
        ([{"provider": None, "status": 500}], "provider: expected a string, got null"),
        ([{"status": 500, "probability": 2}], "probability: expected a number from 0 to 1, got 2"),
        ([{"status": 500, "probability": "1"}], 'probability: expected a number from 0 to 1, got "1"'),
        ([{"status": 500, "times": -1}], "times: expected an integer of at least 0, got -1"),
        ([{"status": 500, "times": 1.5}], "times: expected an integer of at least 0, got 1.5"),
        ([{"drop": "after"}], 'drop: expected one of before, mid-body, got "after"'),
        ([{"callback_origin": "file:///x"}], 'callback_origin: expected a value such as http://127.0.0.1:4011, got "file:///x"'),
        ([{"status": 500, "for_seconds": 0}], "for_seconds: expected a number above 0, got 0"),
        ([{"status": 500, "after_seconds": -1}], "after_seconds: expected a number of at least 0, got -1"),
        ([{"refuse": "yes"}], 'refuse: expected true or false, got "yes"'),
        ([{"callback": "twice"}], 'callback: expected one of duplicate, late, out-of-order, lost, got "twice"'),
        ([{}], "expected at least one of status, drop, delay_ms, fail_images, fail_task, callback, callback_origin, "
         "refuse, malformed, expire_links"),
        ([{"delay_ms": 0, "fail_images": 0}],
         "expected at least one of status, drop, delay_ms, fail_images, fail_task, callback, callback_origin, "
         "refuse, malformed, expire_links"),
        ([{"provider": "nebula", "fail_task": "zz"}],
         "fail_task: expected no value, because nebula has no tasks, got 'zz'"),
        ([{"fail_task": "x" * 100, "times": "y" * 100}],
         'times: expected an integer of at least 0, got "' + "y" * 59 + "…"),
    ],
)  # fmt: skip
def test_wrong_plan_gets_a_message(plan: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011, the whole message is compared
        parse_fault_plan(plan, PROVIDERS)
    assert str(error.value) == message


def test_status_that_only_others_document_is_refused() -> None:
    own = {slug: provider.statuses for slug, provider in PROVIDERS.items()}
    slug, status = next((s, n) for s in own for other in own.values() for n in sorted(other - own[s]))
    known = ", ".join(map(str, sorted(own[slug] - {200})))
    expected = f"status: expected one of {known}, which {slug} documents, got {status}"
    with pytest.raises(ValueError) as error:  # noqa: PT011
        parse_fault_plan([{"provider": slug, "status": status}], PROVIDERS)
    assert str(error.value) == expected
    with pytest.raises(ValueError) as error:  # noqa: PT011
        parse_fault_plan([{"status": 500}, {"provider": slug, "status": status}], PROVIDERS)
    assert str(error.value) == f"[1].{expected}"
