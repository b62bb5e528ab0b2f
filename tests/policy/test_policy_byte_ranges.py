from __future__ import annotations

import pytest

from millpond.policy.http.byte_ranges import LONGEST, MOST_RANGES, satisfiable


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (b"bytes=0-9", b"bytes=0-9"),
        (b"Bytes = 5-", b"bytes=5-"),
        (b"bytes=-3", b"bytes=-3"),
        (b"bytes=0-0, ,\t-1", b"bytes=0-0,-1"),
        (b"bytes=90-200", b"bytes=90-200"),
        (b"bytes=0-1,500-600", b"bytes=0-1"),
    ],
)
def test_ranges_that_can_be_sent_are_kept(given: bytes, kept: bytes) -> None:
    assert satisfiable(given, 100) == kept


@pytest.mark.parametrize(
    "given",
    [
        *(b"", b"bytes", b"bytes=", b"bytes=,", b"lines=0-9", b"bytes=x", b"bytes=-", b"bytes=9-3", b"bytes=0-9;"),
        *(b"bytes=+1-2", b"bytes=1_0-20", b"bytes=0-1,x", "bytes=٣-٤".encode(), b"bytes=0-1,9-3"),
        b"bytes=" + b",".join([b"0-0"] * (MOST_RANGES + 1)),
        b"bytes=0-" + b"9" * LONGEST,
    ],
)
def test_what_is_malformed_or_too_much_is_ignored(given: bytes) -> None:
    assert satisfiable(given, 100) is None


@pytest.mark.parametrize("given", [b"bytes=100-", b"bytes=-0", b"bytes=100-100,200-"])
def test_ranges_of_which_none_can_be_sent_are_left_for_a_416(given: bytes) -> None:
    assert satisfiable(given, 100) == given


def test_an_empty_representation_has_no_ranges() -> None:
    assert satisfiable(b"bytes=0-", 0) is None


def test_a_number_may_have_as_many_digits_as_fit() -> None:
    assert satisfiable(b"bytes=0-" + b"9" * 4000, 100) is not None
