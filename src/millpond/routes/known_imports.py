"""A file whose imports have been done before it is executed: its names have the values that they had then."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

ImportedNames: TypeAlias = tuple[str, int, tuple[str, ...]]
"""A statement `from MODULE import NAMES`: the module, the dots in front of it, and the names."""
KnownImports: TypeAlias = Mapping[ImportedNames, tuple[object, ...]]
"""The values of the names."""

VALUES = "__known_imports__"
"""The module's variable from which the file takes the values: a sequence, in the order of the mapping."""


class PreparedFile(NamedTuple):
    """A file that takes from VALUES what it would import at its top level."""

    tree: ast.Module
    values: tuple[tuple[object, ...], ...]


def with_known_imports(tree: ast.Module, known: KnownImports) -> PreparedFile:
    """The file, prepared; its own tree stays as it is.

    Args:
        tree: the file's.
        known: what it needn't import.
    """
    positions = {names: position for position, names in enumerate(known)}
    body = [_known(statement, positions) for statement in tree.body]
    return PreparedFile(ast.Module(body, tree.type_ignores), tuple(known.values()))


def _known(statement: ast.stmt, positions: Mapping[ImportedNames, int]) -> ast.stmt:
    if not isinstance(statement, ast.ImportFrom):
        return statement
    key = statement.module or "", statement.level, tuple(alias.name for alias in statement.names)
    if key not in positions:
        return statement
    names: list[ast.expr] = [ast.Name(alias.asname or alias.name, ast.Store()) for alias in statement.names]
    values = ast.Subscript(ast.Name(VALUES, ast.Load()), ast.Constant(positions[key]), ast.Load())
    assigned = ast.Assign([ast.Tuple(names, ast.Store())], values)
    return ast.fix_missing_locations(ast.copy_location(assigned, statement))
