"""Errors that users meet are public, in one module and in one table; all other exceptions never leave Millpond."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import starlette.applications
import starlette.routing
from error_table import REFERENCE, documented_table, error_table, paragraphs, public_errors

import millpond
from millpond import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TREES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8"))
    for path in sorted((ROOT / "src" / "millpond").rglob("*.py"))
}
"""The source, read once."""
SHOWN = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").rglob("*.py"))]
HOME = "src/millpond/errors.py"
BY_PROTOCOL = {"AssertionError", "AttributeError", "TypeError", "ValueError"}
"""Builtins that a protocol of Python's or of a library demands: `__getattr__`, hooks of msgspec and pydantic, what
test runners take for a failed assertion."""


STARLETTES = {
    ast.unparse(node)
    for module in (starlette.applications, starlette.routing)
    for node in ast.walk(ast.parse(inspect.getsource(module)))
    if isinstance(node, ast.Raise) and node.exc is not None
}
"""What Starlette's application and router raise. A Millpond is one of them, and may raise the same in these words."""


class Source(NamedTuple):
    """A class of exceptions in the source; no two classes have one name."""

    module: str
    bases: frozenset[str]
    """The names of all that it derives from."""


def exceptions() -> dict[str, Source]:
    """Each class of exceptions of Millpond's, by its name. The source is read, as no Python imports every module.

    Those that `except Exception` lets through are left out: they are ways out of a handler, and no errors.
    """
    defined = {
        node.name: (path, {name for base in node.bases for name in _names_in(base)})
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }

    def all_bases(name: str) -> set[str]:
        direct = defined[name][1] if name in defined else set()
        return direct | {above for base in direct for above in all_bases(base)}

    return {
        name: Source(path, frozenset(bases))
        for name, (path, _) in defined.items()
        for bases in (all_bases(name),)
        if any(base.endswith(("Error", "Exception")) for base in bases) and "BaseException" not in bases
    }


def caught_names() -> set[str]:
    """What `except` clauses and `contextlib.suppress` of the source name."""
    names: set[str] = set()
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and node.type is not None:
                names |= _names_in(node.type)
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("suppress", "isinstance", "split")):
                names |= {name for argument in node.args for name in _names_in(argument)}
    return names


def _names_in(node: ast.expr) -> set[str]:
    found = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return found | {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}


def _raised(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of what is raised, but for what Starlette raises in the same words."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            what = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if isinstance(what, ast.Name) and ast.unparse(node) not in STARLETTES:
                yield node.lineno, what.id


def test_an_error_that_users_meet_lives_in_one_module() -> None:
    elsewhere = {
        name: source.module
        for name, source in exceptions().items()
        if source.module != HOME and ("MillpondError" in source.bases or name.endswith("Error"))
    }
    assert elsewhere == {}


def test_every_other_exception_is_caught_by_millpond_itself() -> None:
    caught = caught_names() - {"Exception", "BaseException"}
    let_go = {
        name: source.module
        for name, source in exceptions().items()
        if source.module != HOME and caught.isdisjoint({name, *source.bases})
    }
    assert let_go == {}


def _said_to_be_raised(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            _, _, raises = (ast.get_docstring(node) or "").partition("Raises")
            for names in re.findall(r"^ {4}([A-Z]\w+(?:, [A-Z]\w+)*): |^ ([A-Z]\w+):", raises, re.MULTILINE):
                yield from "".join(names).split(", ")


def imported(tree: ast.Module) -> set[str]:
    return {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_what_docstrings_say_is_raised_is_there() -> None:
    classes = {node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    unknown = {
        f"{path}: {name}"
        for path, tree in TREES.items()
        for name in _said_to_be_raised(tree)
        if name not in classes | imported(tree) and not hasattr(builtins, name)
    }
    assert unknown == set()


def test_no_exception_of_pythons_own_is_raised_to_users() -> None:
    raised = [
        f"{path}:{line} raises {name}"
        for path, tree in TREES.items()
        for line, name in _raised(tree)
        if isinstance(getattr(builtins, name, None), type) and name not in BY_PROTOCOL
    ]
    assert raised == []


def test_each_error_can_be_imported_from_millpond_and_nothing_else_of_the_module() -> None:
    defined = {name for name, each in vars(errors).items() if inspect.isclass(each) and issubclass(each, Exception)}
    assert set(errors.__all__) == defined
    assert {name for name in millpond.__all__ if hasattr(errors, name)} == defined
    for name in defined:
        assert getattr(millpond, name) is getattr(errors, name)


def test_type_checkers_see_the_names_that_are_imported_lazily() -> None:
    stub = ast.parse(Path(millpond.__file__).read_text("utf-8"))
    typed = {
        alias.name: node.module
        for block in stub.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }
    assert typed == millpond._HOMES


@pytest.mark.parametrize("error", public_errors(), ids=lambda error: error.__name__)
def test_an_error_says_when_it_is_raised_and_what_to_do(error: type[Exception]) -> None:
    assert [text[-1:] for text in paragraphs(error)] == [".", "."]


def test_the_table_of_errors_is_the_one_in_the_source() -> None:
    assert documented_table() == error_table(), f"run: python {Path(__file__).with_name('error_table.py')}"


def test_errors_can_be_caught_by_what_python_calls_them() -> None:
    assert issubclass(errors.ConfigError, ValueError)
    assert issubclass(errors.MetadataError, ValueError)
    assert issubclass(errors.AddressError, OSError)
    assert issubclass(errors.RenderTimeoutError, TimeoutError)


def public_modules() -> set[str]:
    section = REFERENCE.read_text("utf-8").partition("## Public modules\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([\w.]+)` \|", section, re.MULTILINE))


def test_a_public_module_lists_its_names() -> None:
    for name in public_modules():
        module = importlib.import_module(name)
        assert sorted(module.__all__) == list(dict.fromkeys(module.__all__)) != []
        assert all(hasattr(module, each) for each in module.__all__)


@pytest.mark.parametrize("document", SHOWN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_users_are_shown_imports_public_modules_only(document: Path) -> None:
    lines = re.findall(r"^\s*(?:from|import) (millpond[\w.]*)", document.read_text("utf-8"), re.MULTILINE)
    assert set(lines) <= public_modules()
