"""Two deploys with one store: neither is served what the other's helpers and constants have made (R5.30)."""

from __future__ import annotations

import ast
import importlib
import importlib.machinery
import os
import py_compile
import sys
import types
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from millpond.cache.functions.definition import Definition
from millpond.routes.imports import forget
from millpond.stores.memory import MemoryStore
from ponds import Clock, Project, Running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

SHOP = {
    "app/price/route.py": """
    from millpond import cached, connection
    from lib.prices import price
    calls = []

    @cached
    def of_all():
        calls.append(1)
        return price()

    async def GET():
        await connection()
        return [of_all(), len(calls)]
    """,
    "app/weather/route.py": """
    from millpond import cached, connection
    from lib import sky
    calls = []

    @cached
    async def now():
        calls.append(1)
        return sky.now()

    async def GET():
        await connection()
        return [await now(), len(calls)]
    """,
    "lib/__init__.py": "",
    "lib/prices.py": """
    from .taxes import RATES

    def price(): return round(100 * RATES["de"])
    """,
    "lib/taxes.py": """
    RATES = {}
    def rate(country):
        def add(function): RATES[country] = function(); return function
        return add
    @rate("de")
    def german(): return 1.19
    """,
    "lib/sky.py": "def now(): return 'blue'",
}


@dataclass
class Deploys:
    """Folders with the same project, of which each has some other files, and one store."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    store: MemoryStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = MemoryStore(max_bytes=2**20, clock=self.clock)

    @asynccontextmanager
    async def release(self, name: str, changed: dict[str, str], **config: Any) -> AsyncIterator[Running]:
        project = Project(self.folder / name, self.clock, store=self.store)
        if not project.folder.exists():
            project.folder.mkdir()
            project.write({**SHOP, **changed})
        forget(self.folder)
        sys.path[:] = [path for path in sys.path if not path.startswith(str(self.folder))]
        importlib.invalidate_caches()
        async with project.started(**config) as running:
            yield running


@pytest.fixture
def deploys(tmp_path: Path) -> Iterator[Deploys]:
    path = list(sys.path)
    yield Deploys(tmp_path)
    forget(tmp_path)
    sys.path[:] = path


MODELS = [{"compat": "14"}, {"compat": "16"}, {"compat": "16", "cache_components": True}]
CHANGED = {
    "a helper": {"lib/prices.py": SHOP["lib/prices.py"].replace("100", "200")},
    "a constant far away": {"lib/taxes.py": SHOP["lib/taxes.py"].replace("1.19", "2.38")},
    "an import at the call": {
        "lib/prices.py": """
        def price():
            from lib import taxes
            from . import extra
            return round(100 * taxes.RATES["de"]) * extra.TWO
        """,
        "lib/extra.py": "TWO = 2",
    },
}


@pytest.mark.parametrize("config", MODELS, ids=["14", "16", "16cc"])
@pytest.mark.parametrize("changed", CHANGED.values(), ids=CHANGED)
async def test_results_of_changed_functions_stay_with_their_deploy(
    deploys: Deploys, changed: dict[str, str], config: dict[str, Any]
) -> None:
    async def answers(name: str, changed: dict[str, str]) -> list[Any]:
        async with deploys.release(name, changed, **config) as running:
            return [(await running.get(path)).json() for path in ("/price", "/weather")]

    assert await answers("one", {}) == [[119, 1], ["blue", 1]]
    assert await answers("two", changed) == [[238, 1], ["blue", 0]], "what nobody has edited is kept"
    assert await answers("one", {}) == [[119, 0], ["blue", 0]]
    assert await answers("two", changed) == [[238, 0], ["blue", 0]]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("lib/taxes.py", "# Rates of countries\n\n" + SHOP["lib/taxes.py"].replace("\n    ", "\n")),
        ("lib/unused.py", "1"),
        ("app/weather/route.py", SHOP["app/weather/route.py"].replace("'blue'", "'grey'")),
    ],
)
async def test_comments_and_what_is_not_imported_change_nothing(deploys: Deploys, file: str, text: str) -> None:
    for name, changed, runs in (("one", {}, 1), ("two", {file: text}, 0)):
        async with deploys.release(name, changed) as running:
            assert (await running.get("/price")).json() == [119, runs]


def key_in(module: str) -> str:
    return Definition.of(importlib.import_module(module).of_all, None, (), None, None).key_of((), {})


HELPERS = "RATE = 1\n"
FUNCTIONS = "from edited_helpers import RATE\ndef of_all(): return RATE\n"


def test_a_file_that_is_edited_in_a_running_process_gives_nothing_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The process runs what it has loaded; under the key of the new files its results would be the next one's."""
    monkeypatch.syspath_prepend(tmp_path)
    functions, helpers = tmp_path / "edited_functions.py", tmp_path / "edited_helpers.py"
    helpers.write_text(HELPERS)
    functions.write_text(FUNCTIONS)
    try:
        definition = Definition.of(importlib.import_module("edited_functions").of_all, None, (), None, None)
        helpers.write_text("RATE = 2  # dearer\n")
        os.utime(helpers, (1, 1))
        late = definition.key_of((), {})
        assert "edited_helpers was edited after it was loaded" in caplog.text
        forget(tmp_path)
        assert key_in("edited_functions") != late
        helpers.write_text(HELPERS)
        forget(tmp_path)
        assert key_in("edited_functions") != late
    finally:
        forget(tmp_path)


def test_modules_that_are_loaded_from_bytecode_are_not_compiled_for_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To parse the hundreds of modules of a project takes seconds, in which the event loop does nothing else."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    many = "".join(f"    name_{number} = other.name_{number}\n" for number in range(300))  # more than one byte counts
    names = ["by_bytecode", "bytecode_used", "bytecode_inner", "bytecode_later"]
    (tmp_path / "by_bytecode.py").write_text("import bytecode_used\ndef of_all(): return bytecode_used.f()\n")
    (tmp_path / "bytecode_used.py").write_text(f"def f(other):\n{many}    from bytecode_inner import RATE as rate\n")
    (tmp_path / "bytecode_inner.py").write_text("class Rate:\n    def of(self):\n        import bytecode_later\n")
    (tmp_path / "bytecode_later.py").write_text("RATE = 1\n")
    try:
        before = key_in("by_bytecode")
        forget(tmp_path)
        for name in names:
            py_compile.compile(str(tmp_path / f"{name}.py"), doraise=True)
        of_all = importlib.import_module("by_bytecode").of_all
        with monkeypatch.context() as only:
            only.setattr(ast, "parse", None)
            only.setattr(importlib.machinery.SourceFileLoader, "source_to_code", None)
            assert Definition.of(of_all, None, (), None, None).key_of((), {}) == before
        (tmp_path / "bytecode_later.py").write_text("RATE = 200\n")
        forget(tmp_path)
        assert key_in("by_bytecode") != before
    finally:
        forget(tmp_path)


def test_functions_of_no_file_have_a_key_and_no_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Those of a script that is read from stdin, of a shell, of exec."""
    for module in (types.ModuleType("typed"), types.ModuleType("piped"), None):
        names: dict[str, Any] = {} if module is None else module.__dict__
        if module is not None:
            monkeypatch.setitem(sys.modules, module.__name__, module)
            names["__file__"] = "<stdin>" if module.__name__ == "piped" else None
        exec("def of_all(): return 1", names)  # noqa: S102 - the test is about it
        assert Definition.of(names["of_all"], None, (), None, None).key_of((), {})
    assert caplog.text == ""


def test_a_module_that_is_loaded_again_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "reloaded.py"
    file.write_text("RATE = 1\ndef of_all(): return RATE\n")
    try:
        before = key_in("reloaded")
        file.write_text("RATE = 200\ndef of_all(): return RATE\n")
        importlib.reload(importlib.import_module("reloaded"))
        assert key_in("reloaded") != before
    finally:
        forget(tmp_path)


def test_a_project_that_is_installed_as_a_package_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = []
    for release, rate in (("1", "1"), ("2", "200"), ("3", "1")):
        folder = tmp_path / release / "site-packages"
        package = folder / "installed_shop"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "rates.py").write_text(f"RATE = {rate}\n")
        (package / "prices.py").write_text("from .rates import RATE\ndef of_all(): return RATE\n")
        with monkeypatch.context() as only:
            only.syspath_prepend(folder)
            keys.append(key_in("installed_shop.prices"))
        for name in [name for name in sys.modules if name.startswith("installed_shop")]:
            del sys.modules[name]
    assert keys[0] == keys[2] != keys[1]
