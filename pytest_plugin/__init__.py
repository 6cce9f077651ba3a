"""The pytest plugin: an examiner of image APIs, and a double for tests of the code that calls them."""

from collections.abc import Callable


def autouse(*names: str) -> Callable[..., None]:
    """Return a fixture that every test of a folder uses by itself, for its conftest.

        from qwenmock.pytest_plugin import autouse
        double = autouse("qwenmock_intercept")

    Args:
        names: Of the fixtures that every test is to use.

    """
    import pytest  # the command line imports this package, and its help must not wait for pytest

    @pytest.fixture(autouse=True)
    def use(request: pytest.FixtureRequest) -> None:
        for name in names:
            request.getfixturevalue(name)

    return use
