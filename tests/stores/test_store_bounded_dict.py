"""A dict that is bounded in number and bytes, as clients choose what is put into it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from millpond.stores.bounded_dict import BoundedDict


def test_what_was_remembered_first_goes_first() -> None:
    remembered = BoundedDict[bytes, int](3, 1000)
    for number in range(5):
        remembered.keep(b"%d" % number, number, 1)
    assert list(remembered) == [b"2", b"3", b"4"]


def test_large_values_leave_room_for_fewer() -> None:
    remembered = BoundedDict[bytes, int](100, 1000)
    for number in range(5):
        remembered.keep(b"%d" % number, number, 400)
    assert list(remembered) == [b"3", b"4"]


def test_one_that_is_larger_than_all_may_be_takes_no_others_place() -> None:
    remembered = BoundedDict[bytes, int](100, 1000)
    remembered.keep(b"a", 1, 10)
    remembered.keep(b"b", 2, 1001)
    assert remembered == {b"a": 1}


@given(st.lists(st.tuples(st.binary(max_size=1), st.integers(0, 50)), max_size=60))
def test_bytes_are_those_of_what_is_there(kept: list[tuple[bytes, int]]) -> None:
    remembered = BoundedDict[bytes, int](10, 100)
    for sent, size in kept:
        remembered.keep(sent, size, size)
        assert remembered[sent] == size
        assert remembered.bytes == sum(remembered.values()) <= 100
        assert len(remembered) <= 10


def test_without_sizes_the_number_alone_is_bounded() -> None:
    remembered = BoundedDict[str, int](2)
    assert [remembered.keep(key, number) for number, key in enumerate("aba")] == [False, False, False]
    assert remembered.keep("c", 3)
    assert remembered == {"a": 2, "c": 3}
