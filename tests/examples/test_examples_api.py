"""What the documentation says of Millpond's functions, classes and words, against the code that has them."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from typing import TYPE_CHECKING, Any

import pytest
from document_tables import DOCS, DOCUMENTS, REFERENCE, REPOSITORY, codes, name_of, section, table
from documents import blocks

import millpond
from millpond import errors
from millpond.cache.invalidation_order import Invalidation
from millpond.policy.allowance import InputKind
from millpond.policy.decision import Action, Reason
from millpond.policy.profiles import BUILT_IN
from millpond.policy.segment import Dynamic, FetchCache, SegmentConfig
from millpond.render.request.cookies import Cookies
from millpond.routes.exports import METHODS

if TYPE_CHECKING:
    from pathlib import Path

CONCEPTS = REPOSITORY / "docs" / "concepts.md"
METADATA = REPOSITORY / "docs" / "metadata.md"
INSIGHT = REPOSITORY / "docs" / "build-insight.md"
SOURCES = sorted((REPOSITORY / "src" / "millpond").rglob("*.py"))
OWN = [
    name
    for name in millpond.__all__
    if getattr(getattr(millpond, name), "__module__", "").startswith("millpond.") and name not in errors.__all__
]
ONLY_ENDS_A_COMPONENT = {InputKind.WAIT, InputKind.THREAD}
"""What ends a prerender of Cache Components, and has no value that an answer could keep."""
NEVER = "never"


def test_the_reference_lists_every_public_name_of_every_public_module() -> None:
    listed = {codes(module)[0]: sorted(codes(names)) for module, names in table(REFERENCE, "Public modules", "module")}
    assert set(listed.pop("millpond.errors")) == {"millpond"}
    listed["millpond"] += errors.__all__  # in a table of their own
    assert {module: sorted(names) for module, names in listed.items()} == {
        module: sorted(importlib.import_module(module).__all__) for module in listed
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_what_a_document_imports_from_millpond_is_public(document: Path) -> None:
    public = {codes(module)[0] for module, _ in table(REFERENCE, "Public modules", "module")}
    wrong = []
    for block in blocks(document):
        if block.kind != "python":
            continue
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "millpond":
                module = importlib.import_module(str(node.module))
                names = [each.name for each in node.names]
                wrong += [name for name in names if node.module not in public or not hasattr(module, name)]
    assert wrong == []


def signatures(text: str) -> dict[str, list[inspect.Signature]]:
    """The signatures that code spans and blocks of a document show, by name."""
    found: dict[str, list[inspect.Signature]] = {}
    for shown in [*codes(text), *re.findall(r"^async def (.+?): \.\.\.$", text, re.MULTILINE | re.DOTALL)]:
        call = re.fullmatch(r"(?:await )?@?(\w+)\((.*)\)", " ".join(shown.split()))
        if call is None:
            continue
        if (signature := signature_of(call[2])) is not None:
            found.setdefault(call[1], []).append(signature)
    return found


def signature_of(parameters: str) -> inspect.Signature | None:
    """The signature with these parameters; None where they are arguments of a call."""
    try:
        (function,) = ast.parse(f"lambda {parameters}: None").body
    except SyntaxError:
        return None
    assert isinstance(function, ast.Expr)
    assert isinstance(function.value, ast.Lambda)
    taken = function.value.args
    if not all(isinstance(each, (ast.Constant, ast.Tuple)) for each in (*taken.defaults, *taken.kw_defaults) if each):
        return None
    return inspect.signature(eval(ast.unparse(function)))  # noqa: S307 - a lambda, and its defaults are constants


def plain(signature: inspect.Signature) -> list[tuple[str, Any, Any]]:
    """(name, kind, default) of each parameter but those that no caller names."""
    left_out = (inspect.Parameter.POSITIONAL_ONLY,)
    parameters = [each for each in signature.parameters.values() if each.kind not in left_out and each.name != "self"]
    return [(each.name, each.kind, each.default) for each in parameters]


@pytest.mark.parametrize("name", [name for name in OWN if name != "Millpond"])
def test_a_function_is_shown_with_the_parameters_and_defaults_that_it_has(name: str) -> None:
    shown = signatures((METADATA if name == "ImageResponse" else REFERENCE).read_text("utf-8")).get(name, [])
    assert plain(inspect.signature(getattr(millpond, name))) in [plain(each) for each in shown]


@pytest.mark.parametrize("name", ["set", "delete"])
def test_a_method_of_cookies_is_shown_with_the_parameters_and_defaults_that_it_has(name: str) -> None:
    (shown,) = signatures(section(REFERENCE, "Functions"))[name]
    assert plain(shown) == plain(inspect.signature(getattr(Cookies, name)))


def test_the_table_of_functions_lists_each() -> None:
    listed = [re.sub(r"^(?:await )?@?|\(.*", "", codes(row[0])[0]) for row in table(REFERENCE, "Functions", "function")]
    assert sorted(listed) == sorted(set(OWN) - {"Millpond", "ImageResponse"})


def test_the_options_of_cached_are_those_of_the_table() -> None:
    listed = [codes(row[0])[0] for row in table(REFERENCE, "`@cached`", "option")]
    assert sorted(listed) == sorted(name for name, *_ in plain(inspect.signature(millpond.cached)))


def test_the_result_of_an_invalidation_has_the_fields_that_are_shown() -> None:
    assert f"`Invalidation({', '.join(Invalidation._fields)})`" in section(REFERENCE, "Invalidation")


def test_the_methods_of_a_route_file_are_those_that_the_reference_lists() -> None:
    named = re.findall(r"`([A-Z]+)`", section(REFERENCE, "Methods").split(";")[0])
    assert sorted(named) == sorted(METHODS)


def test_the_constants_of_a_route_file_are_those_of_the_table_and_have_its_values() -> None:
    values: dict[str, list[str]] = {}
    constant = ""
    for first, value, _ in table(REFERENCE, "Segment config", "constant"):
        constant = next(iter(codes(first)), constant)
        values.setdefault(constant, []).extend(span.strip('"') for span in codes(value))
    assert sorted(values) == sorted(SegmentConfig.__dataclass_fields__)
    assert sorted(values["dynamic"]) == sorted(Dynamic)
    assert sorted(values["fetch_cache"]) == sorted(FetchCache)


def test_the_table_of_fetch_cache_has_each_of_its_values() -> None:
    listed = [codes(row[0])[0].strip('"') for row in table(REFERENCE, "`fetch`", "`fetch_cache`")]
    assert sorted(listed) == sorted(FetchCache)


def test_the_words_for_segment_config_are_its_constants() -> None:
    (said,) = [text for word, text in table(CONCEPTS, "Words", "word") if word == "segment config"]
    assert sorted(codes(said)) == sorted(SegmentConfig.__dataclass_fields__)


def test_the_reasons_in_cache_status_are_those_of_the_table() -> None:
    listed = [codes(row[0])[0] for row in table(CONCEPTS, "Why", "`detail`")]
    assert sorted(listed) == sorted(Reason)


@pytest.mark.parametrize("document", DOCS, ids=name_of)
def test_a_reason_that_a_document_shows_is_one(document: Path) -> None:
    shown = set(re.findall(r"detail=([\w-]+)", document.read_text("utf-8")))
    assert sorted(shown - set(Reason)) == []


def test_the_values_of_the_cache_header_are_those_of_the_table() -> None:
    (said,) = [row[2] for row in table(REFERENCE, "Headers of answers", "header") if row[0] == "`x-nextjs-cache`"]
    assert sorted(codes(said)) == sorted(set(Action) - {Action.LIVE})


def test_the_headers_of_the_table_are_in_the_code() -> None:
    code = "".join(path.read_text("utf-8").lower() for path in SOURCES)
    listed = [name for row in table(REFERENCE, "Headers of answers", "header") for name in codes(row[0])]
    assert len(listed) > 10
    assert [name for name in listed if not re.search(rf'"{name}"', code)] == []


def test_the_lifetimes_of_the_table_are_the_built_in_ones() -> None:
    listed = {
        codes(name)[0]: tuple(None if age == NEVER else float(age.replace(" ", "")) for age in ages)
        for name, *ages in table(REFERENCE, "`@cached`", "lifetime")
    }
    assert listed == {name: (each.stale, each.revalidate, each.expire) for name, each in BUILT_IN.items()}


def test_the_kinds_of_frozen_inputs_are_those_of_the_table() -> None:
    listed = [codes(row[0])[0] for row in table(INSIGHT, "What is seen", "kind")]
    assert sorted(listed) == sorted(set(InputKind) - ONLY_ENDS_A_COMPONENT)


def read_variables(source: str) -> set[str]:
    """The environment variables that a module reads by a name of its own."""
    tree = ast.parse(source)
    named = {
        target.id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    read = [each for node in ast.walk(tree) if (each := _variable(node)) is not None]
    values = [each.value if isinstance(each, ast.Constant) else named.get(ast.unparse(each)) for each in read]
    return {value for value in values if isinstance(value, str)}


def _variable(node: ast.AST) -> ast.expr | None:
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
        return node.slice
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("os.environ.get", "os.getenv") and node.args:
        return node.args[0]
    return None


def test_the_environment_variables_of_the_table_are_those_that_are_read() -> None:
    listed = [codes(row[0])[0] for row in table(REFERENCE, "Environment variables", "variable")]
    assert sorted(listed) == sorted({name for path in SOURCES for name in read_variables(path.read_text("utf-8"))})


def test_a_variable_is_found_by_its_name_and_by_a_constant() -> None:
    source = 'A = "ONE"\nos.environ.get(A)\nos.environ["TWO"]\nos.getenv("THREE", "")\nos.environ.get(config.name)\n'
    assert read_variables(source) == {"ONE", "TWO", "THREE"}
