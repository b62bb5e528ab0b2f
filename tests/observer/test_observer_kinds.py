"""Each kind of input is seen however it was imported, wherever it is used, with the user's line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from observed_project import HERE, SHAPES, Found, at_marks, built, found, inputs_of_each, marked

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

USES = {
    "os.environ[…]": ("import os", "os.environ['HERE_SET']", "env HERE_SET"),
    "environ[…]": ("from os import environ", "environ['HERE_SET']", "env HERE_SET"),
    "environ by another name": ("from os import environ as settings", "settings['HERE_SET']", "env HERE_SET"),
    "os.environ.get": ("import os", "os.environ.get('NOT_SET', '')", "env NOT_SET"),
    "a bound method": ("import os\nread = os.environ.get", "read('HERE_SET')", "env HERE_SET"),
    "os.getenv": ("import os as system", "system.getenv('HERE_SET')", "env HERE_SET"),
    "getenv": ("from os import getenv", "getenv('NOT_SET')", "env NOT_SET"),
    "getenvb": ("import os", "os.getenvb(b'HERE_SET')", "env HERE_SET"),
    "in": ("import os", "'NOT_SET' in os.environ", "env NOT_SET"),
    "pop": ("import os", "os.environ.pop('NOT_SET', None)", "env NOT_SET"),
    "iteration": ("import os", "[name for name in os.environ]", "env every variable"),
    "items": ("import os", "dict(os.environ.items())", "env every variable"),
    "a copy": ("import os", "{**os.environ}", "env every variable"),
    "expandvars": ("import os", "os.path.expandvars('$HERE_SET/x')", "env HERE_SET"),
    "Starlette's Config": (
        "from starlette.config import Config\nconfig = Config()",
        "config('HERE_SET')",
        "env HERE_SET",
    ),
    "time.time": ("import time", "time.time()", "clock (time.time)"),
    "a name imported": ("from time import time as now", "now()", "clock (time.time)"),
    "datetime.now": ("from datetime import datetime, UTC", "datetime.now(UTC)", "clock (datetime.now)"),
    "date.today": ("import datetime as d", "d.date.today()", "clock (date.today)"),
    "a default factory": (
        "from dataclasses import dataclass, field\nfrom datetime import datetime\n"
        "@dataclass\nclass Order:\n    made: datetime = field(default_factory=datetime.now)",
        "Order()",
        "clock (datetime.now)",
    ),
    "random": ("import random", "random.random()", "randomness (random.random)"),
    "choice": ("from random import choice", "choice([1, 2])", "randomness (random.choice)"),
    "uuid4": ("from uuid import uuid4", "uuid4()", "randomness (uuid.uuid4)"),
    "secrets": ("import secrets", "secrets.token_hex(4)", "randomness (secrets.token_hex)"),
    "urandom": ("from os import urandom", "urandom(2)", "randomness (os.urandom)"),
    "open": ("", "open('/dev/null').close()", "file /dev/null"),
    "Path.read_text": ("from pathlib import Path", "Path('/dev/null').read_text()", "file /dev/null"),
    "os.open": ("import os", "os.close(os.open('/dev/null', os.O_RDONLY))", "file /dev/null"),
    "gzip": ("import gzip", "gzip.open('/dev/null').close()", "file /dev/null"),
    "a folder": ("import os", "os.listdir('/proc/self/fd')", "file /proc/self/fd"),
    "a folder, by pathlib": (
        "from pathlib import Path",
        "list(Path('/proc/self/fdinfo').iterdir())",
        "file /proc/self/fdinfo",
    ),
    "a process": ("import subprocess", "subprocess.run(['true', 'secret'])", "process true"),
    "os.system": ("import os", "os.system('TOKEN=secret true secret')", "process true"),
    "a connection": (
        "import contextlib, socket",
        "with contextlib.suppress(OSError): socket.create_connection(('127.0.0.1', 9))",
        "network 127.0.0.1:9",
    ),
    "an open connection": (
        "import socket\nnear, far = socket.socketpair()",
        "near.send(b'x')",
        "network (socket.send)",
    ),
    "httpx2": (
        "import contextlib, httpx2",
        "with contextlib.suppress(httpx2.HTTPError): httpx2.get('http://127.0.0.1:9/?secret', trust_env=False)",
        "network 127.0.0.1:9",
    ),
    "a database": (
        "import sqlite3\nfrom contextlib import closing",
        "with closing(sqlite3.connect(':memory:')) as db: db.execute('SELECT 1 WHERE ? = 2', (3,))",
        "database (sqlite3 execute: SELECT ? WHERE ? = ?)",
    ),
}
FEW = ["os.environ.get", "time.time", "uuid4", "Path.read_text", "a process", "a connection", "a database"]
"""One of each kind."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE_SET", "secret")
    monkeypatch.delenv("NOT_SET", raising=False)


@pytest.mark.parametrize("shape", ["a sync handler", "an async handler"])
async def test_a_use_is_seen_at_its_line_however_it_was_imported(project: Project, shape: str) -> None:
    sources = {name: f"{top}\n{SHAPES[shape].format(call=call)}" for name, (top, call, _) in USES.items()}
    assert await inputs_of_each(project, sources) == at_marks(project, {name: use[2] for name, use in USES.items()})


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_use_is_seen_wherever_it_is(project: Project, shape: str) -> None:
    sources = {name: f"{USES[name][0]}\n{SHAPES[shape].format(call=USES[name][1])}" for name in FEW}
    assert await inputs_of_each(project, sources) == at_marks(project, {name: USES[name][2] for name in FEW})


@pytest.mark.parametrize("handler", ["def", "async def"])
async def test_a_helper_of_the_project_is_named_where_it_uses_something(project: Project, handler: str) -> None:
    for number, name in enumerate(FEW):
        top, call, _ = USES[name]
        project.write({f"lib/helper{number}.py": f"{top}\ndef helped():\n    {call}  {HERE}\n"})
    sources = {
        name: f"from lib.helper{number} import helped\n{handler} GET():\n    helped()\n    return 1\n"
        for number, name in enumerate(FEW)
    }
    assert await inputs_of_each(project, sources) == {
        name: [Found(USES[name][2], file, line) for line in marked(project, file)]
        for file, name in ((f"lib/helper{number}.py", name) for number, name in enumerate(FEW))
    }


@pytest.mark.parametrize("handler", ["def", "async def"])
@pytest.mark.parametrize("function", ["def", "async def"])
async def test_inside_of_a_cached_function_it_is_the_functions(project: Project, handler: str, function: str) -> None:
    called = {"def": "{}()", "async def": "from_thread.run({})" if handler == "def" else "await {}()"}[function]
    sources = {
        f"/{number}": f"{USES[name][0]}\nfrom anyio import from_thread\nfrom millpond import cached\n"
        f"@cached\n{function} load{number}():\n    {USES[name][1]}  {HERE}\n    return 1\n"
        f"{handler} GET():\n    return {called.format(f'load{number}')}\n"
        for number, name in enumerate(FEW)
    }
    manifest = await built(project, sources)
    assert [record.inputs for record in manifest.routes] == [[]] * len(sources)
    assert {used.name: (used.routes, [found(one) for one in used.inputs]) for used in manifest.functions} == {
        f"load{number}()": ([f"/{number}"], [Found(USES[name][2], file, line) for line in marked(project, file)])
        for number, name, file in ((number, name, f"app/{number}/route.py") for number, name in enumerate(FEW))
    }
