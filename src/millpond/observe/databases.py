"""Database drivers: the functions that queries go through, and the statements that drivers run for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.internals.stack_names import statement_of
from millpond.observe.statements import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    Naming = Callable[[FrameType], str]


def _argument(*names: str) -> Naming:
    """The statement in the first of these arguments that the function has."""

    def name(frame: FrameType) -> str:
        return shortened(next((frame.f_locals[name] for name in names if name in frame.f_locals), None))

    return name


def _prepared(frame: FrameType) -> str:
    return shortened(statement_of(frame.f_locals.get("self")))


_STATEMENT = _argument("statement", "query", "sql", "sql_script", "command")

_DRIVERS: tuple[tuple[str, str, tuple[str, ...], Naming | None], ...] = (
    ("sqlalchemy.engine.default", "DefaultDialect", ("do_execute", "do_executemany"), _STATEMENT),
    ("sqlalchemy.engine.default", "DefaultDialect", ("do_execute_no_params",), _STATEMENT),
    ("psycopg.cursor", "Cursor", ("execute", "executemany", "stream", "copy"), _STATEMENT),
    ("psycopg.cursor_async", "AsyncCursor", ("execute", "executemany", "stream", "copy"), _STATEMENT),
    ("psycopg._server_cursor", "ServerCursor", ("execute",), _STATEMENT),
    ("psycopg._server_cursor_async", "AsyncServerCursor", ("execute",), _STATEMENT),
    ("psycopg.connection", "Connection", ("connect",), None),
    ("psycopg.connection_async", "AsyncConnection", ("connect",), None),
    ("asyncpg.connection", "Connection", ("execute", "executemany", "fetch", "fetchrow"), _STATEMENT),
    ("asyncpg.connection", "Connection", ("fetchval", "fetchmany", "copy_from_query"), _STATEMENT),
    ("asyncpg.connection", "Connection", ("copy_from_table",), None),
    ("asyncpg.connection", "", ("connect",), None),
    ("asyncpg.prepared_stmt", "PreparedStatement", ("executemany", "fetch", "fetchmany"), _prepared),
    ("asyncpg.prepared_stmt", "PreparedStatement", ("fetchrow", "fetchval"), _prepared),
    ("asyncpg.cursor", "CursorIterator", ("__anext__",), _prepared),
    ("asyncpg.cursor", "Cursor", ("fetch", "fetchrow"), _prepared),
    ("aiosqlite.core", "Connection", ("execute", "execute_fetchall", "execute_insert"), _STATEMENT),
    ("aiosqlite.core", "Connection", ("executemany", "executescript"), _STATEMENT),
    ("aiosqlite.cursor", "Cursor", ("execute", "executemany", "executescript"), _STATEMENT),
    ("django.db.backends.utils", "CursorWrapper", ("execute", "executemany", "callproc"), _STATEMENT),
)
"""Their calls into C, into threads and into the network can't be told apart from others."""

_SPEAKING = frozenset({"aiosqlite", "asyncpg", "psycopg"})
_ADAPTERS = ("sqlalchemy.connectors.", "sqlalchemy.dialects.")
_OWN = frozenset({("asyncpg", "reset"), ("django", "connect"), ("psycopg", "_fetch"), ("psycopg", "_fetch_async")})


def queries() -> Iterator[tuple[tuple[str, str], str, Naming | None]]:
    """Module and qualified name of each function that asks a database, what reports call it, and its statement."""
    for module, owner, names, naming in _DRIVERS:
        for name in names:
            what = f"{module.partition('.')[0]} {'cursor' if name == '__anext__' else name}"
            yield (module, f"{owner}.{name}" if owner else name), what, naming


def is_drivers(frame: FrameType) -> bool:
    """Whether a frame belongs to a driver that speaks to the database itself, and all of which is in the tables."""
    module: str = frame.f_globals.get("__name__", "")
    return module.partition(".")[0] in _SPEAKING


def is_drivers_own(frame: FrameType) -> bool:
    """Whether a driver runs a statement for itself: for a new or returned connection, or through another driver."""
    module: str = frame.f_globals.get("__name__", "")
    return module.startswith(_ADAPTERS) or (module.partition(".")[0], frame.f_code.co_name) in _OWN
