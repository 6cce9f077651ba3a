"""Types of the command line's parameters. Their messages name what is expected and what was given.

A parser takes a string from the command line or the environment, or any value from a config file. It raises ValueError.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
from click.shell_completion import CompletionItem

from qwenmock.mockserver.accounts.profiles import STARTING_BALANCE, Profile
from qwenmock.mockserver.money import amount
from qwenmock.mockserver.net.webhook_signatures import key_of
from qwenmock.mockserver.settings import LATENCIES, REDIS_SCHEMES, Latency

if TYPE_CHECKING:
    _Type = click.ParamType[object]
else:  # click's types have no type parameters before 8.4
    _Type = click.ParamType

CURRENCY = re.compile(r"(?<=[0-9.]) *[A-Za-z]+$")
"""What may follow a price."""
FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
ALWAYS = ("unauthorized", "forbidden", "rate_limited", "internal")


class Parsed(_Type):
    """A parameter type from a parser.

    Attributes:
        name: The type's name.
        choices: What shell completion offers.
        files: `file` or `dir` where shell completion offers those.

    """

    def __init__(
        self, name: str, parse: Callable[[object], object], choices: Sequence[str] = (), files: str | None = None
    ) -> None:
        self.name = name
        self.choices = choices
        self.files = files
        self._parse = parse

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """Parse a value.

        Raises:
            click.BadParameter: It is not accepted.

        """
        try:
            return self._parse(value)
        except ValueError as error:
            return self.fail(str(error), param, ctx)

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """Split what an environment variable gives for a repeatable option, at commas."""
        return rv.split(",")

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the choices, or have the shell offer its files."""
        del ctx, param
        if self.files is not None:
            return [CompletionItem(incomplete, type=self.files)]
        return [CompletionItem(choice) for choice in self.choices if choice.startswith(incomplete)]


class Flag(click.types.BoolParamType):
    """A switch: `true`, `yes`, `on` or `1`, or their opposites, in the environment and the config file."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        """Read a value.

        Raises:
            click.BadParameter: It is not accepted.

        """
        found = value if isinstance(value, bool) else FLAGS.get(str(value).lower())
        return self.fail(f"expected true or false, got {quoted(value)}", param, ctx) if found is None else found


def quoted(value: object) -> str:
    """Write a value as JSON does."""
    return json.dumps(value, ensure_ascii=False, default=str)


def parse_text(value: object) -> str:
    """Read a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected a string that is not empty, got {quoted(value)}")
    return value


def parse_path(value: object) -> Path:
    """Read a path."""
    return value if isinstance(value, Path) else Path(parse_text(value))


def integer(minimum: int, maximum: int) -> Callable[[object], int]:
    """Return the parser of an integer in a range."""

    def parse(value: object) -> int:
        try:
            number = int(str(value))
        except ValueError:
            number = minimum - 1
        if isinstance(value, bool) or not minimum <= number <= maximum:
            raise ValueError(f"expected an integer from {minimum} to {maximum}, got {quoted(value)}")
        return number

    return parse


def one_of(*choices: str) -> Callable[[object], str]:
    """Return the parser of one of several words."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"expected {alternatives(choices)}, got {quoted(value)}")
        return value

    return parse


def alternatives(words: Sequence[str]) -> str:
    """Write words as alternatives: `a, b or c`."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def parse_latency(value: object) -> Latency:
    """Read `instant`, `realistic`, milliseconds, or a range of them as in `200-800`."""
    if isinstance(value, Latency):
        return value
    text = str(value)
    if text in LATENCIES:
        return LATENCIES[text]
    minimum, dash, maximum = text.partition("-")
    try:
        bounds = float(minimum), float(maximum if dash else minimum)
    except ValueError:
        bounds = (-1.0, -1.0)
    if not 0 <= bounds[0] <= bounds[1] <= 3_600_000:
        raise ValueError(f"expected instant, realistic, milliseconds or a range such as 200-800, got {quoted(value)}")
    return Latency(bounds[0] / 1000, bounds[1] / 1000)


def parse_url(value: object) -> str:
    """Read an http URL to which a path can be added."""
    text = parse_text(value).rstrip("/")
    if not text.startswith(("http://", "https://")) or any(c.isspace() for c in text) or "?" in text or "#" in text:
        raise ValueError(f"expected a URL such as https://mock.example.com, got {quoted(value)}")
    return text


def parse_amount(value: object) -> Decimal:
    """Read an amount of money."""
    try:
        return amount(value)
    except ValueError as error:
        raise ValueError(f"expected a decimal from 0, with at most 9 places, got {quoted(value)}") from error


def parse_price(value: object) -> tuple[str, Decimal]:
    """Read `SLUG=AMOUNT`; a currency may follow the amount."""
    slug, _, text = str(value).partition("=")
    try:
        return slug.strip(), parse_amount(CURRENCY.sub("", text.strip()))
    except ValueError as error:
        raise ValueError(f"expected SLUG=AMOUNT such as nebula=0.20, got {quoted(value)}") from error


def parse_secret(value: object) -> str:
    """Read a secret for signatures."""
    text = parse_text(value)
    try:
        key_of(text)
    except ValueError as error:
        raise ValueError("expected whsec_ followed by base64, as in Standard Webhooks") from error
    return text


def parse_state(value: object) -> str:
    """Read a path, as it is or as `sqlite:///path`, or the URL of a Redis."""
    text = parse_text(value).removeprefix("sqlite:///")
    if "://" in text and not text.startswith(REDIS_SCHEMES):
        raise ValueError(f"expected a path, sqlite:///path or redis://host:port/number, got {quoted(value)}")
    return text


def parse_keys(value: object) -> dict[str, Profile]:
    """Read the tables `[keys."sk-mock-x"]`: `balance`, `requests_per_minute`, `always`."""
    return {key: _profile(key, table) for key, table in _table(value, "sk-mock-small").items()}


def _profile(key: str, value: object) -> Profile:
    table = _table(value, key)
    unknown = sorted(table.keys() - {"balance", "requests_per_minute", "always"})
    if unknown:
        raise ValueError(f"{key}: unknown name '{unknown[0]}'; expected balance, requests_per_minute or always")
    limit = table.get("requests_per_minute")
    always = table.get("always")
    try:
        return Profile(
            balance=parse_amount(table.get("balance", STARTING_BALANCE)),
            requests_per_minute=None if limit is None else integer(0, 1_000_000)(limit),
            always=None if always is None else one_of(*ALWAYS)(always),
            about="from the config file",
        )
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def _table(value: object, key: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f'expected a table such as [keys."{key}"], got {quoted(value)}')  # noqa: TRY004, as all parsers do
    return cast(Mapping[str, object], value)


TEXT = Parsed("text", parse_text)
FLAG = Flag()
FILE = Parsed("file", parse_path, files="file")
FOLDER = Parsed("folder", parse_path, files="dir")
PORT = Parsed("port", integer(0, 65535))
URL = Parsed("url", parse_url)
AMOUNT = Parsed("amount", parse_amount)
SECRET = Parsed("secret", parse_secret)
STATE = Parsed("state", parse_state, files="file")
PRICE = Parsed("price", parse_price)
LATENCY = Parsed("latency", parse_latency, tuple(LATENCIES))
SEED = Parsed("seed", integer(0, 2**63 - 1))
WORKERS = Parsed("workers", integer(1, 64))
JOURNAL_MAX = Parsed("journal_max", integer(1, 1_000_000))
LOG_FORMAT = Parsed("log_format", one_of("text", "json"), ("text", "json"))
KEYS = Parsed("keys", parse_keys)


def provider_slugs() -> list[str]:
    """Return the slugs of the providers in the package, from the folders' names only: shell completion must be fast."""
    import qwenmock.schemas

    return sorted(path.parent.name for root in qwenmock.schemas.__path__ for path in Path(root).glob("*/provider.toml"))


class Slug(Parsed):
    """The slug of a provider. Whether the catalogue has it is checked when the catalogue is loaded."""

    def __init__(self) -> None:
        super().__init__("slug", parse_text)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the providers in the package."""
        del ctx, param
        return [CompletionItem(slug) for slug in provider_slugs() if slug.startswith(incomplete)]


SLUG = Slug()


class ScenarioName(Parsed):
    """The name of a scenario, or the path of one. Whether there is one is checked when it is loaded."""

    def __init__(self) -> None:
        super().__init__("scenario", parse_text)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the scenarios in the package, from the files' names only."""
        del ctx, param
        names = sorted(path.stem for path in (Path(__file__).parent.parent / "scenarios").glob("*.toml"))
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


SCENARIO = ScenarioName()


def address_options(port: int) -> list[click.Option]:
    """Return `--host` and `--port` for a command that listens.

    Args:
        port: The default.

    """
    host = click.Option(
        ["--host"], type=TEXT, metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Address to listen on."
    )
    number = click.Option(
        ["--port"], type=PORT, metavar="PORT", default=port, show_default=True, help="Port; 0 selects a free one."
    )
    return [host, number]
