"""Every counter and gauge, read as Prometheus reads it."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.parser import text_string_to_metric_families

from qwenmock.mockserver.metrics import BUCKETS, FLUSH_SECONDS, Bill, Metrics
from qwenmock.mockserver.models import Delivery


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)


def values(exposition: bytes) -> dict[tuple[str, ...], float]:
    """Return the samples by name and the values of the labels, which come in the order of their names."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(exposition.decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def delivery(state: str) -> Delivery:
    return Delivery("d", "m", "t", "evolink", "sk-mock", "https://a.example", 0.0, state)  # type: ignore[arg-type]


def read(metrics: Metrics, states: tuple[str, ...] = (), tasks: int = 0) -> dict[tuple[str, ...], float]:
    return values(metrics.exposition([delivery(state) for state in states], tasks))


def test_answers_are_counted_by_provider_status_and_stage() -> None:
    async def answers() -> dict[tuple[str, ...], float]:
        metrics = Metrics()
        bill = Bill("CNY", 2, Decimal("0.36"))
        for seconds in (0.0004, 0.0005, 0.3):
            metrics.answered("nebula", 200, "generate", seconds, bill)
        metrics.answered("nebula", 400, "accept", 0.5, None)
        metrics.answered("evolink", 200, "generate", 50.0, Bill("credits", 1, Decimal("2.3")))
        return read(metrics)

    found = asyncio.run(answers())
    assert found["qwenmock_requests_total", "nebula", "generate", "200"] == 3
    assert found["qwenmock_requests_total", "nebula", "accept", "400"] == 1
    assert found["qwenmock_requests_total", "evolink", "generate", "200"] == 1
    assert found["qwenmock_images_total", "nebula"] == 6
    assert found["qwenmock_images_total", "evolink"] == 1
    assert found["qwenmock_charged_total", "CNY", "nebula"] == pytest.approx(1.08)
    assert found["qwenmock_charged_total", "credits", "evolink"] == pytest.approx(2.3)
    assert found["qwenmock_request_seconds_count", "nebula"] == 4
    assert found["qwenmock_request_seconds_sum", "nebula"] == pytest.approx(0.8009)
    # A bucket holds what is at most its bound, and all below it.
    buckets = [found["qwenmock_request_seconds_bucket", str(float(bound)), "nebula"] for bound in BUCKETS]
    assert buckets == [2 if bound < 0.5 else 4 for bound in BUCKETS]
    assert found["qwenmock_request_seconds_bucket", "40.0", "evolink"] == 0
    assert found["qwenmock_request_seconds_bucket", "+Inf", "evolink"] == 1


def test_bounds_of_the_buckets() -> None:
    assert BUCKETS == (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40)


def test_answers_are_counted_soon_and_once() -> None:
    async def answers() -> None:
        metrics = Metrics()
        calls: list[float] = []
        loop = asyncio.get_running_loop()
        loop.call_later = lambda seconds, _call: calls.append(seconds)  # type: ignore[method-assign, assignment]
        metrics.answered("nebula", 200, "generate", 0.1, None)
        metrics.answered("nebula", 200, "generate", 0.1, None)
        assert calls == [FLUSH_SECONDS]
        metrics.flush()
        metrics.flush()
        metrics.answered("nebula", 200, "generate", 0.1, None)
        assert calls == [FLUSH_SECONDS, FLUSH_SECONDS]
        assert read(metrics)["qwenmock_requests_total", "nebula", "generate", "200"] == 3

    assert FLUSH_SECONDS == 0.01
    asyncio.run(answers())


def test_charges_and_callbacks() -> None:
    metrics = Metrics()
    metrics.charged("nebula", "CNY", 3, Decimal("0.54"))
    metrics.charged("nebula", "CNY", 1, Decimal("0.18"))
    for outcome in ("delivered", "delivered", "failed"):
        metrics.called_back("evolink", outcome)
    found = read(metrics)
    assert found["qwenmock_images_total", "nebula"] == 4
    assert found["qwenmock_charged_total", "CNY", "nebula"] == pytest.approx(0.72)
    assert found["qwenmock_callback_attempts_total", "delivered", "evolink"] == 2
    assert found["qwenmock_callback_attempts_total", "failed", "evolink"] == 1


def test_gauges() -> None:
    found = read(Metrics(), ("waiting", "held", "held", "delivered", "failed", "lost", "lost", "lost"), tasks=7)
    assert {name[1]: value for name, value in found.items() if name[0] == "qwenmock_callbacks"} == {
        "waiting": 1,
        "held": 2,
        "delivered": 1,
        "failed": 1,
        "lost": 3,
    }
    assert found["qwenmock_tasks_under_way",] == 7
    assert read(Metrics())["qwenmock_callbacks", "lost"] == 0


def test_with_several_workers_their_counters_are_added(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    file = MmapedDict(str(tmp_path / "counter_1.db"))
    file.write_value(mmap_key("qwenmock_images", "qwenmock_images_total", ["provider"], ["nebula"], "Images"), 5.0, 0.0)
    file.close()
    assert read(Metrics())["qwenmock_images_total", "nebula"] == 5
