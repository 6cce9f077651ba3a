"""The options of `qwenmock serve`, and the settings that follow from them.

Each option is also an environment variable, `QWENMOCK_…`, and a line of the config file. An option takes precedence
over the environment, and the environment over the file.
"""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import click

from qwenmock.mockserver.commands import parameters as types
from qwenmock.mockserver.commands.base import CONFIG_FILE, describe
from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.settings import Settings, unknown

ENVIRONMENT = "QWENMOCK"


def read_settings(values: Mapping[str, object]) -> Settings:
    """Return the settings for values from Python, by the names of the options with `_` for `-`.

    Raises:
        SettingsError: A name is unknown, a value is not accepted, or the config file cannot be read.

    """
    defaults = _default_map({name.replace("_", "-"): value for name, value in values.items()})
    try:
        with click.Command("settings", params=list(OPTIONS)).make_context(None, [], default_map=defaults) as ctx:
            return to_settings(**ctx.params)
    except click.UsageError as error:
        raise SettingsError(describe(error)) from error


def to_settings(*, price: tuple[tuple[str, Decimal], ...], **values: Any) -> Settings:
    """Return the settings for the values of `OPTIONS`."""
    return Settings(prices=dict(price), **values)


def _read_config(ctx: click.Context, _param: click.Parameter, path: Path | None) -> None:
    """Make the values in the config file the defaults of the other options, which are read after it."""
    if path is None or ctx.resilient_parsing:
        return
    try:
        defaults = _default_map(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise SettingsError(f"--config {path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, SettingsError) as error:
        raise SettingsError(f"--config {path}: {error}") from error
    given = ctx.default_map or {}  # from Python
    ctx.default_map = {**defaults, **given}
    ctx.meta[CONFIG_FILE] = dict.fromkeys(defaults.keys() - given.keys(), path)


def _default_map(values: Mapping[str, object]) -> dict[str, object]:
    """Return values by the names of click's parameters.

    Raises:
        SettingsError: A name is unknown.

    """
    parameters = {option.opts[0].removeprefix("--"): str(option.name) for option in OPTIONS}
    for name in values:
        if name not in parameters:
            raise SettingsError(unknown("setting", name, sorted(parameters)))
    defaults = {parameters[name]: value for name, value in values.items() if value is not None}
    if "price" in defaults:
        defaults["price"] = _price_list(defaults["price"])
    return defaults


def _price_list(value: object) -> list[str]:
    """Return prices as `SLUG=AMOUNT`, from a table, a list, or a string with commas."""
    if isinstance(value, Mapping):
        return [f"{slug}={text}" for slug, text in cast(Mapping[str, object], value).items()]
    return [str(each) for each in cast(list[object], value)] if isinstance(value, list) else str(value).split(",")


OPTIONS = (
    click.Option(
        ["--config"],
        type=types.FILE,
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=_read_config,
        help="Config file in TOML, with these options' names.",
    ),
    *types.address_options(Settings.port),
    click.Option(["--provider"], type=types.SLUG, metavar="SLUG", help="Serve this provider at the root too."),
    click.Option(
        ["--schemas"],
        type=types.FOLDER,
        metavar="DIR",
        show_default="the one in the package",
        help="Folder of the contract catalogue.",
    ),
    click.Option(
        ["--latency"],
        type=types.LATENCY,
        metavar="instant|realistic|MS|MIN-MAX",
        default="instant",
        show_default=True,
        help="How long an image takes: nothing, 5 to 15 s, or milliseconds.",
    ),
    click.Option(["--seed"], type=types.SEED, metavar="N", help="Make ids, images and faults reproducible."),
    click.Option(
        ["--public-url"],
        type=types.URL,
        metavar="URL",
        show_default="the address that a request was sent to",
        help="Start of image URLs.",
    ),
    click.Option(
        ["--strict"], is_flag=True, type=types.FLAG, help="Refuse fields that the provider's documents do not name."
    ),
    click.Option(["--fetch-images"], is_flag=True, type=types.FLAG, help="Fetch input images from public addresses."),
    click.Option(
        ["--allow-local-callbacks"],
        is_flag=True,
        type=types.FLAG,
        help="Allow callbacks to this machine, over http too.",
    ),
    click.Option(
        ["--callback-secret"],
        type=types.SECRET,
        metavar="SECRET",
        help="Sign callbacks with this whsec_… secret, as in Standard Webhooks.",
    ),
    click.Option(
        ["--state"],
        type=types.STATE,
        metavar="PATH|URL",
        help="File or redis://… that keeps accounts, charges and tasks.",
    ),
    click.Option(
        ["--replay"],
        type=types.FOLDER,
        metavar="DIR",
        help="Answer recorded requests from this folder of recordings, the others by the contract.",
    ),
    click.Option(
        ["--workers"],
        type=types.WORKERS,
        metavar="N",
        default=Settings.workers,
        show_default=True,
        help="Number of server processes.",
    ),
    click.Option(
        ["--price"],
        type=types.PRICE,
        metavar="SLUG=AMOUNT",
        multiple=True,
        help="Price of one image, instead of the documents' price (repeatable).",
    ),
    click.Option(
        ["--journal-max"],
        type=types.JOURNAL_MAX,
        metavar="N",
        default=Settings.journal_max,
        show_default=True,
        help="Maximum number of journal entries.",
    ),
    click.Option(
        ["--admin-token"],
        type=types.TEXT,
        metavar="TOKEN",
        help="Token that the control API requires; needed when the host is not loopback.",
    ),
    click.Option(
        ["--log-format"],
        type=types.LOG_FORMAT,
        metavar="text|json",
        default=Settings.log_format,
        show_default=True,
        help="Format of the request log on stderr.",
    ),
    click.Option(["--quiet"], is_flag=True, type=types.FLAG, help="Log no requests."),
    click.Option(
        ["--scenario"],
        type=types.SCENARIO,
        metavar="NAME|FILE",
        help="Start with a scenario: faults with a name, such as outage, or a TOML file.",
    ),
    click.Option(
        ["--proxy"],
        is_flag=True,
        type=types.FLAG,
        help="Serve a forward proxy too, which leads production hosts to the double and refuses others.",
    ),
    click.Option(
        ["--proxy-port"],
        type=types.PORT,
        metavar="PORT",
        default=Settings.proxy_port,
        show_default=True,
        help="Port of the proxy; 0 selects a free one.",
    ),
    click.Option(["--keys"], type=types.KEYS, default={}, hidden=True, help="Tables in the config file."),
)
