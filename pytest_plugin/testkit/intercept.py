"""The names of before of what is in `qwenmock.mockserver.testing.intercept`, for users' tests."""

from qwenmock.mockserver.testing.intercept import HostRefused, Interception, intercepting

__all__ = ["HostRefused", "Interception", "intercepting"]
