"""The database: a SQLite file, made and filled on first use."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

RIVERS = [
    ("danube", "Danube", 2850, "Germany", "Romania"),
    ("douro", "Douro", 897, "Spain", "Portugal"),
    ("ebro", "Ebro", 930, "Spain", "Spain"),
    ("elbe", "Elbe", 1094, "Czechia", "Germany"),
    ("loire", "Loire", 1006, "France", "France"),
    ("oder", "Oder", 840, "Czechia", "Poland"),
    ("po", "Po", 652, "Italy", "Italy"),
    ("rhine", "Rhine", 1233, "Switzerland", "Netherlands"),
    ("rhone", "Rhône", 813, "Switzerland", "France"),
    ("seine", "Seine", 777, "France", "France"),
    ("tagus", "Tagus", 1007, "Spain", "Portugal"),
    ("thames", "Thames", 346, "England", "England"),
    ("vistula", "Vistula", 1047, "Poland", "Poland"),
]

SCHEMA = """
CREATE TABLE IF NOT EXISTS river (slug TEXT PRIMARY KEY, name TEXT, km INTEGER, source TEXT, mouth TEXT);
CREATE TABLE IF NOT EXISTS level (river TEXT REFERENCES river, centimetres INTEGER, at TEXT DEFAULT CURRENT_TIMESTAMP);
"""


def database_file() -> Path:
    """RIVERS_DATABASE, or rivers.db in the project's folder."""
    return Path(os.environ.get("RIVERS_DATABASE") or Path(__file__).parent.parent / "rivers.db")


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    """A connection whose changes are committed when the block ends well."""
    connection = sqlite3.connect(database_file())
    try:
        connection.row_factory = sqlite3.Row
        connection.executescript(SCHEMA)
        connection.executemany("INSERT OR IGNORE INTO river VALUES (?, ?, ?, ?, ?)", RIVERS)
        with connection:
            yield connection
    finally:
        connection.close()


def rows(query: str, *values: object) -> list[dict[str, Any]]:
    """What a query finds."""
    with database() as connection:
        return [dict(row) for row in connection.execute(query, values)]


def change(statement: str, *values: object) -> int:
    """How many rows a statement has changed."""
    with database() as connection:
        return connection.execute(statement, values).rowcount
