"""What synchronous code touches: the clock, randomness, databases, the network and processes end a prerender."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest
from components_project import assert_ends, assert_static, built_one, built_routes

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

KINDS = ["def", "async def"]

CLOSING = """
import sqlite3
class Closing(sqlite3.Connection):
    def __del__(self):
        self.close()
def connected():
    return sqlite3.connect(":memory:", check_same_thread=False, factory=Closing)
"""

USES = {
    "time.time": ("import time", "time.time()", "clock (time.time)"),
    "a name imported": ("from time import time", "time()", "clock (time.time)"),
    "another name": ("from time import time as seconds", "seconds()", "clock (time.time)"),
    "an alias made later": ("import time\nseconds = getattr(time, 'time')", "seconds()", "clock (time.time)"),
    "time_ns": ("import time", "time.time_ns()", "clock (time.time_ns)"),
    "localtime": ("import time", "time.localtime()", "clock (time.localtime)"),
    "strftime": ("import time", "time.strftime('%H')", "clock (time.strftime)"),
    "now": ("from datetime import datetime", "datetime.now()", "clock (datetime.now)"),
    "today": ("import datetime as d", "d.date.today()", "clock (date.today)"),
    "a default factory": (
        "from dataclasses import dataclass, field\nfrom datetime import datetime\n"
        "@dataclass\nclass Order:\n    made: datetime = field(default_factory=datetime.now)",
        "Order()",
        "clock (datetime.now)",
    ),
    "a model's default factory": (
        "from uuid import UUID, uuid4\nfrom pydantic import BaseModel, Field\n"
        "class Order(BaseModel):\n    id: UUID = Field(default_factory=uuid4)",
        "Order()",
        "randomness (uuid.uuid4)",
    ),
    "random": ("import random", "random.random()", "randomness (random.random)"),
    "choice": ("from random import choice", "choice([1, 2])", "randomness (random.choice)"),
    "shuffle": ("import random as r", "r.shuffle([1, 2])", "randomness (random.shuffle)"),
    "a generator without a seed": ("import random", "random.Random().random()", "randomness (random.Random())"),
    "seeding from the system": (
        "import random\nown = random.Random(1)",
        "own.seed()",
        "randomness (random.seed)",
    ),
    "SystemRandom": ("import random\nown = random.SystemRandom()", "own.random()", "randomness (random.random)"),
    "secrets": ("import secrets", "secrets.token_hex(4)", "randomness (secrets.token_hex)"),
    "secrets.choice": ("from secrets import choice", "choice('ab')", "randomness (random.choice)"),
    "uuid4": ("from uuid import uuid4", "uuid4()", "randomness (uuid.uuid4)"),
    "uuid1": ("import uuid", "uuid.uuid1()", "randomness (uuid.uuid1)"),
    "urandom": ("import os", "os.urandom(2)", "randomness (os.urandom)"),
    "getrandom": ("import os", "os.getrandom(2)", "randomness (os.getrandom)"),
    "sleep": ("import time", "time.sleep(0.001)", "a wait (time.sleep)"),
    "a database": ("import sqlite3", "sqlite3.connect(':memory:')", "database (sqlite3.connect)"),
    "an open database": (
        f"{CLOSING}db = connected()",
        "db.execute('select 1')",
        "database (sqlite3 execute)",
    ),
    "an open cursor": (
        f"{CLOSING}db = connected().cursor()",
        "db.executemany('select ?', [])",
        "database (sqlite3 executemany)",
    ),
    "SQLAlchemy": (
        f"{CLOSING}import sqlalchemy as sa\nfrom sqlalchemy.pool import StaticPool\n"
        "engine = sa.create_engine('sqlite://', poolclass=StaticPool, creator=connected)\n"
        "with engine.connect() as connection: pass",
        "engine.connect().execute(sa.text('select 1'))",
        "database (sqlalchemy do_execute)",
    ),
    "a process": ("import subprocess", "subprocess.run(['true'])", "process (subprocess.Popen)"),
    "os.system": ("import os", "os.system('true')", "process (os.system)"),
    "a connection": (
        "import socket",
        "socket.create_connection(('127.0.0.1', 9))",
        "network (socket.getaddrinfo)",
    ),
    "an open connection": (
        "import socket\nnear, far = socket.socketpair()",
        "near.send(b'x')",
        "network (socket.send)",
    ),
    "a name looked up": ("import socket", "socket.gethostbyname('localhost')", "network (socket.gethostbyname)"),
    "urllib": (
        "from urllib.request import urlopen",
        "urlopen('http://127.0.0.1:9/')",
        "network (socket.getaddrinfo)",
    ),
    "httpx2": ("import httpx2", "httpx2.get('http://127.0.0.1:9/')", "network (socket.getaddrinfo)"),
    "a thread": ("import threading", "threading.Thread(target=print).start()", "thread (Thread.start)"),
    "an executor": (
        "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)",
        "pool.submit(sum, [1]).result()",
        "thread (ThreadPoolExecutor.submit)",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("top", "call", "why"), USES.values(), ids=USES)
async def test_a_use_ends_the_prerender_at_its_line_however_it_was_imported(
    project: Project, kind: str, top: str, call: str, why: str
) -> None:
    await assert_ends(project, f"{top}\n{kind} GET():\n    {call}  # here\n    return 1\n", why)


@pytest.mark.parametrize("caught", ["except Exception:", "except BaseException:", "except:", "finally:"])
@pytest.mark.parametrize("kind", KINDS)
async def test_no_try_hides_a_use(project: Project, kind: str, caught: str) -> None:
    await assert_ends(
        project,
        f"import time\n{kind} GET():\n    try:\n        time.time()  # here\n    {caught}\n        return 1\n",
        "clock (time.time)",
    )


@pytest.mark.parametrize("caught", ["except Exception:", "except BaseException:", "except:"])
async def test_a_database_that_is_down_at_build_changes_nothing(project: Project, caught: str) -> None:
    await assert_ends(
        project,
        f"""
import sqlite3
def rows():
    try:
        return sqlite3.connect("/nowhere/at/all.db").execute("select 1").fetchall()  # here
    {caught}
        return []
async def GET():
    return rows()
""",
        "database (sqlite3.connect)",
    )


HARMLESS = {
    "monotonic": ("import time", "time.monotonic()"),
    "perf_counter": ("from time import perf_counter", "perf_counter()"),
    "a conversion": ("import time", "time.gmtime(86400), time.strftime('%Y', time.gmtime(0))"),
    "a date that is given": ("from datetime import datetime, UTC", "datetime.fromtimestamp(0, UTC)"),
    "a seeded generator": ("import random\nown = random.Random(4)", "own.choice([own.random(), own.randint(1, 6)])"),
    "a file": ("from pathlib import Path", "Path(__file__).read_text()"),
    "the environment": ("import os", "os.environ.get('HOME')"),
    "a hash": ("import hashlib", "hashlib.sha256(b'x').hexdigest()"),
    "a lock": ("import threading\nlock = threading.Lock()", "lock.acquire() and lock.release()"),
    "a log record": ("import logging", "logging.getLogger('shop').info('built')"),
    "an object with a method of that name": (
        "class Plan:\n    def execute(self): return 1\n    def now(self): return 2\n    def connect(self): return 3",
        "Plan().execute() + Plan().now() + Plan().connect()",
    ),
    "a library that reads the clock for itself": (
        "import email.message, mailbox",
        "mailbox.MaildirMessage().get_date()",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("top", "call"), HARMLESS.values(), ids=HARMLESS)
async def test_what_is_the_same_for_everybody_keeps_a_get_static(
    project: Project, kind: str, top: str, call: str
) -> None:
    await assert_static(project, f"{top}\n{kind} GET():\n    {call}\n    return 1\n")


async def test_a_log_handler_that_connects_somewhere_is_not_the_answers_business(project: Project) -> None:
    await assert_static(
        project,
        """
        import logging, socket
        near, far = socket.socketpair()
        class Sending(logging.Handler):
            def emit(self, record):
                near.send(b"x")
        log = logging.getLogger("shop")
        log.addHandler(Sending())
        def GET():
            log.warning("built at %s", 1)
            return 1
        """,
    )


async def test_a_helper_of_the_project_is_named_where_it_reads_the_clock(project: Project) -> None:
    project.write({"clock.py": "import time\ndef seconds():\n    return time.time()  # here\n"})
    record = await built_one(project, "from clock import seconds\nasync def GET(): return seconds()\n")
    assert (record.why, record.place) == ("clock (time.time)", ("clock.py", 3))


async def test_every_route_is_observed_not_only_the_first_that_ends(project: Project) -> None:
    read = {
        "async": "import time\nasync def GET(): return time.time()\n",
        "sync": "import time\ndef GET(): return time.time()\n",
        "pool": "import time\nfrom starlette.concurrency import run_in_threadpool\ndef read(): return time.time()\n"
        "async def GET(): return await run_in_threadpool(read)\n",
        "calm": "def GET(): return 1\n",
    }
    records = await built_routes(
        project, {f"/{kind}/{number}": source for number in range(4) for kind, source in read.items()}
    )
    live = {pattern for pattern, record in records.items() if record.glyph == "λ"}
    assert live == {pattern for pattern in records if "calm" not in pattern}


DEPENDENCIES = {
    "sync": ("def dependency():\n    return time.time()  # here", "Depends(dependency)"),
    "sync with yield": ("def dependency():\n    yield time.time()  # here", "Depends(dependency)"),
    "async": ("async def dependency():\n    return time.time()  # here", "Depends(dependency)"),
    "async with yield": ("async def dependency():\n    yield time.time()  # here", "Depends(dependency)"),
    "a class": ("class Now:\n    def __init__(self):\n        self.now = time.time()  # here", "Depends(Now)"),
    "an object": ("class Now:\n    def __call__(self):\n        return time.time()  # here", "Depends(Now())"),
    "one of a dependency": (
        "def now():\n    return time.time()  # here\ndef dependency(at: Annotated[float, Depends(now)]): return at",
        "Depends(dependency)",
    ),
    "after the yield": ("def dependency():\n    yield 1\n    time.time()  # here", "Depends(dependency)"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("top", "given"), DEPENDENCIES.values(), ids=DEPENDENCIES)
async def test_dependencies_are_observed_like_the_handler(project: Project, kind: str, top: str, given: str) -> None:
    await assert_ends(
        project,
        f"""
import time
from typing import Annotated, Any
from fastapi import Depends
{top}
{kind} GET(at: Annotated[Any, {given}]):
    return 1
""",
        "clock (time.time)",
    )


async def test_dependencies_that_only_compute_are_static(project: Project) -> None:
    await assert_static(
        project,
        """
        from typing import Annotated
        from fastapi import Depends
        def compute(): return 1
        def opened(): yield 2
        async def opened_async(): yield 3
        def GET(a: Annotated[int, Depends(compute)], b: Annotated[int, Depends(opened)],
                c: Annotated[int, Depends(opened_async)]):
            return a + b + c
        """,
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_a_generator_is_observed_while_it_streams(project: Project, kind: str) -> None:
    await assert_ends(
        project,
        f"""
import time
from millpond import StreamingResponse
{kind} body():
    yield "a"
    yield str(time.time())  # here
def GET():
    return StreamingResponse(body())
""",
        "clock (time.time)",
    )


CACHED = {
    "the clock": ("import time", "return time.time()"),
    "randomness": ("import random", "return random.random()"),
    "a database": (
        "import sqlite3\nfrom contextlib import closing",
        "with closing(sqlite3.connect(':memory:')) as db: return db.execute('select 1').fetchall()",
    ),
    "a process": ("import subprocess", "return subprocess.run(['true']).returncode"),
    "a wait": ("import time", "time.sleep(0.001); return 1"),
    "a thread": (
        "from concurrent.futures import ThreadPoolExecutor",
        "with ThreadPoolExecutor(1) as pool: return list(pool.map(abs, [1]))",
    ),
}


@pytest.mark.parametrize("handler", KINDS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("top", "body"), CACHED.values(), ids=CACHED)
async def test_inside_of_a_cached_function_everything_is_allowed(
    project: Project, handler: str, kind: str, top: str, body: str
) -> None:
    if (handler, kind) == ("def", "async def"):
        call = "from_thread.run(load)"
    else:
        call = "await load()" if kind == "async def" else "load()"
    record = await built_one(
        project,
        f"{top}\nfrom anyio import from_thread\nfrom millpond import cached\n"
        f"@cached\n{kind} load():\n    {body}\n{handler} GET():\n    return {call}\n",
    )
    assert (record.glyph, record.revalidate) == ("○", 900)


@pytest.mark.parametrize("handler", KINDS)
async def test_a_cached_function_runs_once_for_both_passes(project: Project, handler: str) -> None:
    project.config["cache_components"] = True
    project.routes(
        {
            "/": "from millpond import cached\nruns = []\n@cached\ndef load():\n    runs.append(1)\n"
            f"{handler} GET(): load()\n"
        }
    )
    pond = project.pond()
    assert (await pond.build()).failures == []
    assert pond.file_routes[0].module.module.runs == [1]


async def test_after_callbacks_may_touch_anything(project: Project) -> None:
    await assert_static(
        project,
        """
        import sqlite3, time
        from contextlib import closing
        from millpond import after
        def note():
            time.sleep(0.001)
            with closing(sqlite3.connect(":memory:")) as db:
                db.execute("select 1")
        def GET():
            after(note)
            return 1
        """,
    )


async def test_what_follows_an_end_in_the_same_turn_of_the_loop_is_observed_too(project: Project) -> None:
    project.config["cache_components"] = True
    project.write({"database.py": CLOSING})
    project.routes(
        {
            "/a": "import random\nasync def GET(): return random.random()\n",
            "/b": """
            from database import connected
            database = connected()
            async def GET():
                database.execute("CREATE TABLE made (at_build)")
            """,
        }
    )
    pond = project.pond()
    built = await pond.build()
    assert [record.glyph for record in built.manifest.routes] == ["λ", "λ"]
    module = pond.file_routes[1].module.module
    assert module.database.execute("SELECT name FROM sqlite_master").fetchall() == []


async def test_nothing_is_observed_once_the_build_is_over(project: Project) -> None:
    before = sys.getprofile(), threading.getprofile()
    await built_one(project, "import time\nasync def GET(): return time.time()\n")
    assert (sys.getprofile(), threading.getprofile()) == before
