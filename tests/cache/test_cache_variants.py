"""How many answers of one path are kept for different queries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from millpond.cache.rendering.variant_bounds import Variants


def test_the_variant_that_was_rendered_least_recently_has_to_go() -> None:
    variants = Variants(2)
    assert [variants.stored("/", key) for key in ("a", "b", "a", "c")] == [[], [], [], ["b"]]


def test_paths_are_counted_apart() -> None:
    variants = Variants(1)
    assert [variants.stored(path, path) for path in ("/a", "/b", "/c")] == [[], [], []]


def test_the_memory_of_paths_is_bounded_and_forgets_no_entry() -> None:
    variants = Variants(1)
    for n in range(1_000):
        assert variants.stored(f"/{n}", f"k{n}") == []
    assert variants.stored("/0", "k0") == []
    assert variants.stored("/more", "more") == ["k1"]


def test_the_memory_of_paths_is_bounded_in_bytes_and_forgets_no_entry() -> None:
    variants, kept = Variants(100, 1_000_000), set[str]()
    for number in range(2000):
        key = f"{number}{'k' * 600}"
        kept = (kept | {key}) - set(variants.stored(f"/{number // 2}{'p' * 8000}", key))
    assert 100 < len(kept) < 300
    assert variants._bytes <= 1_000_000
    assert variants._bytes > len(kept) * 600


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), max_size=60), st.integers(1, 4))
def test_never_more_are_kept_than_allowed_and_never_the_newest_is_dropped(
    stored: list[tuple[str, int]], most: int
) -> None:
    variants, kept = Variants(most), {"a": set[str](), "b": set[str]()}
    for path, number in stored:
        key = f"{path}{number}"
        surplus = variants.stored(path, key)
        assert key not in surplus
        kept[path] = (kept[path] | {key}) - set(surplus)
        assert len(kept[path]) <= most
