"""What libraries do for purposes of their own is nobody's input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from observed_project import HERE, Found, inputs_of, inputs_of_each, marked

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

HARMLESS = {
    "arithmetic": ("", "sum(range(10))"),
    "monotonic clocks": ("import time", "time.monotonic(), time.perf_counter(), time.process_time()"),
    "conversions": ("import time", "time.gmtime(86400), time.strftime('%Y', time.gmtime(0)), time.ctime(0)"),
    "a date that is given": ("from datetime import datetime, UTC", "datetime.fromtimestamp(0, UTC)"),
    "a seeded generator": ("import random\nown = random.Random(4)", "own.choice([own.random(), own.randint(1, 6)])"),
    "an object with such methods": (
        "class Plan:\n    def execute(self): return 1\n    def now(self): return 2\n    def send(self): return 3",
        "Plan().execute() + Plan().now() + Plan().send()",
    ),
    "a variable that is set": ("import os", "os.environ.__setitem__('HERE_SET', '1')"),
    "a file that is written": ("import tempfile", "tempfile.TemporaryFile().close()"),
    "a module that is imported late": ("", "import wave, colorsys"),
    "a file that is installed": ("import pathlib, pydantic", "pathlib.Path(pydantic.__file__).read_text()"),
    "paths": ("import os.path, pathlib", "os.path.expanduser('~'), pathlib.Path('~/x').expanduser(), os.getcwd()"),
    "a time zone": ("from zoneinfo import ZoneInfo", "ZoneInfo.no_cache('Europe/Berlin')"),
    "MIME types": ("import mimetypes", "mimetypes.MimeTypes().guess_type('x.html'), mimetypes.init()"),
    "a traceback": (
        "import traceback",
        "try: 1 / 0\n    except ZeroDivisionError: traceback.format_exc()",
    ),
    "source code": ("import inspect, pathlib", "inspect.getsource(pathlib.Path.exists)"),
    "logging": (
        "import logging\nlog = logging.getLogger('shop')",
        "log.warning('%s', 1), log.error('x', stack_info=True)",
    ),
    "a mailbox": ("import mailbox", "mailbox.MaildirMessage().get_date()"),
    "a lock": ("import threading\nlock = threading.Lock()", "lock.acquire() and lock.release()"),
    "pydantic": (
        "from datetime import datetime\nfrom uuid import UUID\nfrom pydantic import BaseModel, EmailStr, Field\n"
        "class Order(BaseModel):\n    id: UUID\n    at: datetime\n    tags: list[str] = Field(default_factory=list)",
        "Order(id='12345678-1234-5678-1234-567812345678', at='2026-01-01T00:00:00Z').model_dump_json()",
    ),
    "msgspec": (
        "from datetime import datetime\nimport msgspec\n"
        "class Order(msgspec.Struct):\n    at: datetime\n    tags: list[str] = msgspec.field(default_factory=list)",
        'msgspec.json.encode(msgspec.json.decode(b\'{"at":"2026-01-01T00:00:00Z"}\', type=Order))',
    ),
    "Pillow": (
        "import io\nfrom PIL import Image, ImageDraw, ImageFont",
        "picture = Image.new('RGB', (8, 8)); ImageDraw.Draw(picture).text((0, 0), 'a', font=ImageFont.load_default())\n"
        "    made = io.BytesIO(); picture.save(made, 'PNG'); made.seek(0); Image.open(made).load()",
    ),
    "httpx2": (
        "import httpx2\n"
        "answering = httpx2.MockTransport(lambda request: httpx2.Response(200, json={'path': request.url.path}))",
        "with httpx2.Client(transport=answering) as client: client.get('http://shop.example/x').raise_for_status()",
    ),
    "SQLAlchemy": (
        "import sqlalchemy as sa\nfrom sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column\n"
        "class Base(DeclarativeBase): pass\n"
        "class Row(Base):\n    __tablename__ = 'row'\n    id: Mapped[int] = mapped_column(primary_key=True)",
        "str(sa.select(Row).where(Row.id == 3)), sa.create_engine('sqlite://').dispose()",
    ),
    "Starlette": (
        "from starlette.responses import JSONResponse\nfrom starlette.datastructures import URL",
        "JSONResponse({'a': 1}, headers={'x': '1'}).set_cookie('a', 'b', max_age=3), URL('http://a/b').replace(path='/')",
    ),
}
ASYNC = {
    "asyncio": (
        "import asyncio",
        "async with asyncio.timeout(5), asyncio.TaskGroup() as group:\n"
        "        tasks = [group.create_task(asyncio.sleep(0)), group.create_task(asyncio.to_thread(sum, [1]))]\n"
        "    queue = asyncio.Queue(); await queue.put(1); await queue.get(); await asyncio.sleep(0.001)",
    ),
    "asyncio in a thread": ("import asyncio", "await asyncio.to_thread(asyncio.run, asyncio.sleep(0))"),
    "anyio": (
        "import anyio",
        "async with anyio.create_task_group() as group:\n"
        "        group.start_soon(anyio.sleep, 0.001)\n        await anyio.to_thread.run_sync(sum, [1])",
    ),
    "an httpx2 client": (
        "import httpx2\nanswering = httpx2.MockTransport(lambda request: httpx2.Response(200, text='a'))",
        "async with httpx2.AsyncClient(transport=answering) as client:\n"
        "        await client.get('http://shop.example/x')",
    ),
}


@pytest.mark.parametrize("handler", ["def", "async def"])
async def test_what_is_the_librarys_own_is_nobodys_input(project: Project, handler: str) -> None:
    sources = {name: f"{top}\n{handler} GET():\n    {call}\n    return 1\n" for name, (top, call) in HARMLESS.items()}
    assert {name: inputs for name, inputs in (await inputs_of_each(project, sources)).items() if inputs} == {}


async def test_what_is_an_async_librarys_own_is_nobodys_input(project: Project) -> None:
    sources = {name: f"{top}\nasync def GET():\n    {call}\n    return 1\n" for name, (top, call) in ASYNC.items()}
    assert {name: inputs for name, inputs in (await inputs_of_each(project, sources)).items() if inputs} == {}


async def test_a_template_is_code_and_a_file_that_it_is_given_is_not(project: Project) -> None:
    pytest.importorskip("jinja2")
    project.write(
        {
            "templates/base.html": "<main>{% block main %}{% endblock %}</main>",
            "templates/page.html": "{% extends 'base.html' %}{% block main %}{{ read() }}{% endblock %}",
        }
    )
    inputs = await inputs_of(
        project,
        f"""
        from pathlib import Path
        import jinja2
        here = Path(__file__).parents[1]
        templates = jinja2.Environment(loader=jinja2.FileSystemLoader(here / "templates"), autoescape=True)
        def read():
            return Path("/dev/null").read_text()  {HERE}
        def GET():
            return templates.get_template("page.html").render(read=read)
        """,
    )
    assert inputs == [Found("file /dev/null", "app/route.py", *marked(project, "app/route.py"))]
