"""What ends the making of a provider's folder."""

from qwenmock.schemas.errors import DataError


class OpenapiError(DataError):
    """The document cannot be read, or no provider can be made of it."""
