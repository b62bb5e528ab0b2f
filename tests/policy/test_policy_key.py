"""Cache keys: R4.12, regressions 1, 5 and 8."""

from __future__ import annotations

import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.key import response_key

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
