"""An independent server that keeps the documents is never accused, whatever the documents leave open."""

import os
from decimal import Decimal

import pytest
from extent import usually
from right_servers.base import KEY, KEYS, RightServer, Style, serving
from right_servers.dashscope import DashScope
from right_servers.evolink import EvoLink
from right_servers.messages import AI302, Aigc
from right_servers.nebula import Nebula

from qwenmock.pytest_plugin.examiner.runner import checks_of, run_checks
from qwenmock.pytest_plugin.examiner_factory import create_examiner
from qwenmock.pytest_plugin.options import Options
from qwenmock.schemas.catalog import load

CATALOG = load()
SEEDS = int(os.environ.get("QWENMOCK_TEST_SEEDS", "8"))
"""For each provider; without `make test ALL=1`, one provider and one seed."""
SERVERS: dict[str, type[RightServer]] = {each.slug: each for each in (AI302, Aigc, DashScope, EvoLink, Nebula)}

EXAMINATIONS = [*((slug, "") for slug in SERVERS), ("evolink", "evolink/edit-plus")]
"""Slugs, and a variant that is left out: tasks take time."""


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the examiner the keys that the right servers know."""
    for slug in SERVERS:
        monkeypatch.setenv(f"QWENMOCK_{slug.upper()}_KEY", KEY)
        for purpose, key in KEYS.items():
            monkeypatch.setenv(f"QWENMOCK_{slug.upper()}_KEY_{purpose.upper()}", key)


@pytest.mark.parametrize("seed", usually(range(SEEDS), [0]))
@pytest.mark.parametrize(("slug", "left_out"), usually(EXAMINATIONS, EXAMINATIONS[-1:]))
def test_right_server_is_not_accused(slug: str, left_out: str, seed: int) -> None:
    """Each seed decides otherwise what the documents leave open."""
    provider = CATALOG[slug]
    style = Style.of(seed)
    with serving(SERVERS[slug](style)) as origin:
        options = Options(
            providers=(slug,),
            url=origin,
            budget=Decimal(10000),
            ledger=f"{origin}/ledger?request_id={{request_id}}",
            profile="smoke",
            seed=seed,
            allow=frozenset({"rate-limit"}),
        )
        examiner = create_examiner(provider, options)
        try:
            examiner.preflight()
            checks = [check for check in checks_of(provider) if not left_out or left_out not in check.name]
            outcomes = list(run_checks(examiner, checks))
        finally:
            examiner.close()
    accused = [f"{o.check.name}: {o.text}" for o in outcomes if o.result == "failed"]
    assert accused == [], style
    assert sum(outcome.result == "passed" for outcome in outcomes) > len(outcomes) / 3


def test_every_provider_has_a_right_server() -> None:
    """A new provider needs one too."""
    assert set(SERVERS) == set(CATALOG.providers)
