"""Statements in reports: short, and without values."""

from __future__ import annotations

import pytest

from millpond.observe.statements import LONGEST, is_housekeeping, shortened


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("SELECT name FROM users", "SELECT name FROM users"),
        ("  SELECT name\n   FROM\tusers ", "SELECT name FROM users"),
        (b"SELECT 'a'", "SELECT ?"),
        ("SELECT * FROM users WHERE id = 17 AND x = 1.5e3", "SELECT * FROM users WHERE id = ? AND x = ?"),
        ("SELECT a1, t2.b3 FROM t2", "SELECT a1, t2.b3 FROM t2"),
        ("WHERE a = $1 AND b = %s AND c = :c2 AND d = ?3", "WHERE a = $1 AND b = %s AND c = :c2 AND d = ?3"),
        ("WHERE name = 'it''s a secret' AND b = 'x'", "WHERE name = ? AND b = ?"),
        ("WHERE name = 'never closed secret", "WHERE name = ?"),
        ("WHERE name = $$secret$$ AND b = $tag$secret $$ secret$tag$", "WHERE name = ? AND b = ?"),
        ("SELECT 1 /* user=secret */ -- secret\n, 2", "SELECT ? , ?"),
        ("SELECT 1 /* secret", "SELECT ?"),
        ("WHERE name = 'back\\'slash secret' AND b = 'secret'", "WHERE name = ?"),
        ('SELECT "order"."id" FROM "order" JOIN "a" ON ("a"."id" = "b"."id")',
         'SELECT "order"."id" FROM "order" JOIN "a" ON ("a"."id" = "b…'),
        ('WHERE name = "secret" OR name IN ("secret", "secret")', "WHERE name =? OR name IN (?,?)"),
        (17, ""),
        (None, ""),
    ],
)  # fmt: skip
def test_a_statement_is_shown_without_its_values(statement: object, shown: str) -> None:
    assert shortened(statement) == shown
    assert "secret" not in shortened(statement)


def test_a_long_statement_is_cut() -> None:
    shown = shortened("SELECT " + ", ".join(f"column_{letter}" for letter in "abcdefghijkl"))
    assert len(shown) <= LONGEST
    assert shown.endswith("…")


@pytest.mark.parametrize("statement", ["BEGIN", "commit", "SAVEPOINT a", "PRAGMA x", "SET a = 1", "ROLLBACK TO a"])
def test_transactions_and_settings_bring_nothing_out_of_a_database(statement: str) -> None:
    assert is_housekeeping(statement)


@pytest.mark.parametrize(
    "statement", ["SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a", "settings", "", "(SELECT 1)"]
)
def test_queries_do(statement: str) -> None:
    assert not is_housekeeping(statement)
