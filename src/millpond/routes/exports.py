"""What a route file defines at its top level, by its source: their line numbers, and names that look like mistakes."""

from __future__ import annotations

import ast
import inspect
import itertools
from typing import TYPE_CHECKING, Any

from millpond.errors import Place
from millpond.messages import closest
from millpond.policy.segment import DISTINCTIVE_NAMES, OPTION_NAMES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from types import ModuleType

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "QUERY")
"""The functions of a route file that answer requests (R1.19)."""

STATIC_PARAMS = "generate_static_params"

_MEANINGFUL = {*METHODS, *OPTION_NAMES, STATIC_PARAMS}
CAMEL_CASE = {
    "fetchCache": "fetch_cache",
    "dynamicParams": "dynamic_params",
    "maxDuration": "max_duration",
    "generateStaticParams": STATIC_PARAMS,
}
"""Names that Next.js has, and ours."""
_ABSENT = {"runtime", "preferred_region", "preferredRegion"}
_UNANSWERED = frozenset(
    {
        *("ACL", "BIND", "CHECKIN", "CHECKOUT", "CONNECT", "COPY", "LABEL", "LINK", "LOCK", "MERGE", "MKACTIVITY"),
        *(
            "MKCALENDAR",
            "MKCOL",
            "MKREDIRECTREF",
            "MKWORKSPACE",
            "MOVE",
            "ORDERPATCH",
            "PROPFIND",
            "PROPPATCH",
            "PURGE",
        ),
        *("REBIND", "REPORT", "SEARCH", "TRACE", "UNBIND", "UNCHECKOUT", "UNLINK", "UNLOCK", "UPDATE"),
        "UPDATEREDIRECTREF",
    }
)
"""Other methods of HTTP: those that are registered and whose names a function can have, and PURGE."""
_LIKENESS = 0.85


def lines_of(tree: ast.Module, names: Collection[str] = frozenset(_MEANINGFUL)) -> dict[str, int]:
    """The line of the last top-level definition of each of `names`; by default those that mean something in a route."""
    return {name: line for name, line, _ in _definitions(tree.body) if name in names}


def own_lines(tree: ast.Module) -> dict[str, int]:
    """The line of the last top-level definition of each name that isn't imported."""
    return {name: line for name, line, imported in _definitions(tree.body) if not imported}


def methods_in(exports: Mapping[str, Any]) -> tuple[str, ...]:
    """The methods that a route file may answer. A QUERY that can't be called is a variable of the author's own, such as
    a statement of SQL or GraphQL."""
    return METHODS if callable(exports.get("QUERY")) else tuple(method for method in METHODS if method != "QUERY")


def warnings_of(tree: ast.Module, module: ModuleType, file: str) -> tuple[str, ...]:
    """A sentence for each name that looks like a mistake (R1.20, R1.21); imported names are left alone."""
    values = vars(module)
    own = {name: line for name, line, imported in _definitions(tree.body) if not imported and name in values}
    found = [
        f"{Place(file, line)}: {sentence}"
        for name, line in own.items()
        if (sentence := _mistake(name, values[name], values)) is not None
    ]
    if values.get("cache_query_body") is True and not callable(values.get("QUERY")):
        place = Place(file, own.get("cache_query_body"))
        found.append(f"{place}: cache_query_body does nothing without QUERY; define it, or leave the option out.")
    if not any(method in values for method in methods_in(values)):
        found.append(f"{file}: no method is defined, so every request is answered 405; define GET or another method.")
    return tuple(found)


def _definitions(body: list[ast.stmt]) -> Iterator[tuple[str, int, bool]]:
    """(name, line, whether it was imported), in the order of the source; blocks at module level are part of it."""
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield statement.name, statement.lineno, False
            case ast.Assign():
                for target in statement.targets:
                    yield from _targets(target)
            case ast.AnnAssign(value=ast.expr()):
                yield from _targets(statement.target)
            case ast.Import() | ast.ImportFrom():
                for alias in statement.names:
                    yield alias.asname or alias.name, alias.lineno, True
            case ast.If() | ast.For() | ast.While() | ast.With() | ast.Try():
                yield from _definitions(_blocks(statement))


def _targets(target: ast.expr) -> Iterator[tuple[str, int, bool]]:
    if isinstance(target, ast.Name):
        yield target.id, target.lineno, False
    elif isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from _targets(element)


def _blocks(statement: ast.If | ast.For | ast.While | ast.With | ast.Try) -> list[ast.stmt]:
    body = list(statement.body)
    if isinstance(statement, ast.Try):
        for handler in statement.handlers:
            body += handler.body
    if not isinstance(statement, ast.With):
        body += statement.orelse
    if isinstance(statement, ast.Try):
        body += statement.finalbody
    return body


def _mistake(name: str, value: object, values: Mapping[str, object]) -> str | None:
    if name in _MEANINGFUL or name.startswith("_"):
        return None
    if name in CAMEL_CASE:
        return f"{name} does nothing; write {CAMEL_CASE[name]}."
    if name in _ABSENT:
        return f"{name} does nothing: this server has one runtime and no regions; remove it." if _plain(value) else None
    if inspect.isclass(value) and not name.isupper():
        return None  # class Post: a model
    if callable(value):
        return _mistaken_function(name, values)
    return _mistaken_option(name, value, values)


def _plain(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list | tuple) and all(isinstance(item, str) for item in value))


def _mistaken_function(name: str, values: Mapping[str, object]) -> str | None:
    if name == "default":
        return f"a route has no default handler; name the function by its method: {', '.join(METHODS)}."
    if name.upper() in METHODS:  # beside the method itself, a function in lower case is a helper
        return None if name.upper() in values else f"{name} answers no requests; write {name.upper()}."
    if name in _UNANSWERED:
        return f"{name} answers no requests; route files answer {', '.join(METHODS)}."
    if not name.isupper():
        return _near_miss(name, name, (STATIC_PARAMS,), values)
    guess = next((method for method in METHODS if method not in values and _is_slip(name, method)), None)
    return f"{name} answers no requests; did you mean {guess}?" if guess else None


def _is_slip(name: str, method: str) -> bool:
    """Whether a method is meant: its beginning, its letters in another order, or one letter more, less or another."""
    if (len(name) > 2 and method.startswith(name)) or sorted(name) == sorted(method):
        return True
    same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(name, method, strict=False)))
    rest, wanted = name[same:], method[same:]
    return rest == wanted[1:] or rest[1:] in (wanted, wanted[1:])


def _mistaken_option(name: str, value: object, values: Mapping[str, object]) -> str | None:
    if value is not None and not isinstance(value, str | int | float):
        return None
    return _near_miss(name, name.lower(), DISTINCTIVE_NAMES, values)


def _near_miss(name: str, spelling: str, known: tuple[str, ...], values: Mapping[str, object]) -> str | None:
    guess = closest(spelling, known, _LIKENESS)
    return f"{name} does nothing; did you mean {guess}?" if guess and guess not in values else None
