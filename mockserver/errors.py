"""The exceptions that users of the package catch. This module imports nothing, so that the command starts quickly."""


class SettingsError(Exception):
    """An option, an environment variable or a config file has a value that cannot be used."""


class StoreError(Exception):
    """The store failed; nothing was billed."""
