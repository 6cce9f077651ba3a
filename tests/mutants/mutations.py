"""The small changes that are made to a module: one at a time, in its syntax tree."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
SQL = re.compile(r"\b(SELECT|UPDATE|DELETE FROM|INSERT|WHERE|ORDER BY|RETURNING)\b")
"""What a text with SQL statements, or a part of one, contains."""
SQL_CHANGES = (
    (r"<=", "<"),
    (r">=", ">"),
    (r" < ", " <= "),
    (r" > ", " >= "),
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r" AND ", " OR "),
    (r" OR (?=EXISTS)", " AND "),
    (r"\bIS NULL", "IS NOT NULL"),
    (r"\bmax\(", "min("),
    (r"(?<![\w.?'])0(\.0)?(?![\w.'])", "1"),
    (r"(?<![\w.?'])(?<!SELECT )1(?![\w.'])", "0"),
    (r" DESC\b", ""),
    (r" ORDER BY [a-z]+(?= |$)(?! DESC)", ""),
    (r" WHERE ((?! ORDER BY | RETURNING )([^()]|\([^()]*\)))+(?=$|\)| ORDER BY | RETURNING )", ""),
    (r"INSERT OR (IGNORE|REPLACE)", "INSERT"),
)
OTHER_FUNCTION = {"min": "max", "max": "min", "any": "all", "all": "any"}
UNTOUCHED = {"TypeAlias", "TypedDict", "Literal", "lru_cache", "cache"}
"""What is only written for types, or for speed."""
SHOWN = 120
SQL_SHOWN = 25
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one change.

    Attributes:
        name: The function, and the code before and after the change; the line is not part of it.
        line: Where it is.

    """

    name: str
    line: int
    _tree: ast.Module
    _owner: ast.AST
    _field: str
    _index: int | None
    _new: Any

    def code(self, path: str) -> CodeType:
        """Return the compiled module with the change."""
        old = _put(self._owner, self._field, self._index, self._new)
        try:
            return compile(ast.fix_missing_locations(self._tree), path, "exec", dont_inherit=True)
        finally:
            _put(self._owner, self._field, self._index, old)


def mutants_of(source: str) -> list[Mutant]:
    """Return all mutants of a module. Those of the same name are numbered."""
    tree = ast.parse(source)
    seen: Counter[str] = Counter()
    found: list[Mutant] = []
    for change in _Changes(tree).changes():
        name = change.name()
        seen[name] += 1
        name = f"{name} #{seen[name]}" if seen[name] > 1 else name
        found.append(Mutant(name, change.line, tree, change.owner, change.field, change.index, change.new))
    return found


def _put(owner: ast.AST, field: str, index: int | None, new: Any) -> Any:
    """Replace a field of a node, or an element of it, and return what it was."""
    value = getattr(owner, field)
    if index is None:
        setattr(owner, field, new)
        return value
    old = value[index]
    value[index] = new
    return old


@dataclass(frozen=True, slots=True)
class _Change:
    """Replaces one field of a node.

    Attributes:
        shown: The node that is printed, before and after; None for a statement that is removed.
        label: What is printed instead, for a change inside a text.

    """

    function: str
    line: int
    shown: ast.AST | None
    owner: ast.AST
    field: str
    index: int | None
    new: Any
    label: str | None = None

    def name(self) -> str:
        if self.label is not None:
            return f"{self.function}: {self.label}"
        if self.shown is None:
            removed = getattr(self.owner, self.field)[self.index]
            return f"{self.function}: without `{_text(removed)}`"
        before = _text(self.shown)
        old = _put(self.owner, self.field, self.index, self.new)
        after = _text(self.shown)
        _put(self.owner, self.field, self.index, old)
        return f"{self.function}: `{before}` -> `{after}`"


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.If):
        return f"if {_text(node.test)}"
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


class _Changes:
    """Finds the changes of one tree."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree

    def changes(self) -> Iterator[_Change]:
        yield from self._block(self._tree, "body", "", None)

    def _block(self, owner: ast.AST, field: str, scope: str, function: Function | None) -> Iterator[_Change]:
        for index, statement in enumerate(getattr(owner, field)):
            if isinstance(statement, Function | ast.ClassDef):
                name = f"{scope}.{statement.name}".lstrip(".")
                inner = statement if isinstance(statement, Function) else None
                if inner is not None:
                    yield from self._inside(inner.args, name, skipped=())
                yield from self._block(statement, "body", name, inner)
                continue
            if _is_untouched(statement):
                continue
            if _is_removable(statement):
                yield _Change(scope, statement.lineno, None, owner, field, index, ast.Pass())
            if isinstance(statement, ast.Return):
                yield from self._result(statement, scope, function)
            yield from self._inside(statement, scope, skipped=("body", "orelse", "finalbody", "handlers", "cases"))
            yield from self._blocks_of(statement, scope, function)

    def _blocks_of(self, statement: ast.stmt, scope: str, function: Function | None) -> Iterator[_Change]:
        for field in ("body", "orelse", "finalbody"):
            if isinstance(getattr(statement, field, None), list):
                yield from self._block(statement, field, scope, function)
        for part in [*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())]:
            yield from self._block(part, "body", scope, function)
        for case in getattr(statement, "cases", ()):
            if case.guard is not None:
                yield from self._inside(case, scope, skipped=("body", "pattern"))

    def _result(self, statement: ast.Return, scope: str, function: Function | None) -> Iterator[_Change]:
        value = statement.value
        if value is None or (isinstance(value, ast.Constant) and value.value in {None, True, False}):
            return
        is_bool = function is not None and isinstance(function.returns, ast.Name) and function.returns.id == "bool"
        new = ast.UnaryOp(ast.Not(), value) if is_bool else ast.Constant(None)
        yield _Change(scope, statement.lineno, statement, statement, "value", None, new)

    def _inside(self, node: ast.AST, scope: str, skipped: tuple[str, ...]) -> Iterator[_Change]:
        """Yield the changes of the expressions in a node."""
        for field, value in ast.iter_fields(node):
            if field in skipped or field in {"annotation", "decorator_list", "returns"}:
                continue
            for index, child in enumerate(value) if isinstance(value, list) else ((None, value),):
                if isinstance(child, ast.JoinedStr):
                    yield from self._sql_of(child, scope)
                if isinstance(child, ast.JoinedStr) or not isinstance(child, ast.AST) or _is_untouched(child):
                    continue
                yield from self._changes_of(child, node, field, index, scope)
                yield from self._inside(child, scope, ())

    def _changes_of(
        self, node: ast.AST, owner: ast.AST, field: str, index: int | None, scope: str
    ) -> Iterator[_Change]:
        line = getattr(node, "lineno", getattr(owner, "lineno", 0))

        def change(shown: ast.AST, owner: ast.AST, field: str, index: int | None, new: Any) -> _Change:
            return _Change(scope, line, shown, owner, field, index, new)

        if isinstance(node, ast.Compare):
            for position, operator in enumerate(node.ops):
                yield change(node, node, "ops", position, COMPARISONS[type(operator)]())
        elif isinstance(node, ast.BoolOp):
            yield change(node, node, "op", None, ast.Or() if isinstance(node.op, ast.And) else ast.And())
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
            yield change(owner, owner, field, index, node.operand)
        elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            yield change(node, node, "op", None, ARITHMETIC[type(node.op)]())
        elif isinstance(node, ast.Constant):
            for new in _other_constants(node.value):
                yield change(owner, owner, field, index, ast.Constant(new))
            for label, text in _other_sql(node.value):
                yield _Change(scope, line, node, owner, field, index, ast.Constant(text), label)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in OTHER_FUNCTION:
            yield change(node, node, "func", None, ast.Name(OTHER_FUNCTION[node.func.id], ast.Load()))
        if field == "test" and not isinstance(node, ast.Compare | ast.UnaryOp):
            yield change(owner, owner, field, index, ast.UnaryOp(ast.Not(), node))

    def _sql_of(self, node: ast.JoinedStr, scope: str) -> Iterator[_Change]:
        """Yield the changes of the SQL in an f-string."""
        for index, part in enumerate(node.values):
            if isinstance(part, ast.Constant):
                for label, text in _other_sql(part.value):
                    yield _Change(scope, node.lineno, node, node, "values", index, ast.Constant(text), label)


def _other_constants(value: object) -> list[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1] if value == 0 else [value + 1, value - 1]
    return []


def _other_sql(value: object) -> Iterator[tuple[str, str]]:
    """Yield the changes of a text that has SQL: the place before and after, and the whole text after."""
    if not isinstance(value, str) or not SQL.search(value):
        return
    for pattern, new in SQL_CHANGES:
        for found in re.finditer(pattern, value):
            start, end = max(0, found.start() - SQL_SHOWN), found.end() + SQL_SHOWN
            before, after = value[start : found.start()], value[found.end() : end]
            label = f"`{before}{found[0]}{after}` -> `{before}{new}{after}`"
            yield " ".join(label.split()), value[: found.start()] + new + value[found.end() :]


def _is_untouched(node: ast.AST) -> bool:
    """Return whether a node is only there for types, speed or readers."""
    if isinstance(node, ast.Assert | ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    named = {
        ast.AnnAssign: lambda: node.annotation,
        ast.Call: lambda: node.func,
        ast.Subscript: lambda: node.value,
    }.get(type(node))
    target = named() if named else None
    return isinstance(target, ast.Name) and target.id in UNTOUCHED


def _is_removable(statement: ast.stmt) -> bool:
    """Return whether a statement can be removed without leaving a name undefined."""
    if isinstance(statement, ast.Expr | ast.Raise | ast.AugAssign | ast.Continue | ast.Break | ast.Delete):
        return True
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return isinstance(statement, ast.Assign | ast.AnnAssign) and any(
        isinstance(target, ast.Attribute | ast.Subscript) for target in targets
    )
