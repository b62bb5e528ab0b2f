"""Queries are seen through every driver, at the user's line, with their text and without their values."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import postgres_server
import pytest
from asgiref.sync import SyncToAsync
from observed_project import HERE, Found, found, marked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ponds import Project

pytestmark = pytest.mark.anyio

SECRET = "swordfish"
ON_SQLITE = {
    "sqlite3": (
        """
import sqlite3
from contextlib import closing
QUERY = "SELECT name FROM sqlite_master WHERE name = ?"
def GET():
    name = "swordfish"
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("BEGIN")
        db.execute(QUERY, (name,)).fetchall()  # here
        db.cursor().execute(f"SELECT 3 FROM sqlite_master WHERE name = '{name}'").fetchall()  # here
        db.execute("SELECT 4 WHERE 'a' = '" + name + "'").fetchall()  # here
        db.execute("SELECT 5 WHERE 'a' = '%s'" % name).fetchall()  # here
        db.execute("SELECT 6 WHERE 'a' = '{}'".format(name)).fetchall()  # here
        db.execute("ROLLBACK")
""",
        [
            "sqlite3 execute: SELECT name FROM sqlite_master WHERE name = ?",
            "sqlite3 execute: SELECT ? FROM sqlite_master WHERE name = ?",
            *["sqlite3 execute: SELECT ? WHERE ? = ?"] * 3,
        ],
    ),
    "aiosqlite": (
        """
import aiosqlite
async def GET():
    async with aiosqlite.connect(":memory:") as db:
        async with db.execute("SELECT 1 WHERE 'a' = ?", ("swordfish",)) as cursor:  # here
            await cursor.fetchall()
        cursor = await db.cursor()
        await cursor.execute("SELECT name FROM sqlite_master")  # here
        await cursor.close()
        await db.execute_fetchall("SELECT 3")  # here
""",
        [
            "aiosqlite execute: SELECT ? WHERE ? = ?",
            "aiosqlite execute: SELECT name FROM sqlite_master",
            "aiosqlite execute_fetchall: SELECT ?",
        ],
    ),
    "Django": (
        """
from lib.members import Member, connection
def GET():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE member (id integer, name text)")  # here
    list(Member.objects.filter(name="swordfish"))  # here
    connection.close()
""",
        [
            "django execute: CREATE TABLE member (id integer, name text)",
            'django execute: SELECT "member"."id", "member"."name" FROM "member" WHERE "…',
        ],
    ),
    "Django, async": (
        """
from asgiref.sync import sync_to_async
from lib.members import Member, connection
async def GET():
    await Member.objects.filter(name="swordfish").acount()  # here
    await sync_to_async(lambda: connection.close())()
""",
        ['django execute: SELECT COUNT(*) AS "__count" FROM "member" WHERE "member"."…'],
    ),
}
DJANGO = """
from pathlib import Path
import django
from django.conf import settings
file = Path(__file__).with_name("members.db")
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": file}})
django.setup()
from django.db import connection, models
class Member(models.Model):
    name = models.TextField()
    class Meta:
        app_label = "members"
        db_table = "member"
"""
SQLALCHEMY = """
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
class Base(DeclarativeBase): pass
class Member(Base):
    __tablename__ = "member"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
def wanted(): return sa.select(Member.name).where(Member.name == "swordfish", Member.id > 41)
"""
SYNC = """
def GET():
    engine = sa.create_engine("{url}", poolclass=sa.pool.StaticPool)
    with Session(engine) as session:
        session.execute(sa.text("CREATE TEMPORARY TABLE member (id integer, name text)"))  # here
        session.scalars(wanted()).all()  # here
    engine.dispose()
"""
ASYNC = """
async def GET():
    engine = create_async_engine("{url}", poolclass=sa.pool.StaticPool)
    async with AsyncSession(engine) as session:
        await session.execute(sa.text("CREATE TEMPORARY TABLE member (id integer, name text)"))  # here
        (await session.scalars(wanted())).all()  # here
    await engine.dispose()
"""
CREATED = "sqlalchemy do_execute: CREATE TEMPORARY TABLE member (id integer, name text)"
SELECTED = "sqlalchemy do_execute: SELECT member.name FROM member WHERE member.name ="


def through_sqlalchemy(handler: str, url: str, selected: str) -> tuple[str, list[str]]:
    return SQLALCHEMY + handler.replace("{url}", url), [CREATED, selected]


def on_postgres(socket: Path) -> dict[str, tuple[str, list[str]]]:
    asked = f'host="{socket}", user="{postgres_server.USER}"'
    url = f"://{postgres_server.USER}@/{postgres_server.DATABASE}?host={socket}"
    return {
        "psycopg": (
            f"""
import psycopg
def GET():
    with psycopg.connect({asked}, dbname="postgres") as db:
        db.execute("SELECT 'a' WHERE 'a' = %s", ("{SECRET}",)).fetchall()  {HERE}
        with db.cursor("on_the_server") as cursor:
            cursor.execute(b"SELECT 2").fetchall()  {HERE}
""",
            ["psycopg execute: SELECT ? WHERE ? = %s", "psycopg execute: SELECT ?"],
        ),
        "psycopg, async": (
            f"""
import psycopg
from psycopg import sql
async def GET():
    async with await psycopg.AsyncConnection.connect({asked}, dbname="postgres") as db:
        await db.execute("SELECT 'a' WHERE 'a' = %s", ("{SECRET}",))  {HERE}
        await db.execute(sql.SQL("SELECT {{}}").format(sql.Literal("{SECRET}")))  {HERE}
""",
            ["psycopg execute: SELECT ? WHERE ? = %s", "psycopg execute"],
        ),
        "asyncpg": (
            f"""
import asyncpg
async def GET():
    db = await asyncpg.connect({asked}, database="postgres")
    await db.fetch("SELECT 'a' WHERE 'a' = $1", "{SECRET}")  {HERE}
    async with db.transaction():
        async for row in db.cursor("SELECT 2"):  {HERE}
            pass
    prepared = await db.prepare("SELECT 3")
    await prepared.fetchrow()  {HERE}
    await db.close()
    async with asyncpg.create_pool({asked}, database="postgres", min_size=1, max_size=1) as pool:
        await pool.fetchval("SELECT 4 AS four")  {HERE}
""",
            [
                "asyncpg fetch: SELECT ? WHERE ? = $1",
                "asyncpg cursor: SELECT ?",
                "asyncpg fetchrow: SELECT ?",
                "asyncpg fetchval: SELECT ? AS four",
            ],
        ),
        "SQLAlchemy and psycopg": through_sqlalchemy(SYNC, f"postgresql+psycopg{url}", f"{SELECTED} %(name_1…"),
        "SQLAlchemy and psycopg, async": through_sqlalchemy(ASYNC, f"postgresql+psycopg{url}", f"{SELECTED} %(name_1…"),
        "SQLAlchemy and asyncpg": through_sqlalchemy(ASYNC, f"postgresql+asyncpg{url}", f"{SELECTED} $1::VARC…"),
    }


async def assert_queries(project: Project, cases: Mapping[str, tuple[str, list[str]]]) -> None:
    """Each route is made of these queries, in the order of its marked lines, and of nothing else."""
    project.routes(
        {f"/{number}": f'dynamic = "force-static"\n{source}' for number, (source, _) in enumerate(cases.values())}
    )
    outcome = await project.build(build={"concurrency": 1})
    assert [str(failure) for failure in outcome.failures] == []
    seen = {record.pattern: [found(one) for one in record.inputs] for record in outcome.manifest.routes}
    for number, (name, (_, texts)) in enumerate(cases.items()):
        file = f"app/{number}/route.py"
        lines = marked(project, file)
        assert seen[f"/{number}"] == [
            Found(f"database ({text})", file, line) for text, line in zip(texts, lines, strict=True)
        ], name
    assert SECRET.encode() not in msgspec.json.encode(outcome.manifest)


@pytest.fixture(scope="module")
def socket() -> Iterator[Path]:
    programs = postgres_server.programs()
    if programs is None:
        pytest.skip("PostgreSQL isn't installed")
    with postgres_server.postgres(programs) as folder:
        yield folder


@pytest.fixture
def fresh_executor() -> Iterator[None]:
    """Of `sync_to_async`, whose own one is left with its thread as long as the process lives."""
    with ThreadPoolExecutor(1) as executor, pytest.MonkeyPatch.context() as patch:
        patch.setattr(SyncToAsync, "single_thread_executor", executor)
        yield


@pytest.mark.usefixtures("fresh_executor")
async def test_queries_on_sqlite_are_seen_through_every_driver(project: Project) -> None:
    project.write({"lib/members.py": DJANGO})
    await assert_queries(
        project,
        {
            **ON_SQLITE,
            "SQLAlchemy": through_sqlalchemy(SYNC, "sqlite://", f"{SELECTED} ? AND me…"),
            "SQLAlchemy, async": through_sqlalchemy(ASYNC, "sqlite+aiosqlite://", f"{SELECTED} ? AND me…"),
        },
    )


async def test_queries_on_postgresql_are_seen_through_every_driver(project: Project, socket: Path) -> None:
    await assert_queries(project, on_postgres(socket))
