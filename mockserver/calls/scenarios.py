"""Scenarios: fault plans with a name, as TOML files in the package or of the user's own."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from qwenmock.mockserver.calls.fault_schema import fault_plan_schema, parse_fault_plan
from qwenmock.mockserver.calls.faults import Fault
from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.schema_errors import first_error
from qwenmock.mockserver.settings import unknown
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON

FOLDER = Path(__file__).parent.parent / "scenarios"
SUFFIX = ".toml"


@dataclass(frozen=True)
class Scenario:
    """A fault plan with a name.

    Attributes:
        name: Of the file, without its ending.
        summary: What happens, in a sentence.
        stands_for: The documented status or the behaviour that it imitates, in a sentence.
        faults: The plan.

    """

    name: str
    summary: str
    stands_for: str
    faults: tuple[Fault, ...]


def scenario_schema(providers: Mapping[str, Provider]) -> dict[str, JSON]:
    """Return the schema of a scenario's file."""
    sentence: JSON = {"type": "string", "pattern": r"^\S.*\.$"}
    return {
        "title": "Scenario",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "summary": sentence,
            "stands_for": sentence,
            "faults": {**fault_plan_schema(providers), "minItems": 1},
        },
        "required": ["summary", "stands_for", "faults"],
    }


def scenario_names() -> list[str]:
    """Return the names of the scenarios in the package."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def named_scenario(name: str, providers: Mapping[str, Provider]) -> Scenario:
    """Return a scenario of the package.

    Raises:
        SettingsError: There is none of that name.

    """
    if name not in scenario_names():
        raise SettingsError(unknown("scenario", name, scenario_names()))
    return read_scenario(FOLDER / f"{name}{SUFFIX}", providers)


def load_scenario(name: str, providers: Mapping[str, Provider]) -> Scenario:
    """Return a scenario by its name, or by the path of a file that ends in `.toml`.

    Raises:
        SettingsError: There is none, or its file is wrong.

    """
    return read_scenario(Path(name), providers) if name.endswith(SUFFIX) else named_scenario(name, providers)


def read_scenario(path: Path, providers: Mapping[str, Provider]) -> Scenario:
    """Read the file of a scenario.

    Raises:
        SettingsError: It cannot be read, or is not a scenario. The message says where and what is accepted.

    """
    try:
        return _parsed(path.stem, cast(dict[str, JSON], tomllib.loads(path.read_text("utf-8"))), providers)
    except OSError as error:
        raise SettingsError(f"scenario {path}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"scenario {path}: {error}") from error


def _parsed(name: str, found: dict[str, JSON], providers: Mapping[str, Provider]) -> Scenario:
    message = first_error(scenario_schema(providers), found)
    if message is not None:
        raise ValueError(message)
    faults = tuple(parse_fault_plan(found["faults"], providers))
    return Scenario(name, str(found["summary"]), str(found["stands_for"]), faults)
