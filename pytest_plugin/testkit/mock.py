"""The names of before of what is in `qwenmock.mockserver.testing`, for type annotations in users' tests."""

from qwenmock.mockserver.testing.exchanges import Exchange
from qwenmock.mockserver.testing.mock import Mock

__all__ = ["Exchange", "Mock"]
