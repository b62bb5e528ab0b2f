"""SQL statements as reports show them: shortened, without values."""

from __future__ import annotations

import ast
import functools
import itertools
import linecache
import re
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CodeType, FrameType

LONGEST = 60
"""Characters of a statement that are shown."""

_UNKNOWN = "…"
_VALUES = re.compile(
    r"""
      (?P<comment> /\*.*?(?:\*/|\Z) | --[^\n]* )
    | '(?:[^']|'')*(?:'|\Z)                                  # a string
    | \$(?P<quote>\w*)\$.*?(?:\$(?P=quote)\$|\Z)             # a string of PostgreSQL's
    | (?<=[=<>(,])\s*"(?:[^"]|"")*(?:"|\Z)(?!\s*\.)          # a string of MySQL's and SQLite's, or else a column
    | (?<![\w$:@?."])\d[\w.]*                                # a number, and no placeholder
    """,
    re.VERBOSE | re.DOTALL,
)
_HOUSEKEEPING = frozenset(
    {
        "abort",
        "begin",
        "checkpoint",
        "close",
        "commit",
        "deallocate",
        "discard",
        "end",
        "pragma",
        "release",
        "reset",
        "rollback",
        "savepoint",
        "set",
        "show",
        "start",
        "unlisten",
    }
)


def shortened(statement: object) -> str:
    """The beginning of a statement, its values left out, also those that were written into it; "" if it is no text."""
    if isinstance(statement, bytes):
        statement = statement.decode("utf-8", "replace")
    if not isinstance(statement, str):
        return ""
    if "\\" in statement:  # which may be an escape or not: nobody can tell where the string ends
        statement = re.split("['\"]", statement, maxsplit=1)[0] + "?"
    text = " ".join(_VALUES.sub(lambda value: " " if value["comment"] else "?", statement).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rstrip()}…"


def is_housekeeping(statement: str) -> bool:
    """Whether a statement reads no data: transactions, settings."""
    word = re.match(r"\w+", statement)
    return word is not None and word[0].lower() in _HOUSEKEEPING


def statement_at(frame: FrameType) -> str:
    """The statement that the call under way in `frame` is given, shortened; "" when the source doesn't show it.

    A function in C doesn't show its arguments. The source of the call does, where it is a text, or a name of one; it
    is read and never run.
    """
    call = _call_at(frame.f_code, frame.f_lasti)
    if call is None:
        return ""
    given = call.args[0] if call.args else next((keyword.value for keyword in call.keywords), None)
    return shortened(_text(given, frame))


@functools.lru_cache(maxsize=1024)
def _call_at(code: CodeType, instruction: int) -> ast.Call | None:
    first, last, begin, end = next(itertools.islice(code.co_positions(), instruction // 2, None))
    if first is None or last is None or begin is None or end is None:
        return None
    lines = [line.encode() for line in linecache.getlines(code.co_filename)[first - 1 : last]]
    if not lines:
        return None
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][begin:]
    try:
        expression = ast.parse(b"(" + b"".join(lines) + b")", mode="eval").body
    except SyntaxError:  # the file was edited since it was imported
        return None
    return expression if isinstance(expression, ast.Call) else None


def _text(node: ast.expr | None, frame: FrameType) -> str:
    """What an expression says, as far as it can be told without running it; "…" stands for values."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part, frame) if isinstance(part, ast.Constant) else _UNKNOWN for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            written = isinstance(right, ast.Constant | ast.JoinedStr)  # whatever else is added may be a value
            return _text(left, frame) + (_text(right, frame) if written else _UNKNOWN)
        case ast.BinOp(left=template, op=ast.Mod()):
            return _text(template, frame)
        case ast.Call(func=ast.Attribute(value=template, attr="format")):
            return _text(template, frame)
        case ast.Name() | ast.Attribute():
            value = _value(node, frame)
            return value if isinstance(value, str) else ""
        case _:
            return ""


def _value(node: ast.expr, frame: FrameType) -> Any:
    """What a name, or a name in a module, stands for."""
    if isinstance(node, ast.Name):
        return frame.f_locals.get(node.id, frame.f_globals.get(node.id))
    if isinstance(node, ast.Attribute):
        owner = _value(node.value, frame)
        return vars(owner).get(node.attr) if isinstance(owner, ModuleType) else None
    return None
