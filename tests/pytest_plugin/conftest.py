"""The examiner and the helpers do not see how a double keeps its state: one store is enough here."""

import pytest


@pytest.fixture(scope="session")
def state() -> None:
    """Keep the state in memory."""
