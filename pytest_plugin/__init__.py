"""The pytest plugin: an examiner of image APIs, and a double for tests of the code that calls them."""

from collections.abc import Callable


class QwenmockWarning(UserWarning):
    """A test requests an effect that there is not: a misspelt `Prefer` header or directive."""


def autouse(*names: str) -> Callable[..., None]:
    """Return a fixture that makes every test of a folder use some fixtures. Assign it to a name in a `conftest.py`.

    Args:
        names: Names of the fixtures to use.

    Returns:
        An autouse fixture.

    Example:
        ```python
        from qwenmock.pytest_plugin import autouse

        double = autouse("qwenmock_intercept")
        ```

    """
    import pytest  # the command line imports this package, and its help must not wait for pytest

    @pytest.fixture(autouse=True)
    def use(request: pytest.FixtureRequest) -> None:
        for name in names:
            request.getfixturevalue(name)

    return use
