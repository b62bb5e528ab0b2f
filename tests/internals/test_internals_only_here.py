"""What other packages don't document is used in `internals/` alone, and stands in its tables and in docs/design.md."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from every_name import every_name

from millpond.internals import uvicorn_names
from millpond.internals.private_name import NoName
from millpond.observe import python_functions

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "src" / "millpond"
INTERNALS = SOURCE / "internals"

DOCUMENTED: dict[str, str] = {
    "PIL.Image": "* Image",
    "annotationlib": "*",  # Python's, as of 3.14
    "anyio": "* CapacityLimiter from_thread to_thread",
    "anyio.lowlevel": "RunVar",
    "anyio.to_thread": "* current_default_thread_limiter run_sync",
    "backports": "zstd",
    "boto3": "*",
    "botocore.config": "* Config",
    "botocore.exceptions": "* BotoCoreError ClientError",
    "brotli": "*",
    "compression": "zstd",  # Python's, as of 3.14
    "cronsim": "CronSim CronSimError",
    "cryptography.exceptions": "InvalidSignature",
    "cryptography.hazmat.primitives.asymmetric": "ed25519",
    "cyclopts": "App CycloptsError MissingArgumentError Parameter UnusedCliTokensError",
    "cyclopts.completion.detect": "ShellDetectionError detect_shell",
    "cyclopts.validators": "Number",
    "dotenv": "dotenv_values load_dotenv",
    "fastapi": "* APIRouter Depends FastAPI HTTPException Header Path Request Response",
    "fastapi.encoders": "jsonable_encoder",
    "fastapi.exception_handlers": "http_exception_handler request_validation_exception_handler",
    "fastapi.exceptions": "RequestValidationError",
    "fastapi.testclient": "TestClient",
    "fastapi.openapi.utils": "get_openapi",
    "fastapi.routing": "APIRoute RouteContext iter_route_contexts",
    "fastapi.sse": "EventSourceResponse ServerSentEvent",
    "httptools": "*",
    "httpx2": "*",
    "jinja2": "Environment PackageLoader StrictUndefined",
    "lmdb": "*",
    "lmdb.verify": "VerifyError verify",
    "markupsafe": "Markup escape",
    "msgspec": "*",
    "msgspec.structs": "replace",
    "mypy.nodes": "MypyFile",
    "mypy.options": "Options",
    "mypy.plugin": "Plugin ReportConfigContext",
    "pictex": "* Canvas",
    "prometheus_client": "* CollectorRegistry",
    "prometheus_client.core": "CounterMetricFamily GaugeMetricFamily HistogramMetricFamily",
    "prometheus_client.exposition": "choose_encoder",
    "prometheus_client.metrics_core": "Metric",
    "pydantic": "* AfterValidator BaseModel ConfigDict Field GetCoreSchemaHandler GetJsonSchemaHandler TypeAdapter "
    "ValidationError networks with_config",
    "pydantic.fields": "FieldInfo",
    "pydantic.json_schema": "JsonSchemaValue",
    "pydantic_core": "PydanticUndefinedType core_schema",
    "redis": "*",
    "redis.asyncio": "Redis RedisCluster Sentinel",
    "redis.asyncio.cluster": "ClusterNode",
    "redis.asyncio.retry": "Retry",
    "redis.backoff": "NoBackoff",
    "redis.maint_notifications": "MaintNotificationsConfig",
    "rich.console": "Console",
    "rich.filesize": "decimal",
    "rich.progress": "BarColumn MofNCompleteColumn Progress TextColumn",
    "rich.table": "Table",
    "rich.text": "Text",
    "starlette.applications": "Starlette",
    "opentelemetry": "metrics trace",
    "opentelemetry.context": "Context",
    "opentelemetry.metrics": "CallbackOptions Histogram MeterProvider Observation",
    "opentelemetry.trace": "INVALID_SPAN Link NonRecordingSpan Span SpanContext SpanKind Status StatusCode "
    "TracerProvider",
    "starlette": "*",
    "starlette.background": "BackgroundTask",
    "starlette.concurrency": "run_in_threadpool",
    "starlette.config": "environ",
    "starlette.exceptions": "HTTPException",
    "starlette.datastructures": "Address Headers QueryParams State URL URLPath",
    "starlette.middleware": "Middleware",
    "starlette.middleware.base": "BaseHTTPMiddleware DispatchFunction RequestResponseEndpoint",
    "starlette.middleware.cors": "CORSMiddleware",
    "starlette.middleware.errors": "ServerErrorMiddleware",
    "starlette.middleware.exceptions": "ExceptionMiddleware",
    "starlette.requests": "ClientDisconnect HTTPConnection Request",
    "starlette.responses": "FileResponse HTMLResponse JSONResponse PlainTextResponse RedirectResponse Response "
    "StreamingResponse",
    "starlette.routing": "BaseRoute Host Match Mount NoMatchFound WebSocketRoute compile_path",
    "starlette.types": "ASGIApp ExceptionHandler Message Receive Scope Send",
    "typing_extensions": "TypedDict is_typeddict",
    "uvicorn": "*",
    "uvloop": "*",
    "watchfiles": "watch",
}
"""By module of another package, the names that are taken from it; `*` for the module itself."""

DOCUMENTED_PRIVATE = frozenset({"_asdict", "_current_frames", "_exit", "_fields", "_getframe", "_make", "_replace"})
"""Names of Python that begin like private ones, and are documented."""

UVICORNS = frozenset(str(name).rpartition(".")[2] for name in uvicorn_names.NAMES)
"""Millpond's own server, protocols and workers have names like these; the last test here is for them."""
UNDOCUMENTED = frozenset(
    name.name.rpartition(".")[2]
    for name in every_name()
    if name.module.startswith(("fastapi", "starlette")) and not isinstance(name, NoName)
)


def faults(text: str, file: str = "example.py", inherited: frozenset[str] = frozenset()) -> list[str]:
    """What of another package's insides is used in a module; `inherited` is looked at elsewhere."""
    tree = ast.parse(text)
    own = {*_defined(tree), *inherited}
    return [f"{file}:{line}: {what}" for node in ast.walk(tree) for line, what in _in(node, own)]


def _defined(tree: ast.AST) -> Iterator[str]:
    """Names that a module gives to something of its own."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="__setattr__"), args=[_, ast.Constant(value=str(name)), _]):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name


def _in(node: ast.AST, own: set[str]) -> Iterator[tuple[int, str]]:
    match node:
        case ast.Import(names=names, lineno=line):
            yield from ((line, each.name) for each in names if not _is_documented(each.name, "*"))
        case ast.ImportFrom(module=str(module), names=names, lineno=line):
            for imported in names:
                if not _is_documented(module, imported.name):
                    yield line, f"{module}.{imported.name}"
        case ast.Attribute(value=ast.Name(id="fastapi_names" | "starlette_names")):
            return
        case ast.Attribute(attr=name, lineno=line):
            if (_is_private(name) and name not in own | DOCUMENTED_PRIVATE) or name in UNDOCUMENTED - own:
                yield line, f".{name}"
        case ast.Call(func=ast.Name(id="getattr" | "hasattr" | "setattr" | "delattr" | "attrgetter"), args=arguments):
            for each in arguments:
                match each:
                    case ast.Constant(value=str(name), lineno=line) if name not in own | EVERYONES_STRINGS:
                        if _is_private(name) or name in UNDOCUMENTED:
                            yield line, f"{name!r}"
        case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name), lineno=line)]):
            if not _is_documented(name, "*"):
                yield line, name


EVERYONES_STRINGS = frozenset({"_own_cookies", "_own_headers", "_own_query_params", "_own_state", "_own_url"})
"""Looked for by name, and made in the same module."""


def _is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def _is_documented(module: str, name: str) -> bool:
    package = module.partition(".")[0]
    if package in ("__future__", "millpond"):
        return True
    if any(_is_private(part) for part in (*module.split("."), name)):
        return False
    return package in sys.stdlib_module_names or name in DOCUMENTED.get(module, "").split()


CONNECTION = SOURCE / "serve" / "connection"
PROTOCOLS = ("bounded.py", "protocol.py", "cycle.py")
OF_CONNECTIONS = frozenset(
    {
        *(name for each in PROTOCOLS for name in _defined(ast.parse((CONNECTION / each).read_text("utf-8")))),
        *uvicorn_names._ATTRIBUTES,
        *uvicorn_names._METHODS,
    }
)
"""What the protocols define, and what they inherit of uvicorn's and is looked for when a server starts."""


def test_private_names_of_other_packages_are_used_in_internals_only() -> None:
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        if INTERNALS not in path.parents:
            inherited = OF_CONNECTIONS if path.parent == CONNECTION else frozenset()
            found += faults(path.read_text("utf-8"), str(path.relative_to(SOURCE)), inherited)
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "from fastapi.dependencies.utils import get_dependant",
        "from fastapi.routing import serialize_response",
        "from starlette._utils import is_async_callable",
        "from http.cookies import _unquote",
        "import uvicorn.supervisors.multiprocess",
        "import random\nrandom._inst.seed()",
        "app.middleware_stack = None",
        "route.dependant.call",
        "getattr(app, 'middleware_stack', None)",
        "from operator import attrgetter\nattrgetter('_target')",
        "import importlib\nimportlib.import_module('fastapi.dependencies.utils')",
        "import requests",
    ],
)
def test_each_way_to_a_private_name_is_noticed(text: str) -> None:
    assert len(faults(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos._exit(1)",
        "class C:\n    def f(self): self._own = 1\nC()._own",
        "from fastapi import FastAPI",
        "from fastapi.routing import APIRoute",
        "from __future__ import annotations",
        "import concurrent.futures",
    ],
)
def test_documented_and_own_names_are_free(text: str) -> None:
    assert faults(text) == []


def test_the_installed_packages_are_as_they_are_known() -> None:
    assert [name.problem for name in every_name() if not name.is_known] == []


def test_the_design_says_of_each_private_name_what_millpond_is_without_it() -> None:
    design = (REPOSITORY / "docs" / "design.md").read_text("utf-8")
    section = design.partition("## What of other packages is private")[2].partition("\n## ")[0]
    listed = {
        name: without
        for names, without in re.findall(r"^\| (`.+`) \| (.+) \|$", section, re.MULTILINE)
        for name in re.findall(r"`([\w.]+)`", names)
    }
    assert listed == {str(name): name.without for name in every_name()}


def test_what_the_protocols_use_of_uvicorns_is_looked_for() -> None:
    trees = [ast.parse((CONNECTION / name).read_text("utf-8")) for name in PROTOCOLS]
    assert sorted(_attributes_of(trees, "self") - OF_CONNECTIONS) == []
    for holder, known in (
        ("cycle", uvicorn_names._CYCLE),
        ("flow", uvicorn_names._FLOW.keys() | {"read_paused", "write_paused", "held"}),
        ("server_state", {"connections", "default_headers", "total_requests"}),
    ):
        used = _attributes_of(trees, holder)
        assert used, holder
        assert sorted(used - known) == [], holder


def _attributes_of(trees: list[ast.Module], holder: str) -> set[str]:
    """The attributes of whatever is called so: `held` in `self.flow.held` for "flow"."""
    found: set[str] = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        match node:
            case ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr=attribute) if name == holder:
                found.add(attribute)
    return found


NOT_EVERYWHERE = {"uuid6", "uuid7"}
"""Python has them as of 3.14."""


@pytest.mark.parametrize("package", sorted({module.partition(".")[0] for module, _ in python_functions._FUNCTIONS}))
def test_the_functions_that_builds_know_by_name_are_there(package: str) -> None:
    pytest.importorskip(package)
    for module, name in python_functions._FUNCTIONS:
        if module.partition(".")[0] == package and name not in NOT_EVERYWHERE:
            assert attrgetter(name)(importlib.import_module(module)), f"{module}.{name}"
