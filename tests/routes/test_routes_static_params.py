from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest
from routes_project import load_one

from millpond.errors import RouteModuleError
from millpond.routes.static_params import Params, list_params, validate_static_params

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = "def GET(): ...\n\ndef generate_static_params(): ...\n"


class Size(str, Enum):  # noqa: UP042 - the older spelling, whose str() is not its value
    SMALL = "small"


def validate(project: Path, folder: str, returned: object) -> list[Params]:
    return validate_static_params(returned, load_one(project, SOURCE, folder))


def refusal(project: Path, folder: str, returned: object) -> str:
    with pytest.raises(RouteModuleError) as caught:
        validate(project, folder, returned)
    message = str(caught.value)
    assert message.startswith(f"app/{folder}/route.py:3: ")
    return message


@pytest.mark.parametrize(
    ("folder", "returned", "params"),
    [
        ("[id]", [], []),
        ("[id]", [{"id": "1"}, {"id": "2"}], [{"id": "1"}, {"id": "2"}]),
        ("[id]", ({"id": "a/b"},), [{"id": "a/b"}]),
        ("[id]", [{"id": Size.SMALL}], [{"id": "small"}]),
        ("[a]/[b]", [{"b": "2", "a": "1"}], [{"a": "1", "b": "2"}]),
        ("[product-id]", [{"product-id": "1"}, {"product_id": "2"}], [{"product_id": "1"}, {"product_id": "2"}]),
        ("[...s]", [{"s": ["a", "b"]}, {"s": ("c",)}], [{"s": ["a", "b"]}, {"s": ["c"]}]),
        ("[[...s]]", [{"s": ["a"]}, {"s": []}], [{"s": ["a"]}, {"s": []}]),
        ("[[...s]]", [{}], [{"s": []}]),
        ("[[...s]]", [{"s": None}], [{"s": []}]),
        ("[[...s]]", [{"s": False}], [{"s": []}]),
        ("plain", [{}], [{}]),
    ],
)
def test_parameters_are_lists_of_dicts_of_text(tmp_path: Path, folder: str, returned: object, params: object) -> None:
    assert validate(tmp_path, folder, returned) == params


def test_a_combination_counts_once(tmp_path: Path) -> None:
    returned = [{"s": ["a"]}, {"s": None}, {"s": ("a",)}, {}, {"s": ["b"]}]
    assert validate(tmp_path, "[[...s]]", returned) == [{"s": ["a"]}, {"s": []}, {"s": ["b"]}]


def test_text_of_a_subclass_becomes_plain_text(tmp_path: Path) -> None:
    assert type(validate(tmp_path, "[id]", [{"id": Size.SMALL}])[0]["id"]) is str


@pytest.mark.parametrize("returned", [None, {"id": "1"}, "abc", 3, {"a"}, iter([])])
def test_anything_but_a_list_is_refused(tmp_path: Path, returned: object) -> None:
    assert "return a list of dicts" in refusal(tmp_path, "[id]", returned)


@pytest.mark.parametrize(
    ("folder", "item", "words"),
    [
        ("[id]", "1", ["is a value of type str", 'a dict with "id"']),
        ("[id]", None, ["is None"]),
        ("[id]", {"id": 1}, ['has a value of type int for "id"', "str(1)"]),
        ("[id]", {"id": None}, ['has None for "id"']),
        ("[id]", {"id": ["1"]}, ["a value of type list"]),
        ("[id]", {"id": ""}, ["an empty string"]),
        ("[id]", {"id": "a\0b"}, ["no URL can hold"]),
        ("[id]", {"id": "\ud800"}, ["no URL can hold"]),
        ("[id]", {"id": ".."}, ['has ".." for "id"', "take out of a URL"]),
        ("[...s]", {"s": ["a", ".", "b"]}, ['has "." for "s"']),
        ("[id]", {}, ['has no "id"', "[id]"]),
        ("[a]/[b]", {"a": "1"}, ['has no "b"', "[b]"]),
        ("[id]", {"id": "1", "slug": "x"}, ["'slug'", "no parameter of this route", '"id"']),
        ("[a]/[b]", {"a": "1", "b": "2", 3: "x"}, ["the key 3", '"a" or "b"']),
        ("plain", {"id": "1"}, ["'id'", "no keys"]),
        ("[product-id]", {"product-id": "1", "product_id": "2"}, ["has both"]),
        ("[...s]", {"s": "a/b"}, ["takes a list of strings"]),
        ("[...s]", {"s": []}, ["at least one segment"]),
        ("[...s]", {"s": None}, ["takes a list of strings"]),
        ("[...s]", {"s": ["a", 2]}, ["a value of type int", "str(2)"]),
        ("[...s]", {"s": ["a", ""]}, ["an empty string"]),
        ("[...s]", {}, ['has no "s"']),
        ("[[...s]]", {"s": 0}, ["takes a list of strings"]),
        ("[[...s]]", {"s": "a"}, ["takes a list of strings"]),
    ],
)
def test_a_wrong_item_is_named_by_its_index(tmp_path: Path, folder: str, item: Any, words: list[str]) -> None:
    good = {"id": {"id": "0"}, "s": {"s": ["0"]}}.get(folder.strip("[].").split("/")[0])
    returned = [item] if good is None else [good, item]
    message = refusal(tmp_path, folder, returned)
    assert f"item {len(returned) - 1} of generate_static_params" in message
    for word in words:
        assert word in message


LISTING = """
{kind} generate_static_params(params):
    {line}
    return [{{"lang": "en", "slug": params.get("slug", "none")}}]
def GET(): ...
"""


@pytest.mark.anyio
@pytest.mark.parametrize(("kind", "line"), [("def", "assert params == {}"), ("async def", "await params")])
async def test_it_may_take_params_which_are_empty(tmp_path: Path, kind: str, line: str) -> None:
    module = load_one(tmp_path, LISTING.format(kind=kind, line=line), "[lang]/[slug]")
    assert await list_params(module) == [{"lang": "en", "slug": "none"}]


@pytest.mark.anyio
async def test_a_parameter_of_another_file_is_asked_for_in_vain(tmp_path: Path) -> None:
    module = load_one(tmp_path, LISTING.format(kind="def", line="params['lang']"), "[lang]/[slug]")
    with pytest.raises(RouteModuleError) as caught:
        await list_params(module)
    assert str(caught.value) == (
        "app/[lang]/[slug]/route.py:2: generate_static_params: no file above a route lists parameters, so return those "
        'of the whole path: [{"lang": …, "slug": …}]; params has no \'lang\'.'
    )


@pytest.mark.parametrize("parameter", ["slug", "props", "context", "request", "_"])
def test_it_can_take_nothing_else(tmp_path: Path, parameter: str) -> None:
    with pytest.raises(RouteModuleError) as caught:
        load_one(tmp_path, f"def GET(): ...\ndef generate_static_params({parameter}): ...\n", "[slug]")
    assert str(caught.value) == (
        f"app/[slug]/route.py:2: generate_static_params takes `{parameter}`, and is called without arguments; no file "
        'above a route lists parameters, so return those of the whole path: [{"slug": …}].'
    )


@pytest.mark.anyio
async def test_a_default_of_its_own_is_left_to_it(tmp_path: Path) -> None:
    source = "def GET(): ...\ndef generate_static_params(slugs=('a', 'b')): return [{'slug': s} for s in slugs]\n"
    assert await list_params(load_one(tmp_path, source, "[slug]")) == [{"slug": "a"}, {"slug": "b"}]
