"""The settings: how long images take, and which settings are refused together."""

import random
from decimal import Decimal
from typing import Any

import pytest

from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.settings import LATENCIES, Latency, Settings, suggestion, unknown
from qwenmock.schemas.catalog import load

CATALOG = load()


def test_images_take_a_random_time_between_two() -> None:
    drawn = [Latency(2.0, 3.0).draw(random.Random(seed)) for seed in range(50)]
    assert all(2 <= each <= 3 for each in drawn)
    assert min(drawn) < 2.2
    assert max(drawn) > 2.8
    rng = random.Random(1)
    before = rng.getstate()
    assert Latency(2.0, 2.0).draw(rng) == 2
    assert rng.getstate() == before, "what is not random draws no number"


def test_latencies_have_names() -> None:
    assert LATENCIES["instant"] == Latency(0.0, 0.0)
    assert LATENCIES["realistic"] == Latency(5.0, 15.0, is_realistic=True)
    assert not Latency(5.0, 15.0).is_realistic


def test_by_itself_the_double_is_closed_to_others_and_does_nothing_else() -> None:
    settings = Settings()
    assert (settings.host, settings.port, settings.proxy_port) == ("127.0.0.1", 4010, 4013)
    assert (settings.latency, settings.workers, settings.journal_max) == (LATENCIES["instant"], 1, 1000)
    assert settings.is_loopback
    switches = (settings.strict, settings.fetch_images, settings.allow_local_callbacks, settings.quiet, settings.proxy)
    assert switches == (False,) * 5
    settings.check(CATALOG)


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "0.0.0.0", "admin_token": "secret"},
        {"host": "localhost"},
        {"host": "::1"},
        {"provider": "nebula", "prices": {"nebula": Decimal(10_000), "aigc": Decimal(0)}},
        {"proxy": True},
        {"workers": 2},
    ],
)
def test_settings_that_go_together(settings: dict[str, Any]) -> None:
    Settings(**settings).check(CATALOG)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"host": "0.0.0.0"}, "--host 0.0.0.0 is reachable from other machines: set --admin-token TOKEN, which the "),
        ({"host": "127.evil.example"}, "--host 127.evil.example is reachable from other machines: "),
        ({"provider": "nebul"}, "unknown provider 'nebul' (did you mean nebula?): expected one of ai302, aigc, "),
        ({"prices": {"nebula": Decimal(1), "acme": Decimal(1)}}, "unknown provider 'acme': expected one of ai302, "),
        ({"prices": {"nebula": Decimal("10000.1")}}, "--price nebula: expected a price from 0 to 10000, got 10000.1"),
        ({"proxy": True, "workers": 2}, "--proxy: expected --workers 1, got 2"),
    ],
)
def test_settings_that_do_not(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**settings).check(CATALOG)
    assert str(caught.value).startswith(message)


def test_unknown_name_has_the_closest_known_one() -> None:
    assert suggestion("prot", ["host", "ports", "port"]) == " (did you mean port?)"
    assert suggestion("zzz", ["host", "port"]) == ""
    assert unknown("setting", "prot", iter(["host", "port"])) == (
        "unknown setting 'prot' (did you mean port?): expected one of host, port"
    )
