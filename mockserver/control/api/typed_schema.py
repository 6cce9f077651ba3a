"""JSON Schemas from Python types: TypedDicts, sequences, mappings, literals, unions and scalars."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from qwenmock.schemas.vocabulary import JSON

SCALARS: Mapping[object, str] = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null"}


@dataclass
class SchemaWriter:
    """Writes schemas, and collects those with a name as components that the others refer to.

    Attributes:
        components: Schemas by name.

    """

    components: dict[str, JSON] = field(default_factory=dict[str, JSON])

    def add(self, schema: Mapping[str, JSON]) -> dict[str, JSON]:
        """Put a schema with a title among the components and return a reference to it.

        The items of a list become a component too, where they have a title.
        """
        items: JSON = schema.get("items")
        if isinstance(items, Mapping) and "title" in items:
            schema = {**schema, "items": self.add(items)}
        title = str(schema["title"])
        self.components[title] = {name: value for name, value in schema.items() if name != "title"}
        return _reference(title)

    def of(self, kind: object) -> dict[str, JSON]:
        """Return the schema of a type, or of a component by its name.

        Raises:
            TypeError: There is no schema for the type.

        """
        origin, arguments = get_origin(kind), get_args(kind)
        if isinstance(kind, str):
            return _reference(kind)
        if isinstance(kind, type) and is_typeddict(kind):
            return self._typed_dict(kind)
        if kind in SCALARS:
            return {"type": SCALARS[kind]}
        if kind is object:
            return {}
        if origin in {list, Sequence}:
            return {"type": "array", "items": self.of(arguments[0])}
        if origin in {dict, Mapping}:
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin in {Union, UnionType}:
            return {"anyOf": [self.of(argument) for argument in arguments]}
        raise TypeError(f"no schema for {kind!r}")

    def _typed_dict(self, kind: type) -> dict[str, JSON]:
        name = kind.__name__
        if name not in self.components:
            self.components[name] = {}  # a type may hold itself
            required: frozenset[str] = kind.__required_keys__  # type: ignore[attr-defined]
            hints = get_type_hints(kind)
            self.components[name] = {
                "description": inspect.cleandoc(kind.__doc__ or ""),
                "type": "object",
                "required": [member for member in hints if member in required],
                "properties": {
                    member: {} if kind.__annotations__[member] == JSON else self.of(hint)
                    for member, hint in hints.items()
                },
            }
        return _reference(name)


def _reference(name: str) -> dict[str, JSON]:
    return {"$ref": f"#/components/schemas/{name}"}
