"""Cache keys: R4.12."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.key import (
    fingerprint_in,
    folders_in,
    is_shared,
    origin_in,
    path_in,
    response_key,
    shared_key,
)

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@given(a=st.tuples(names, names), b=st.tuples(names, names))
def test_two_routes_or_paths_never_share_a_key(a: tuple[str, str], b: tuple[str, str]) -> None:
    assert (response_key(*a) == response_key(*b)) is (a == b)


def test_a_separator_in_one_part_is_no_end_of_it() -> None:
    assert response_key("a:b", "c") != response_key("a", "b:c")
    assert response_key("app/a", "/b/route.py/c") != response_key("app/a/b/route.py", "/c")


def test_the_owner_is_part_of_the_key() -> None:
    assert response_key("app/a/[id]/route.py", "/a/1") != response_key("app/a/1/route.py", "/a/1")


def test_names_that_objects_have_are_ordinary() -> None:
    keys = {response_key("app/[id]/route.py", f"/{name}") for name in ("__class__", "constructor", "__proto__")}
    assert len(keys) == 3


def test_a_key_is_the_same_in_every_process() -> None:
    program = "from millpond.policy.key import response_key; print(ascii(response_key('app/a/route.py', '/a')))"
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1")
    }
    assert found == {ascii(response_key("app/a/route.py", "/a"))}


@given(a=st.tuples(names, names), b=st.tuples(names, names))
def test_long_paths_and_queries_are_told_apart_by_short_keys(a: tuple[str, str], b: tuple[str, str]) -> None:
    long = [response_key("app/route.py", f"/{'a' * 300}{path}", f"{'q' * 8000}{query}") for path, query in (a, b)]
    assert (long[0] == long[1]) is (a == b)
    assert all(len(key) < 600 for key in long)


def test_a_cut_path_is_nobodys_path() -> None:
    """What stands for a long path can't be asked for: a path is encoded, and so is a query."""
    key = response_key("app/route.py", "/" + "a" * 300)
    assert not (path_in(key) or "").isascii()


def test_a_key_says_where_its_answer_is() -> None:
    key = response_key("app/(main)/shop/[id]/route.py", "/shop/7", "page=2")
    assert (path_in(key), folders_in(key)) == ("/shop/7", "/(main)/shop/[id]")
    assert path_in(response_key("app/route.py", "/" + "a" * 300)) == "/" + "a" * 199 + "…" + key_digest("a" * 300)
    assert path_in("cron\0/a\0* * * * *\0UTC") is None


def key_digest(path: str) -> str:
    return hashlib.blake2b(f"/{path}".encode(), digest_size=20).hexdigest()


def test_the_key_of_an_answer_that_builds_share_names_the_same_route_and_path() -> None:
    key = response_key("app/(main)/a/[id]/route.py", "/a/1", "q=1")
    shared = shared_key(key, "0123abcd")
    assert is_shared(shared)
    assert not is_shared(key)
    assert (fingerprint_in(shared), fingerprint_in(key)) == ("0123abcd", "")
    for each in (key, shared):
        assert (origin_in(each), path_in(each), folders_in(each)) == (
            "app/(main)/a/[id]/route.py",
            "/a/1",
            "/(main)/a/[id]",
        )


@given(names, names)
def test_different_fingerprints_are_different_keys(path: str, query: str) -> None:
    key = response_key("app/route.py", path, query)
    assert len({key, shared_key(key, "a"), shared_key(key, "b")}) == 3
    assert shared_key(key, "") == key


def test_a_route_whose_name_looks_like_a_fingerprint_shares_nothing() -> None:
    assert not is_shared(response_key("response@0123", "/a"))
    assert origin_in("function\0response@0123") is None
