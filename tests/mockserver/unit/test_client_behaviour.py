"""What a client is blamed for, from the journal of its calls, and exactly from where on."""

from itertools import pairwise
from typing import Any

import pytest
from call_values import CATALOG

from qwenmock.mockserver.calls.client_behaviour import UNREAL_WAITS, verdict
from qwenmock.mockserver.store.protocols import Fetch

CHARGE = {"id": "c", "images": 1, "amount": "0.20", "currency": "CNY"}
LINK = "http://mock.example/__files__/a.png?t=1"


def entry(number: int, at: float = 0.0, **more: Any) -> Any:
    """Return an entry of the journal; its id is its number."""
    made: dict[str, Any] = {
        "id": f"r-{number}", "at": at, "provider": "nebula", "endpoint": "create", "method": "POST",
        "path": "/v1/images/generations", "key": "sk-m…", "status": 200, "task": "", "request": {"a": 1, "b": [2]},
        "answer": {}, "retry_after": None, "advisories": [], "charge": None, "fingerprint": "f",
    }  # fmt: skip
    return made | more


def judged(*entries: Any, fetches: list[Fetch] | None = None) -> list[dict[str, Any]]:
    found: Any = verdict(entries, fetches or [], CATALOG)
    assert found["ok"] is all(each["severity"] != "error" for each in found["findings"])
    assert found["calls"] == sum(each["endpoint"] != "callback" for each in entries)
    return found["findings"]


def kinds(*entries: Any, fetches: list[Fetch] | None = None) -> list[str]:
    return [each["kind"] for each in judged(*entries, fetches=fetches)]


def test_nothing_is_nothing() -> None:
    assert verdict([], [], CATALOG) == {"ok": True, "calls": 0, "findings": []}


def test_callbacks_are_no_calls_of_the_client() -> None:
    assert judged(*(entry(number, status=400, endpoint="callback") for number in range(3))) == []


# Refusals.


def test_refusal_that_is_repeated() -> None:
    assert judged(entry(1, status=400), entry(2, 5.0, status=400), entry(3, 9.0, status=400)) == [
        {
            "kind": "refusal_repeated",
            "severity": "error",
            "detail": "the same request was sent 3 times although it was refused with 400",
            "requests": ("r-1", "r-2", "r-3"),
            "lost": "",
        }
    ]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 413, 408, 429, 500, 503, 200])
def test_only_some_refusals_are_not_worth_repeating(status: int) -> None:
    is_worth = status in {200, 408, 429, 500, 503}
    assert kinds(entry(1, status=status), entry(2, 5.0, status=status)) == ([] if is_worth else ["refusal_repeated"])


@pytest.mark.parametrize(
    "other",
    [
        {"status": 401},
        {"provider": "aigc"},
        {"key": "sk-o…"},
        {"path": "/v1/other"},
        {"request": {"a": 2, "b": [2]}},
        {"fingerprint": "g"},
        {"method": "GET"},
    ],
)
def test_other_calls_are_not_the_same_request(other: dict[str, Any]) -> None:
    assert kinds(entry(1, status=400), entry(2, 5.0, **({"status": 400} | other))) == []


def test_order_of_members_does_not_matter() -> None:
    assert kinds(entry(1, status=400), entry(2, status=400, request={"b": [2], "a": 1})) == ["refusal_repeated"]


def test_bodies_that_were_not_read_differ_by_their_fingerprints() -> None:
    def calls(*fingerprints: str) -> list[Any]:
        return [
            entry(number, status=401, request=None, charge=CHARGE, fingerprint=each)
            for number, each in enumerate(fingerprints)
        ]

    opened = [Fetch("/__files__/a.png", is_expired=False)]
    linked = [each | {"answer": {"url": LINK}} for each in calls("f", "f")]
    assert kinds(*linked, fetches=opened) == ["refusal_repeated", "charge_repeated"]
    linked = [each | {"answer": {"url": LINK}} for each in calls("f", "g")]
    assert kinds(*linked, fetches=opened) == []
    unnamed = [each for each in linked if each.pop("fingerprint")]
    assert kinds(*unnamed, fetches=opened) == ["refusal_repeated", "charge_repeated"]


def test_findings_on_refusals_are_in_the_order_of_their_status() -> None:
    calls = [entry(number, status=status) for number, status in enumerate((413, 400, 413, 400))]
    assert [each["requests"] for each in judged(*calls)] == [("r-1", "r-3"), ("r-0", "r-2")]


# Money.


def test_charges_of_repetitions_are_lost() -> None:
    opened = [Fetch("/__files__/a.png", is_expired=False)]
    calls = [entry(number, charge=CHARGE, answer=[LINK]) for number in (1, 2, 3)]
    assert judged(*calls[:1], entry(9), fetches=opened) == []
    assert judged(*calls, entry(4), fetches=opened) == [
        {
            "kind": "charge_repeated",
            "severity": "note",
            "detail": "one request was charged 3 times; the repetitions cost 0.40 CNY",
            "requests": ("r-1", "r-2", "r-3"),
            "lost": "0.40 CNY",
        }
    ]
    assert kinds(*calls[:2], fetches=opened) == ["charge_repeated"]


# Times.


def storm(number: int, seconds: float, **more: Any) -> list[Any]:
    """Return tries of one request at equal distances, from the first to the last in so many seconds."""
    return [entry(each, 100 + seconds * each / (number - 1), status=500, **more) for each in range(number)]


def test_storm_of_tries() -> None:
    assert judged(*storm(12, 6.6)) == [
        {
            "kind": "retry_storm",
            "severity": "error",
            "detail": "12 tries of one request, 11 of them within 6.0 s",
            "requests": tuple(f"r-{number}" for number in range(12)),
            "lost": "",
        }
    ]
    assert kinds(*storm(11, 59.9)) == ["retry_storm"]
    assert kinds(*storm(11, 60.0)) == []
    assert kinds(*storm(10, 1.0)) == []
    assert kinds(*storm(11, 1.0, method="GET")) == []


def test_storm_that_begins_late() -> None:
    slow = [entry(number, 1000.0 * number, status=500) for number in range(5)]
    quick = [each | {"id": f"q-{number}", "at": 9000.0 + number} for number, each in enumerate(storm(11, 1.0))]
    assert kinds(*slow, *quick) == ["retry_storm"]
    assert kinds(*slow, *quick[1:]) == []


@pytest.mark.parametrize("unreal", range(12))
def test_storm_is_not_judged_with_a_clock_that_is_replaced(unreal: int) -> None:
    calls = storm(12, 1.0)
    calls[unreal] |= {"advisories": ["another", UNREAL_WAITS]}
    assert kinds(*calls) == ([] if 1 <= unreal <= 10 else ["retry_storm"])


@pytest.mark.parametrize(
    ("came", "more", "is_early"),
    [
        (1.5, {}, True),
        (1.9, {}, True),
        (1.96, {}, False),
        (2.0, {}, False),
        (9.0, {}, False),
        (1.5, {"method": "GET"}, False),
        (1.5, {"key": "sk-o…"}, False),
        (1.5, {"provider": "aigc"}, False),
        (1.5, {"path": "/v1/other"}, True),
        (1.5, {"advisories": [UNREAL_WAITS]}, False),
        (1.5, {"advisories": ["another"]}, True),
    ],
)
def test_retry_after(came: float, more: dict[str, Any], is_early: bool) -> None:
    limited = entry(1, 100.0, status=429, retry_after="2")
    found = judged(limited, entry(2, 100.0 + came, **more))
    if is_early:
        assert found == [
            {
                "kind": "retry_after_ignored",
                "severity": "error",
                "detail": f"Retry-After was 2 s, and the next request came after {came:.2f} s",
                "requests": ("r-1", "r-2"),
                "lost": "",
            }
        ]
    else:
        assert found == []


def test_clocks_may_differ_a_little() -> None:
    limited = entry(1, 0.0, status=429, retry_after="2")
    assert kinds(limited, entry(2, 1.95)) == []
    assert kinds(limited, entry(2, 1.9499)) == ["retry_after_ignored"]


def test_no_retry_after_is_no_wait() -> None:
    assert kinds(entry(1, 100.0, status=500), entry(2, 100.0, status=500)) == []
    assert kinds(entry(1, 100.0, status=500), entry(2, 99.0, status=500)) == []
    bare = entry(1, 100.0)
    del bare["retry_after"]
    assert kinds(bare, entry(2, 100.0)) == []
    assert kinds(entry(1, 100.0, retry_after="0"), entry(2, 99.0)) == []


# Tasks.

RUNNING, COMPLETED = {"status": "processing"}, {"status": "completed"}


def look(number: int, at: float, answer: Any = RUNNING, **more: Any) -> Any:
    values = {"provider": "evolink", "endpoint": "task", "method": "GET", "task": "t", "answer": answer}
    return entry(number, at, **values | more)


def looks(*times: float, **more: Any) -> list[Any]:
    return [look(number, 100.0 + at, **more) for number, at in enumerate(times)]


def test_task_that_is_polled_too_fast() -> None:
    assert judged(*looks(0, 0.1, 0.2, 1.0, 1.1)) == [
        {
            "kind": "polled_too_fast",
            "severity": "error",
            "detail": "task t was looked at 3 times within 0.2 s of the look before",
            "requests": ("r-1", "r-2", "r-4"),
            "lost": "",
        }
    ]


@pytest.mark.parametrize(
    "calls",
    [
        looks(0, 0.1, 0.2),
        looks(0, 0.25, 0.5, 0.75),
        looks(0, 0.125, 0.25, 0.375, status=404),
        looks(0, 0.125, 0.25, 0.375, advisories=[UNREAL_WAITS]),
        looks(0, 0.125, 0.25, 0.375, endpoint="credits"),
        looks(0, 0.125, 0.25) + [look(9, 100.375, task="u")],
    ],
)
def test_polling_that_is_no_fault(calls: list[Any]) -> None:
    assert kinds(*calls) == []


def test_polls_at_the_limit_are_slow_enough() -> None:
    times = [-0.2, 0.0, 0.2, 0.4]
    calls = [look(number, at) for number, at in enumerate(times)]
    assert all(later - earlier == 0.2 for earlier, later in pairwise(times))
    assert kinds(*calls) == []


def test_task_that_is_looked_at_after_its_end() -> None:
    calls = looks(0, 1, 2, 3, 4)
    for number in (2, 3, 4):
        calls[number]["answer"] = COMPLETED
    assert kinds(*calls[:3]) == []
    assert judged(*calls) == [
        {
            "kind": "polled_after_the_end",
            "severity": "note",
            "detail": "task t had ended, and was looked at 2 times more",
            "requests": ("r-3", "r-4"),
            "lost": "",
        }
    ]
    assert kinds(*calls[:4]) == kinds(*calls[2:]) == ["polled_after_the_end"]


# Links.


def test_links_that_are_opened_late_or_never() -> None:
    made = {"data": [{"url": LINK}, {"url": LINK.replace("a.png", "b.png")}, 5, None], "text": "/__files"}
    charged = entry(1, charge=CHARGE, answer=made)
    late = [Fetch("/__files__/a.png", is_expired=True), Fetch("/__files__/x.png", is_expired=True)]
    opened = Fetch("/__files__/b.png", is_expired=False)
    never = {
        "kind": "link_never_fetched",
        "severity": "note",
        "detail": "the pictures of 1 charged request were never fetched; their links end",
        "requests": ("r-1",),
        "lost": "",
    }
    expired = {
        "kind": "link_after_expiry",
        "severity": "error",
        "detail": "1 link opened after the end of its time",
        "requests": ("r-1",),
        "lost": "",
    }
    assert judged(charged) == [never]
    assert judged(charged, entry(2, request=2)) == [never]
    assert judged(charged, fetches=[opened]) == []
    assert judged(charged, entry(2, request=2), fetches=late) == [expired, never]
    assert judged(charged, fetches=[opened, *late]) == [expired]
    assert judged(charged, fetches=late[1:]) == [never]


def test_links_are_counted_over_all_calls() -> None:
    calls = [
        entry(number, request=number, charge=CHARGE, answer=LINK.replace("a.png", f"{number}.png"))
        for number in range(3)
    ]
    fetches = [Fetch(f"/__files__/{number}.png", is_expired=True) for number in range(2)]
    details = [each["detail"] for each in judged(*calls, fetches=fetches)]
    assert details == [
        "2 links opened after the end of its time",
        "the pictures of 3 charged requests were never fetched; their links end",
    ]
