"""The offline double: a server that answers as the documented providers do."""

from importlib.metadata import version

__version__ = version("qwenmock")
