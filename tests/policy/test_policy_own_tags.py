"""The tags that answers have by where they are, and those that users may give: R5.3, R6.2, K.8 and K.9."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.policy import tags
from millpond.policy.http.surrogate import key_of
from millpond.policy.tags import (
    LONGEST_NAME,
    MAX_TAG_LENGTH,
    MAX_TAGS,
    Named,
    below_tag,
    checked_tags,
    is_own,
    kept_tag,
    named,
    own_tags,
    path_tag,
    route_tag,
    whole_tags,
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


# Long paths

segments = st.lists(st.text("aé%", min_size=1, max_size=40), max_size=20)


@given(segments)
def test_whatever_encloses_a_path_has_a_tag_by_which_it_is_invalidated(path: list[str]) -> None:
    found = own_tags("/[...path]", "/[...path]", "/" + "/".join(path))
    assert kept_tag(path_tag("/" + "/".join(path))) in found
    for end in range(len(path) + 1):
        assert kept_tag(below_tag("/" + "/".join(path[:end]))) in found
        assert kept_tag(below_tag("/" + "/".join([*path[:end], "x"]))) not in found


@given(segments)
def test_what_is_kept_of_a_tag_has_the_same_key_in_caches_in_front(path: list[str]) -> None:
    for tag in (path_tag("/" + "/".join(path)), below_tag("/" + "/".join(path))):
        assert key_of(kept_tag(tag)) == key_of(tag)
        assert kept_tag(kept_tag(tag)) == kept_tag(tag)


@pytest.mark.parametrize("path", ["/" + "a" * 8191, "/a" * 64, "/" + "/".join(["a" * 127] * 64), "/" + "%C3%A9" * 1000])
def test_own_tags_are_small_however_long_the_path_is(path: str) -> None:
    found = own_tags("/[...path]", "/[...path]", path)
    assert max(map(len, found)) <= len("\0below:") + LONGEST_NAME
    assert sum(map(len, found)) < 3000


def test_making_own_tags_costs_no_more_than_the_path_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = 0
    encoded = tags._encoded

    def counting(text: str) -> bytes:
        nonlocal hashed
        hashed += len(text)
        return encoded(text)

    monkeypatch.setattr(tags, "_encoded", counting)
    path = "/" + "/".join(["a" * 30] * 1000)
    own_tags("/[...path]", "/[...path]", path)
    assert hashed < 3 * len(path)


def test_a_short_path_stands_in_its_tags_and_a_pattern_always_does() -> None:
    short, long = "/" + "a" * (LONGEST_NAME - 1), "/" + "a" * LONGEST_NAME
    assert kept_tag(path_tag(short)) == path_tag(short)
    assert kept_tag(path_tag(long)) != path_tag(long)
    assert route_tag(long) in own_tags(long, long, "/")


@pytest.mark.parametrize("tag", ["mp-" + "0" * 24, "path:/" + "a" * 100, "below:/" + "a" * 100])
def test_a_tag_of_a_users_is_kept_as_it_is(tag: str) -> None:
    assert kept_tag(tag) == tag
    assert key_of(tag) != tag


def test_people_are_shown_the_path_of_every_tag() -> None:
    where = ("/files/[...path]", "/(main)/files/[...path]", "/files/" + "/".join(["a" * 20] * 9))
    wholes = whole_tags(*where)
    for tag in own_tags(*where)[1:]:
        assert wholes[tag].startswith(("\0path:/", "\0below:/"))
        assert kept_tag(wholes[tag]) == tag


def test_a_digest_names_nothing_but_a_key() -> None:
    tag = kept_tag(below_tag("/" + "a" * 100))
    assert named(tag) == (Named.KEY, key_of(tag))


# K.9


def test_of_140_tags_128_are_kept_with_one_complaint() -> None:
    good, problems = checked_tags(f"t{n}" for n in range(140))
    assert good == [f"t{n}" for n in range(MAX_TAGS)]
    assert len(problems) == 1
    assert "128" in problems[0]


def test_repeated_tags_count_once() -> None:
    good, problems = checked_tags(["t"] * 500 + ["u"])
    assert (good, problems) == (["t", "u"], [])


def test_what_can_be_no_tag_is_left_out_with_a_complaint() -> None:
    good, problems = checked_tags(["ok", 5, "x" * (MAX_TAG_LENGTH + 1), "\0route:/", "é,ü"])
    assert good == ["ok", "é,ü"]
    assert len(problems) == 3
    assert "int" in problems[0]
    assert "257" in problems[1]


def test_the_longest_tag_is_kept() -> None:
    assert checked_tags(["x" * MAX_TAG_LENGTH]) == (["x" * MAX_TAG_LENGTH], [])


def test_a_comma_breaks_no_tag() -> None:
    assert checked_tags(["a,b"])[0] == ["a,b"]  # D11


def test_tags_are_case_sensitive() -> None:
    assert checked_tags(["A", "a"])[0] == ["A", "a"]


def test_many_wrong_tags_are_few_complaints_and_leave_the_others_in() -> None:
    good, problems = checked_tags([*[b"x" * 10_000] * 500, "t"])
    assert good == ["t"]
    assert sum(map(len, problems)) < 3000
    assert problems[-1].startswith("490 more")


@pytest.mark.parametrize("tag", ["products", "p"])
def test_a_single_string_is_one_tag_and_not_its_letters(tag: str) -> None:
    assert checked_tags(tag) == ([tag], [])
