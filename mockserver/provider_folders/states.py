"""The states of tasks: what the document calls them, and what a query answers in each."""

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass

from qwenmock.mockserver.provider_folders.document import Notes
from qwenmock.mockserver.provider_folders.roles import most_images, plain_name
from qwenmock.schemas.models import STATES, State
from qwenmock.schemas.vocabulary import Schema, roles, subschema

NAMES: dict[State, frozenset[str]] = {
    "pending": frozenset(
        {
            "pending",
            "queued",
            "waiting",
            "submitted",
            "created",
            "starting",
            "inqueue",
            "notstarted",
            "scheduled",
            "accepted",
        }
    ),
    "running": frozenset(
        {"running", "processing", "inprogress", "generating", "started", "working", "executing", "rendering", "active"}
    ),
    "succeeded": frozenset(
        {"succeeded", "success", "successful", "completed", "complete", "done", "finished", "ready", "ok"}
    ),
    "failed": frozenset({"failed", "failure", "error", "errored", "rejected"}),
    "cancelled": frozenset({"cancelled", "canceled", "aborted", "expired"}),
}
"""What gateways call each state, in small letters alone."""
INSTEAD: dict[State, State] = {
    "pending": "running",
    "running": "pending",
    "succeeded": "succeeded",
    "failed": "cancelled",
    "cancelled": "failed",
}
"""The state whose name stands for one that the document does not name."""
GROUPS: tuple[tuple[State, ...], ...] = (("pending", "running"), ("succeeded",), ("failed", "cancelled"))
"""The states that usually have one form of answer."""
ERRORS = frozenset(
    {"error", "errors", "failure", "failurereason", "failreason", "errormessage", "errorcode", "errordetail"}
)
ERROR_ROLES = frozenset({"message", "error_code"})
IMAGE_ROLES = frozenset({"images", "image_url"})
KEPT_ROLES = frozenset({"task_status", "task_id"})


@dataclass(frozen=True)
class TaskForms:
    """How the states are named, and what a query answers in each.

    Attributes:
        names: The document's name of each state.
        schemas: By state.

    """

    names: dict[State, str]
    schemas: dict[State, Schema]


def statuses_of(schema: Schema) -> list[str]:
    """Return the states that an answer lists."""
    places = [subschema(schema, path) for path in roles(schema).get("task_status", ())]
    listed = [value for place in places for value in ([place["const"]] if "const" in place else place.get("enum", ()))]
    return [value for value in listed if isinstance(value, str)]


def state_called(name: str) -> State | None:
    """Return the state that a name stands for; None for one that no gateway is known to use."""
    plain = plain_name(re.sub(r"^.*\.", "", name))
    return next((state for state in STATES if plain in NAMES[state]), None)


def task_forms(forms: Sequence[Schema], place: str, notes: Notes) -> TaskForms | None:
    """Return the states and their answers; None where the document does not list the states that are needed.

    Args:
        forms: What a query may answer, with roles.
        place: What notes call the query.
        notes: Gets the states that are not known.

    """
    names: dict[State, str] = {}
    for status in (status for form in forms for status in statuses_of(form)):
        state = state_called(status)
        if state is None:
            notes.leave_out(place, f"unknown state of a task: {status}")
        else:
            names.setdefault(state, status)
    for state in STATES:
        if state not in names and INSTEAD[state] in names:
            names[state] = names[INSTEAD[state]]
            notes.assume(place, f"the document names no state for a task that is {state}: {names[state]} is used")
    if set(STATES) - names.keys():
        return None
    schemas: dict[State, Schema] = {state: _form_of(forms, state, names) for state in STATES}
    return TaskForms(names, schemas)


def _form_of(forms: Sequence[Schema], state: State, names: dict[State, str]) -> Schema:
    """Return what a query answers in a state: the form that has only such states, or else a part of another."""
    group = next(group for group in GROUPS if state in group)
    fitting = [form for form in forms if names[state] in statuses_of(form)]
    own = [form for form in fitting if all(state_called(each) in group for each in statuses_of(form))]
    if state == "succeeded":
        own = sorted((form for form in own if "image_url" in roles(form)), key=most_images, reverse=True)
        fitting.sort(key=most_images, reverse=True)
    made = copy.deepcopy((own or fitting)[0])
    if not own:
        _narrow(made, list(dict.fromkeys(names[each] for each in group)))
        if state != "succeeded":
            _take_out(made, IMAGE_ROLES, frozenset())
        if state not in {"failed", "cancelled"}:
            _take_out(made, ERROR_ROLES, ERRORS)
    if state == "succeeded":
        require_images(made)
    return made


def _narrow(schema: Schema, statuses: list[str]) -> None:
    for path in roles(schema).get("task_status", ()):
        place = subschema(schema, path)
        place.pop("const", None)
        place["enum"] = statuses


def _take_out(schema: Schema, unwanted: frozenset[str], names: frozenset[str]) -> None:
    """Take out the members that only hold what is not there in a state; one that must be there is null then."""
    members: dict[str, Schema] = schema.get("properties", {})
    for name, member in [*members.items()]:
        held = roles(member).keys()
        if (held & unwanted or plain_name(name) in names) and not held & KEPT_ROLES:
            is_needed = name in schema.get("required", ())
            if is_needed and "null" in member.get("type", ()):
                members[name] = {"type": "null", "x-source": member["x-source"], "x-certainty": member["x-certainty"]}
                continue
            del members[name]
            if is_needed:
                schema["required"] = [each for each in schema["required"] if each != name]
        elif held & KEPT_ROLES:
            _take_out(member, unwanted, names)
    if not schema.get("required", [""]):
        del schema["required"]


def require_images(schema: Schema) -> None:
    """Require the list of images and the links in it, which a success must have to be one."""
    for path in roles(schema).get("image_url", ()):
        owner = schema
        for step in path:
            _without_null(owner)
            if step == "*":
                owner["minItems"] = max(1, owner.get("minItems", 1))
                owner = owner["items"]
            else:
                owner["required"] = list(dict.fromkeys([*owner.get("required", ()), step]))
                owner = owner["properties"][step]
        _without_null(owner)


def _without_null(owner: Schema) -> None:
    if isinstance(owner.get("type"), list):
        left = [kind for kind in owner["type"] if kind != "null"]
        owner["type"] = left[0] if len(left) == 1 else left
