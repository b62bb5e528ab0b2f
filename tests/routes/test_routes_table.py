from __future__ import annotations

import sys
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.routes.folder import Segment, SegmentKind, parse_folder
from millpond.routes.path import canonical, split
from millpond.routes.table import Table, build_segments

SET = ["/a/[...s]", "/a/[id]", "/a", "/a/b", "/[[...all]]", "/a/[id]/c", "/z", "/a/[id]/[k]", "/a/b/[...q]"]
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)


def segments_of(pattern: str) -> list[Segment]:
    return [parse_folder(folder, "app/route.py") for folder in pattern.split("/") if folder]


def table(*patterns: str) -> Table[str]:
    return Table((segments_of(pattern), pattern) for pattern in patterns)


def matches(table: Table[str], path: str) -> list[tuple[str, dict[str, str | list[str]]]]:
    return [(match.route, match.params) for match in table.match(split(path.encode()))]


@pytest.mark.parametrize(
    ("path", "route", "params"),
    [
        ("/a", "/a", {}),
        ("/a/b", "/a/b", {}),
        ("/a/x", "/a/[id]", {"id": "x"}),
        ("/a/x/c", "/a/[id]/c", {"id": "x"}),
        ("/a/x/y", "/a/[id]/[k]", {"id": "x", "k": "y"}),
        ("/a/b/c", "/a/b/[...q]", {"q": ["c"]}),
        ("/a/b/c/d", "/a/b/[...q]", {"q": ["c", "d"]}),
        ("/a/x/y/z", "/a/[...s]", {"s": ["x", "y", "z"]}),
        ("/z", "/z", {}),
        ("/", "/[[...all]]", {"all": []}),
        ("/q/r", "/[[...all]]", {"all": ["q", "r"]}),
        ("/a/b%2Fc/d/e", "/a/[...s]", {"s": ["b/c", "d", "e"]}),
        ("/a/x%2Fy", "/a/[id]", {"id": "x/y"}),
    ],
)
def test_the_strongest_pattern_wins(path: str, route: str, params: dict[str, str | list[str]]) -> None:
    assert matches(table(*SET), path)[0] == (route, params)


def test_a_literal_segment_wins_over_a_parameter_and_a_parameter_over_catch_alls() -> None:
    routes = table("/[[...d]]", "/[...c]", "/[b]", "/a")
    assert [route for route, _ in matches(routes, "/a")] == ["/a", "/[b]", "/[...c]", "/[[...d]]"]


def test_the_order_in_which_routes_are_added_does_not_matter() -> None:
    assert matches(table(*SET), "/a/b/c") == matches(table(*reversed(SET)), "/a/b/c")


def test_a_route_that_declines_leaves_the_next_in_line() -> None:
    assert [route for route, _ in matches(table(*SET), "/a/b/c")] == [
        "/a/b/[...q]",
        "/a/[id]/c",
        "/a/[id]/[k]",
        "/a/[...s]",
        "/[[...all]]",
    ]


def test_a_dead_end_below_a_literal_falls_back_to_the_parameter() -> None:
    assert matches(table("/a/b", "/[x]/c"), "/a/c") == [("/[x]/c", {"x": "a"})]


def test_a_required_catch_all_needs_a_segment() -> None:
    assert matches(table("/a/[...s]"), "/a") == []


def test_an_optional_catch_all_that_nothing_is_left_for_is_an_empty_list() -> None:
    assert matches(table("/a/[[...s]]"), "/a/") == [("/a/[[...s]]", {"s": []})]


def test_a_path_that_fits_nothing_has_no_match() -> None:
    assert matches(table("/a", "/b/[id]"), "/c") == []
    assert matches(table(), "/") == []


def test_parameters_are_named_as_the_handler_spells_them() -> None:
    assert matches(table("/[product-id]"), "/7") == [("/[product-id]", {"product_id": "7"})]


@pytest.mark.parametrize("name", ["__class__", "constructor", "__proto__", "keys", "*", "[id]"])
def test_names_that_mean_something_elsewhere_are_ordinary(name: str) -> None:
    assert matches(table("/fixed"), f"/{name}") == []
    assert matches(table("/x/[id]"), f"/x/{name}") == [("/x/[id]", {"id": name})]


def test_candidates_are_found_one_by_one() -> None:
    assert next(table("/a", "/[x]").match(["a"])).route == "/a"


def test_a_very_long_path_needs_no_deep_stack() -> None:
    path = ["x"] * (sys.getrecursionlimit() * 5)
    assert [match.params for match in table("/[...s]").match(path)] == [{"s": path}]


def test_a_very_deep_pattern_needs_no_deep_stack() -> None:
    path = ["x"] * (sys.getrecursionlimit() * 2)
    deep = [Segment(SegmentKind.LITERAL, "x", "x")] * len(path)
    assert [match.route for match in Table([(deep, "deep")]).match(path)] == ["deep"]


def test_a_catch_all_is_a_list_whatever_the_path_came_as() -> None:
    (match,) = table("/[...s]").match(("x", "y"))
    assert match.params == {"s": ["x", "y"]}


def test_a_path_is_built_from_its_parameters() -> None:
    params: dict[str, str | list[str]] = {"product_id": "a/b", "rest": ["c", "d"]}
    assert build_segments(segments_of("/p/[product-id]/[...rest]"), params) == ["p", "a/b", "c", "d"]


def test_a_path_cannot_be_built_without_all_parameters() -> None:
    with pytest.raises(KeyError, match="id"):
        build_segments(segments_of("/p/[id]"), {})


@given(st.sampled_from(SET), st.data())
def test_a_path_built_from_parameters_matches_its_route_with_the_same_parameters(
    pattern: str, data: st.DataObject
) -> None:
    segments = segments_of(pattern)
    params: dict[str, str | list[str]] = {}
    for segment in segments:
        if segment.kind is SegmentKind.PARAM:
            params[segment.parameter] = data.draw(st.one_of(texts, st.sampled_from(["a", "b", "c", "z", "..", "%2F"])))
        elif segment.dynamic:
            least = 1 if segment.kind is SegmentKind.CATCH_ALL else 0
            params[segment.parameter] = data.draw(st.lists(texts, min_size=least, max_size=4))
    path = canonical(build_segments(segments, params))
    found = matches(table(*SET), path)
    assert (pattern, params) in found
    stronger = [route for route, _ in found[: found.index((pattern, params))]]
    assert all(rank(route, len(split(path.encode()))) < rank(pattern, len(split(path.encode()))) for route in stronger)


def rank(pattern: str, length: int) -> list[int]:
    """How strong each position of a path is matched; less is stronger."""
    strengths = {
        SegmentKind.LITERAL: 0,
        SegmentKind.PARAM: 1,
        SegmentKind.CATCH_ALL: 2,
        SegmentKind.OPTIONAL_CATCH_ALL: 3,
    }
    ranks = [strengths[segment.kind] for segment in segments_of(pattern)]
    return ranks + [ranks[-1]] * (length - len(ranks))


class Counted(dict[str, Any]):
    """The literals of a node, which are asked once each time that the walk comes by."""

    visits = 0

    def get(self, key: str, default: Any = None) -> Any:
        Counted.visits += 1
        return super().get(key, default)


def test_no_path_makes_the_walk_come_by_a_position_twice() -> None:
    """Each level has a literal and a parameter, so that nothing is decided before the end, which nothing fits."""
    levels = [("a", f"[x{level}]") for level in range(7)]
    found = table(*("/".join(["", *folders, "end"]) for folders in product(*levels)), "/a/[...rest]")
    positions = 0
    nodes = [found._root]
    while nodes:
        node = nodes.pop()
        positions += 1
        nodes += [*node.literals.values(), *([node.param] if node.param is not None else [])]
        node.literals = Counted(node.literals)
    for path in ("/" + "a/" * 64, "/" + "a/" * 7 + "no", "/" + "a/" * 7 + "end"):
        Counted.visits = 0
        list(found.match(split(path.encode())))
        assert 7 < Counted.visits <= positions
