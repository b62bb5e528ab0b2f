"""Logging configurations of a project's: they choose for Millpond's loggers, and silence none by accident; loguru."""

from __future__ import annotations

import ast
import logging
import logging.config
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from server_process import MAIN, build, server
from twins import write

import millpond
from millpond.app.construction.loggers import LOGGERS, enable_loggers

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUTES = {
    "fresh": """
from pathlib import Path
from millpond import cached
revalidate = 3600
@cached(tags=["all"])
def stock(): return "fresh"
def GET():
    if Path("broken").exists():
        raise ValueError("no stock")
    return stock()
""",
    "touch": """
from millpond import revalidate_tag
def POST():
    revalidate_tag("all", "max")
""",
}
HANDLER = """
FORMAT = {"format": "%(levelname)s %(name)s: %(message)s"}
CONFIG = {
    "version": 1,
    "formatters": {"plain": FORMAT},
    "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "plain"}},
}
"""
CONFIGURATIONS = {
    "dictConfig": f"""
import logging.config
{HANDLER}
def register(app):
    logging.config.dictConfig({{**CONFIG, "root": {{"level": "INFO", "handlers": ["out"]}}}})
""",
    "dictConfig of an async register": f"""
import asyncio, logging.config
{HANDLER}
async def register(app):
    await asyncio.sleep(0)
    logging.config.dictConfig({{**CONFIG, "root": {{"level": "INFO", "handlers": ["out"]}}}})
""",
    "fileConfig": """
import logging.config
def register(app):
    logging.config.fileConfig("logging.ini")
""",
    "dictConfig in the lifespan": f"""
import logging.config
from contextlib import asynccontextmanager
{HANDLER}
def register(app):
    @asynccontextmanager
    async def lifespan(app):
        logging.config.dictConfig({{**CONFIG, "root": {{"level": "INFO", "handlers": ["out"]}}}})
        yield
    app.router.lifespan_context = lifespan
""",
}
INI = """
[loggers]
keys = root
[handlers]
keys = out
[formatters]
keys = plain
[logger_root]
level = INFO
handlers = out
[handler_out]
class = StreamHandler
formatter = plain
[formatter_plain]
format = %(levelname)s %(name)s: %(message)s
"""
ERROR = "ERROR millpond.cache: rendering /fresh (app/fresh/route.py) failed"


def written(folder: Path, instrumentation: str) -> Path:
    files = {f"app/{name}/route.py": text for name, text in ROUTES.items()}
    files |= {"instrumentation.py": instrumentation, "logging.ini": INI, "main.py": MAIN}
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), "utf-8")
    return folder


def printed_by(command: str, folder: Path, text: str) -> str:
    """What a server prints of a hit, and of a refresh that fails after it; until `text` is printed."""
    build(folder)
    with server(command, folder) as running:
        assert running.client.get("/fresh").headers["x-nextjs-cache"] == "HIT"
        (folder / "broken").touch()
        assert running.client.post("/touch").status_code == 200
        assert running.client.get("/fresh").headers["x-nextjs-cache"] == "STALE"
        return running.printed(text)


@pytest.mark.parametrize(
    ("command", "configuration"),
    [
        ("millpond", "dictConfig"),
        ("uvicorn", "dictConfig"),
        ("millpond", "dictConfig of an async register"),
        ("millpond", "dictConfig in the lifespan"),
        ("uvicorn", "fileConfig"),
    ],
)
def test_a_configuration_that_disables_existing_loggers_leaves_millponds(
    tmp_path: Path, command: str, configuration: str
) -> None:
    printed = printed_by(command, written(tmp_path, CONFIGURATIONS[configuration]), "ValueError: no stock")
    assert printed.count("ValueError: no stock") == 1
    assert printed.count(ERROR) == 1
    assert printed.count("INFO millpond.access: GET /fresh 200") == 2


@pytest.mark.parametrize("command", ["millpond", "uvicorn"])
def test_errors_are_printed_where_a_configuration_has_no_handler(tmp_path: Path, command: str) -> None:
    nothing = "import logging.config\ndef register(app): logging.config.dictConfig({'version': 1})\n"
    printed = printed_by(command, written(tmp_path, nothing), "ValueError: no stock")
    assert printed.count("rendering /fresh (app/fresh/route.py) failed") == 1


CHOSEN = {
    "a level": (
        {"loggers": {"millpond.access": {"level": "WARNING"}}},
        {"millpond.access": (False, logging.WARNING), "millpond.cache": (False, logging.INFO)},
    ),
    "a level of all": (
        {"loggers": {"millpond": {"level": "ERROR"}}},
        {"millpond.access": (False, logging.ERROR), "millpond.cache": (False, logging.ERROR)},
    ),
    "existing ones kept": (
        {"disable_existing_loggers": False},
        {"millpond.access": (False, logging.INFO), "of.somebody": (False, logging.INFO)},
    ),
    "nothing": (
        {},
        {
            "millpond.access": (False, logging.INFO),
            "millpond": (False, logging.INFO),
            "of.somebody": (True, logging.INFO),
        },
    ),
}


@pytest.fixture
def loggers() -> Iterator[None]:
    """Millpond's loggers, and one that isn't; all loggers are as before afterwards."""
    root = logging.getLogger()
    known = [logging.getLogger(name) for name in {*logging.root.manager.loggerDict, *LOGGERS, "of.somebody"}]
    before = [(each, each.disabled, each.level, each.propagate, list(each.handlers)) for each in [*known, root]]
    yield
    for logger, disabled, level, propagate, handlers in before:
        logger.disabled, logger.propagate, logger.handlers[:] = disabled, propagate, handlers
        logger.setLevel(level)


@pytest.mark.usefixtures("loggers")
@pytest.mark.parametrize(("configuration", "expected"), CHOSEN.values(), ids=CHOSEN)
def test_what_a_configuration_chooses_by_name_stays(
    configuration: dict[str, Any], expected: dict[str, tuple[bool, int]]
) -> None:
    logging.config.dictConfig({"version": 1, "root": {"level": "INFO"}, **configuration})
    enable_loggers()
    found = {name: logging.getLogger(name) for name in expected}
    assert {name: (each.disabled, each.getEffectiveLevel()) for name, each in found.items()} == expected


@pytest.mark.usefixtures("loggers")
def test_a_logger_that_was_disabled_alone_stays_disabled() -> None:
    logging.getLogger("millpond.access").disabled = True
    logging.config.dictConfig({"version": 1, "incremental": True})
    enable_loggers()
    assert logging.getLogger("millpond.access").disabled


def test_every_logger_of_millpond_is_among_those_that_are_enabled() -> None:
    sources = Path(millpond.__file__).parent.rglob("*.py")
    named = {
        node.args[0].value
        for source in sources
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "getLogger"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert named == {*LOGGERS, "millpond.witness"}


INTERCEPTED = """
import logging, sys
from loguru import logger

class Intercept(logging.Handler):
    def emit(self, record):
        logger.opt(depth=6, exception=record.exc_info).log(record.levelname, record.getMessage())

def register(app):
    logger.remove()
    logger.add(sys.stderr, format="loguru {level} {message}", level="INFO")
    logging.basicConfig(handlers=[Intercept()], level="INFO", force=True)
"""
LOGGING_ROUTES = {
    "/static": "revalidate = 60\nfrom loguru import logger\ndef GET():\n    logger.info('rendering')\n    return 1\n",
    "/live": """
from loguru import logger
dynamic = "force-dynamic"
def GET():
    logger.info("running")
    return 1
""",
    "/failing-live": "dynamic = 'force-dynamic'\ndef GET(): raise ValueError('no stock')\n",
}


@pytest.mark.parametrize("command", ["millpond", "uvicorn"])
def test_every_line_arrives_once(tmp_path: Path, command: str) -> None:
    write(tmp_path, LOGGING_ROUTES)
    (tmp_path / "instrumentation.py").write_text(INTERCEPTED)
    (tmp_path / "main.py").write_text(MAIN)
    build(tmp_path)
    with server(command, tmp_path) as running:
        statuses = [running.client.get(path).status_code for path in ("/static", "/live", "/failing-live")]
        printed = running.printed("GET /failing-live 500")
    assert statuses == [200, 200, 500]
    lines = printed.splitlines()
    accesses = [f"loguru INFO GET {path} {status}" for path, status in zip(LOGGING_ROUTES, statuses, strict=True)]
    assert [line for line in lines if line in accesses] == accesses
    assert lines.count("loguru INFO running") == 1
    assert [line for line in lines if "GET /static 200" in line] == ["loguru INFO GET /static 200"]
