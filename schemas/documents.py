"""The schema files of one provider's folder: read, with their references replaced, and turned into documents."""

import re
from collections.abc import Set as AbstractSet
from pathlib import Path as FilePath

import orjson

from qwenmock.schemas.errors import CatalogError
from qwenmock.schemas.metaschemas import mistake, pointer, quoted
from qwenmock.schemas.models import Document, Rule
from qwenmock.schemas.shared_rules import invariant_names
from qwenmock.schemas.vocabulary import JSON, Constraint, Path, Schema, constraints, dependencies, subschema, walk

ANNOTATIONS = frozenset(
    {"$comment", "title", "description", "default", "examples", "x-role", "x-source", "x-certainty"}
)


MAX_DEPTH = 64
"""Levels of a schema file; validators recurse, and fail on a file with hundreds of them."""

TEMPLATE_PARTS = {
    "images": "(1 image|[0-9]+ images)",
    "unit_price": r"[0-9]+\.[0-9]{2,}",
    "total": r"[0-9]+\.[0-9]{2,}",
}
"""The values of each part of an `x-template`, as regular expressions."""


class SchemaFolder:
    """Reads the schema files of a provider.

    Args:
        errors: The names of the provider's kinds of error.
        currency_sign: What stands before an amount.

    Attributes:
        rules: The rules of all documents that were read.

    """

    def __init__(self, folder: FilePath, errors: AbstractSet[str], currency_sign: str) -> None:
        self.folder = folder
        self.rules: list[Rule] = []
        self._errors = errors
        self._template_parts = {**TEMPLATE_PARTS, "sign": _escaped(currency_sign)}
        self._files: dict[str, Schema] = {}
        self._shared: dict[str, Document] = {}

    def document(self, name: str, file: str) -> Document:
        """Return the document in a file under a name, which begins the ids of its rules.

        Raises:
            CatalogError: The file is missing or not valid.

        """
        schema = self._resolve(self._load(file), file)
        for path, node in walk(schema):
            for keyword in ("x-source", "x-certainty"):
                if keyword not in node:
                    reason = f'missing "{keyword}"; every subschema needs x-source and x-certainty'
                    raise self._error(file, _steps(path), reason)
            self._check_values(file, path, node)
            self._check_members(file, path, node)
            self._check_overrides(file, path, node)
            self._check_dependencies(file, path, node)
        rules = tuple(self._rule(name, constraint, file) for constraint in constraints(schema))
        self.rules.extend(rules)
        return Document(name, schema, rules, file)

    def shared(self, file: str) -> Document:
        """Return the document of a file that several tables may name; its name is the file's stem.

        Raises:
            CatalogError: The file is missing or not valid.

        """
        if file not in self._shared:
            self._shared[file] = self.document(file.removesuffix(".schema.json"), file)
        return self._shared[file]

    def _error(self, file: str, path: Path, reason: str) -> CatalogError:
        return CatalogError(self.folder / file, pointer(path), reason, self.folder.name)

    def _load(self, name: str) -> Schema:
        if name not in self._files:
            try:
                content: Schema = orjson.loads((self.folder / name).read_bytes())
            except FileNotFoundError as error:
                found = {file.name for file in self.folder.glob("*.schema.json")}
                raise self._error(name, (), f"file not found; this folder has {quoted(found)}") from error
            except (OSError, ValueError) as error:
                raise self._error(name, (), f"expected a JSON file in UTF-8: {error}") from error
            if _depth(content) > MAX_DEPTH:
                raise self._error(name, (), f"expected at most {MAX_DEPTH} objects and arrays inside each other")
            found = mistake(content, "vocabulary.schema.json")
            if found is not None:
                raise CatalogError(self.folder / name, *found, self.folder.name)
            self._files[name] = content
        return self._files[name]

    def _resolve(self, schema: Schema, file: str, trail: tuple[str, ...] = ()) -> Schema:
        """Return the schema with every reference replaced by what it points to."""
        resolved = {key: value for key, value in schema.items() if key not in {"$ref", "$defs", "$schema"}}
        if "properties" in resolved:
            resolved["properties"] = {
                name: self._resolve(member, file, trail) for name, member in resolved["properties"].items()
            }
        if "x-template" in resolved:
            resolved["pattern"] = self._pattern(resolved["x-template"])
        if "items" in resolved:
            resolved["items"] = self._resolve(resolved["items"], file, trail)
        return self._merge(schema["$ref"], resolved, file, trail) if "$ref" in schema else resolved

    def _pattern(self, template: str) -> str:
        """Return the regular expression of the sentences that a template describes."""
        texts = re.split(r"\{(\w+)\}", template)
        parts = (self._template_parts[text] if at % 2 else _escaped(text) for at, text in enumerate(texts))
        return f"^{''.join(parts)}$"

    def _merge(self, reference: str, beside: Schema, file: str, trail: tuple[str, ...]) -> Schema:
        target_file, _, name = reference.partition("#/$defs/")
        target_file = target_file or file
        key = f"{target_file}#{name}"
        definitions = self._load(target_file).get("$defs", {})
        if name not in definitions:
            raise self._error(file, (), f"{reference} points to nothing; {target_file} defines {quoted(definitions)}")
        if key in trail:
            raise self._error(file, (), f"{reference} refers to itself; references must end")
        target = self._resolve(definitions[name], target_file, (*trail, key))
        clash = (target.keys() & beside.keys()) - ANNOTATIONS
        if clash:
            reason = f"{quoted(clash)} stands both beside {reference} and behind it; only annotations may be repeated"
            raise self._error(file, (), reason)
        return {**target, **beside}

    def _check_values(self, file: str, path: Path, node: Schema) -> None:
        """Check that it is known what values a subschema accepts, so that examples can be made."""
        if "x-single" in node and (len(path) != 1 or node["items"].get("type") != "string"):
            raise self._error(
                file, (*_steps(path), "x-single"), "expected beside a list of strings that is a member of the body"
            )
        if not node.keys() & {"type", "enum", "const", "not"}:
            raise self._error(file, _steps(path), 'missing "type"; expected it where there is no "enum" or "const"')

    def _check_members(self, file: str, path: Path, node: Schema) -> None:
        """Check that the members which a subschema requires or counts are described."""
        choices = [name for branch in node.get("oneOf", ()) for name in branch["required"]]
        described = node.get("properties", {})
        for keyword, names, known in (
            ("required", node.get("required", ()), described),
            ("oneOf", choices, described),
            ("x-parts", node.get("x-parts", ()), node.get("items", {}).get("properties", {})),
        ):
            unknown = set(names) - known.keys()
            if unknown:
                reason = f"{quoted(unknown)} has no subschema; expected {quoted(known)}"
                raise self._error(file, (*_steps(path), keyword), reason)

    def _check_dependencies(self, file: str, path: Path, node: Schema) -> None:
        """Check that the members which depend on each other are described."""
        for member, dependency in node.get("x-depends", {}).items():
            for place in (member, dependency["on"]):
                try:
                    subschema(node, tuple(place.split("/")))
                except KeyError as error:
                    where = (*_steps(path), "x-depends", member)
                    raise self._error(file, where, f'"{place}" has no subschema; expected the path of one') from error

    def _check_overrides(self, file: str, path: Path, node: Schema) -> None:
        own = {c.keyword for c in constraints({k: v for k, v in node.items() if k not in {"properties", "items"}})}
        own |= {"default"} & node.keys()
        own |= {f"invariants.{name}" for name in invariant_names()} if not path else set()
        own |= {f"required.{member}" for member in node.get("required", ())}
        own |= {f"depends.{member}" for member in node.get("x-depends", ())}
        unknown = node.get("x-rules", {}).keys() - own
        if unknown:
            reason = f"{quoted(unknown)} is not a limit of this subschema; expected {quoted(own)}"
            raise self._error(file, (*_steps(path), "x-rules"), reason)

    def _rule(self, name: str, constraint: Constraint, file: str) -> Rule:
        own = _own_terms(constraint)
        certainty = own.get("certainty", constraint.owner["x-certainty"])
        error = own.get("error", "invalid")
        if error not in self._errors:
            reason = f'unknown kind of error "{error}"; expected {quoted(self._errors)}'
            raise self._error(file, _steps(constraint.path), reason)
        return Rule(
            id="/".join((self.folder.name, name, *constraint.path, constraint.keyword)),
            provider=self.folder.name,
            variant=name,
            path=constraint.path,
            keyword=constraint.keyword,
            value=constraint.value,
            source=own.get("source", constraint.owner["x-source"]),
            certainty=certainty,
            reject_certainty=own.get("reject_certainty", certainty),
            error=error,
            comment=own.get("$comment", ""),
        )


def _depth(value: JSON) -> int:
    """Return how many objects and arrays are inside each other, counted up to the first that is too many."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        inner = [each for each in level if isinstance(each, dict | list)]
        level = [item for each in inner for item in (each.values() if isinstance(each, dict) else each)]
        depth += bool(inner)
    return depth


def _own_terms(constraint: Constraint) -> Schema:
    """Return what the schema says of one limit, or of one required member, apart from the rest."""
    overrides: Schema = constraint.owner.get("x-rules", {})
    own = overrides.get(constraint.keyword, {})
    if constraint.keyword == "required":
        return {**own, **overrides.get(f"required.{constraint.path[-1]}", {})}
    if constraint.keyword == "depends":
        member = next(
            each for each, dependency in dependencies(constraint.owner).items() if dependency is constraint.value
        )
        return overrides.get(f"depends.{'/'.join(member)}", {})
    return own


def _steps(path: Path) -> Path:
    """Return the place in a schema that describes a path of instances."""
    return tuple(step for name in path for step in (("items",) if name == "*" else ("properties", name)))


def _escaped(text: str) -> str:
    """Return a text as a regular expression; `re.escape` escapes more than JSON Schema allows."""
    return re.sub(r"([\\^$.|?*+()\[\]{}])", r"\\\1", text)
