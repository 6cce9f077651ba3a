"""One control call, as the routes and the OpenAPI document need it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request

from qwenmock.mockserver.calls.double import Double
from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.vocabulary import JSON

Handler = Callable[[Double, Request], Awaitable[object]]
JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class ControlCall:
    """A control call.

    Attributes:
        path: Below `/__mock__`, with `{name}` for parameters.
        handler: Returns a response, or what is sent as JSON. Its name and the first line of its docstring are the
            call's name and summary.
        response: The type of what is answered, or the name of its schema; None for what is no JSON.
        media_type: The media type of the answer.
        query: The names of the query parameters.
        body: Returns the schema of the request's body; None where the body is not read as JSON.
        body_type: The media type of the request's body.
        headers: The names of headers that its answer has.
        errors: The statuses of its errors, beside those that every call can have.
        is_open: Whether it needs no admin token where one is set.

    """

    method: str
    path: str
    handler: Handler
    response: object
    media_type: str = JSON_TYPE
    query: tuple[str, ...] = ()
    body: Callable[[Catalog], Mapping[str, JSON]] | None = None
    body_type: str = JSON_TYPE
    headers: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()
    is_open: bool = False

    @property
    def name(self) -> str:
        """Its name, unique among the calls."""
        return getattr(self.handler, "__name__", "")

    @property
    def summary(self) -> str:
        """What it does, in one line."""
        return (self.handler.__doc__ or "").partition("\n")[0].rstrip(".")
