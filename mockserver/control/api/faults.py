"""The fault plan, the clock, and starting anew."""

from collections.abc import Sequence
from typing import get_args

from starlette.requests import Request

from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.calls.fault_schema import parse_fault_plan
from qwenmock.mockserver.calls.faults import describe
from qwenmock.mockserver.calls.scenarios import Scenario, named_scenario, scenario_names
from qwenmock.mockserver.clock import FURTHEST
from qwenmock.mockserver.control.api.requests import ControlError, read_json, read_object
from qwenmock.mockserver.control.api.responses import ClockState, Reset, ScenarioInfo
from qwenmock.mockserver.schema_errors import format_json
from qwenmock.mockserver.store.protocols import ResetScope
from qwenmock.mockserver.store.records import FaultValues
from qwenmock.mockserver.tasks.lifecycle import settle_finished
from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.vocabulary import JSON

PARTS: tuple[ResetScope, ...] = get_args(ResetScope)
"""What can be reset."""


def clock_move_schema(_catalog: Catalog) -> dict[str, JSON]:
    """Return the schema of a move of the clock."""
    return {
        "title": "ClockMove",
        "description": "How far the clock is moved forward.",
        "type": "object",
        "additionalProperties": False,
        "properties": {"advance_seconds": {"type": "number", "minimum": 0, "maximum": int(FURTHEST)}},
        "required": ["advance_seconds"],
    }


async def list_faults(double: Double, _request: Request) -> Sequence[FaultValues]:
    """Return the fault plan, each fault with the `times` that are left."""
    return list((await double.store.faults()).values())


async def set_faults(double: Double, request: Request) -> Sequence[FaultValues]:
    """Replace the fault plan."""
    try:
        plan = parse_fault_plan(await read_json(request), double.catalog.providers)
    except ValueError as error:
        raise ControlError(400, str(error)) from error
    await double.plan.set(plan)
    return await list_faults(double, request)


async def clear_faults(double: Double, request: Request) -> Sequence[FaultValues]:
    """Empty the fault plan."""
    await double.plan.set([])
    return await list_faults(double, request)


def scenario_choice_schema(_catalog: Catalog) -> dict[str, JSON]:
    """Return the schema of the choice of a scenario."""
    return {
        "title": "ScenarioChoice",
        "description": "The scenario whose faults replace the fault plan.",
        "type": "object",
        "additionalProperties": False,
        "properties": {"name": {"type": "string", "enum": [*scenario_names()]}},
        "required": ["name"],
    }


async def list_scenarios(double: Double, _request: Request) -> Sequence[ScenarioInfo]:
    """Return the scenarios that can be chosen."""
    return [_shown(named_scenario(name, double.catalog.providers)) for name in scenario_names()]


async def set_scenario(double: Double, request: Request) -> ScenarioInfo:
    """Replace the fault plan by that of a scenario."""
    body = await read_object(request, scenario_choice_schema(double.catalog))
    scenario = named_scenario(body["name"], double.catalog.providers)
    await double.plan.set(scenario.faults)
    return _shown(scenario)


def _shown(scenario: Scenario) -> ScenarioInfo:
    return {
        "name": scenario.name,
        "summary": scenario.summary,
        "stands_for": scenario.stands_for,
        "faults": [describe(fault) for fault in scenario.faults],
    }


async def move_clock(double: Double, request: Request) -> ClockState:
    """Move the clock forward: links expire, tasks end, rate limits recover."""
    body = await read_object(request, clock_move_schema(double.catalog))
    double.clock.offset = await double.store.move_clock(body["advance_seconds"])
    now = double.clock.now()
    await settle_finished(double)
    if await double.store.has_work():
        double.wake()
    return {"now": now, "offset": double.clock.offset}


async def reset_all(double: Double, _request: Request) -> Reset:
    """Reset everything."""
    return await _reset(double, "all")


async def reset_part(double: Double, request: Request) -> Reset:
    """Reset one part of the state."""
    given = request.path_params["part"]
    part: ResetScope | None = next((part for part in PARTS if part == given), None)
    if part is None:
        raise ControlError(404, f"expected one of {', '.join(PARTS)}, got {format_json(given)}")
    return await _reset(double, part)


async def _reset(double: Double, part: ResetScope) -> Reset:
    await double.store.reset(part)
    double.clock.offset = (await double.store.shared()).offset
    await double.plan.load()
    return {"reset": part}
