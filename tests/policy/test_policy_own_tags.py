"""The tags that answers have by where they are, and those that users may give: R5.3, R6.2, annexes K.8 and K.9."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.tags import (
    MAX_TAG_LENGTH,
    MAX_TAGS,
    below_tag,
    checked_tags,
    is_own,
    own_tags,
    path_tag,
    route_tag,
)


def test_an_answer_has_the_tags_of_its_route_its_path_and_of_all_above() -> None:
    assert set(own_tags("/a/[id]", "/a/[id]", "/a/1")) == {
        route_tag("/a/[id]"),
        path_tag("/a/1"),
        below_tag("/"),
        below_tag("/a"),
        below_tag("/a/[id]"),
        below_tag("/a/1"),
    }


def test_the_root_has_one_enclosing_tag() -> None:
    assert set(own_tags("/", "/", "/")) == {route_tag("/"), path_tag("/"), below_tag("/")}


def test_groups_enclose_with_and_without_their_name() -> None:
    tags = own_tags("/shop/[id]", "/(main)/shop/[id]", "/shop/7")
    for prefix in ("/(main)", "/(main)/shop", "/(main)/shop/[id]", "/shop", "/shop/[id]", "/shop/7", "/"):
        assert below_tag(prefix) in tags


def test_a_prefix_ends_at_a_slash() -> None:
    assert below_tag("/a") not in own_tags("/ab", "/ab", "/ab")


def test_each_tag_is_there_once() -> None:
    tags = own_tags("/a/b", "/a/b", "/a/b")
    assert len(set(tags)) == len(tags)


@given(st.text(max_size=20))
def test_no_tag_of_a_users_is_taken_for_an_own_one(tag: str) -> None:
    good, _ = checked_tags([tag])
    assert not any(map(is_own, good))


def test_own_tags_are_told_from_others() -> None:
    assert all(map(is_own, own_tags("/a/[id]", "/a/[id]", "/a/1")))
    assert not is_own("products")


# K.9


def test_of_140_tags_128_are_kept_with_one_complaint() -> None:
    good, complaints = checked_tags(f"t{n}" for n in range(140))
    assert good == [f"t{n}" for n in range(MAX_TAGS)]
    assert len(complaints) == 1
    assert "128" in complaints[0]


def test_repeated_tags_count_once() -> None:
    good, complaints = checked_tags(["t"] * 500 + ["u"])
    assert (good, complaints) == (["t", "u"], [])


def test_what_can_be_no_tag_is_left_out_with_a_complaint() -> None:
    good, complaints = checked_tags(["ok", 5, "x" * (MAX_TAG_LENGTH + 1), "\0route:/", "é,ü"])
    assert good == ["ok", "é,ü"]
    assert len(complaints) == 3
    assert "int" in complaints[0]
    assert "257" in complaints[1]


def test_the_longest_tag_is_kept() -> None:
    assert checked_tags(["x" * MAX_TAG_LENGTH]) == (["x" * MAX_TAG_LENGTH], [])


def test_a_comma_breaks_no_tag() -> None:
    assert checked_tags(["a,b"])[0] == ["a,b"]  # DESIGN D11


def test_tags_are_case_sensitive() -> None:
    assert checked_tags(["A", "a"])[0] == ["A", "a"]


@pytest.mark.parametrize("tag", ["products", "p"])
def test_a_single_string_is_one_tag_and_not_its_letters(tag: str) -> None:
    assert checked_tags(tag) == ([tag], [])
