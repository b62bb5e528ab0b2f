"""What a process keeps of a store that it shares."""

from __future__ import annotations

from millpond.stores.local_entries import Doorkeeper, LocalEntries


class Item:
    def __init__(self, size: int) -> None:
        self.size = size


def test_a_key_is_new_once() -> None:
    doorkeeper = Doorkeeper()
    keys = [f"response\0app/[id]/route.py\0/{number}\0" for number in range(500)]
    new = [key for key in keys if not doorkeeper.has_seen(key)]
    assert len(new) > 480  # another key may have the same place and mark
    assert sum(doorkeeper.has_seen(key) for key in new) > 480


def test_what_a_doorkeeper_remembers_takes_no_more_room_with_more_keys() -> None:
    doorkeeper = Doorkeeper()
    size = len(doorkeeper._marks)
    for number in range(100_000):
        doorkeeper.has_seen(str(number))
    assert len(doorkeeper._marks) == size
    assert sum(doorkeeper.has_seen(str(number)) for number in range(1000)) < 500


def test_the_least_recently_read_items_make_room() -> None:
    items: LocalEntries[Item] = LocalEntries(30)
    for name in ("a", "b", "c"):
        items.keep(name, Item(10))
    items.get("a")
    items.keep("d", Item(10))
    assert [items.get(name) is not None for name in ("a", "b", "c", "d")] == [True, False, True, True]
    items.keep("e", Item(31))
    assert items.get("e") is None
