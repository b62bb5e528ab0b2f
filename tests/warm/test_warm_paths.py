"""What may be asked for, of what a list, a log or a sitemap says."""

from __future__ import annotations

import pytest

from millpond.warm.asked_path import LONGEST_PATH, NotAsked, asked_path, origin_of
from millpond.warm.ranking import Ranking

SHOP = ("https://shop.example",)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/", "/"),
        ("/a b/ü?q=ä b#top", "/a%20b/%C3%BC?q=%C3%A4%20b"),
        ("/50%25%20off", "/50%25%20off"),
        ("/a?", "/a"),
        ("https://shop.example", "/"),
        ("https://SHOP.example:443/a?b=c", "/a?b=c"),
        ("https://shop.example?b=c", "/?b=c"),
        (" /padded ", "/padded"),
        ("/a\nb", "/a%0Ab"),
    ],
)
def test_a_path_is_encoded_as_a_client_would(text: str, path: str) -> None:
    assert asked_path(text, SHOP) == path


@pytest.mark.parametrize(
    "text",
    [
        "//evil.example/a",
        "/\\evil.example",
        "http://shop.example/a",
        "https://shop.example:444/a",
        "https://shop.example.evil.example/a",
        "https://shop.example@evil.example/a",
        "https://me:secret@shop.example/a",
        "https://[::1/a",
        "ftp://shop.example/a",
        "a/b",
        "",
        "javascript:alert(1)",
        "/" + "a" * LONGEST_PATH,
    ],
)
def test_nothing_else_is_asked_for(text: str) -> None:
    with pytest.raises(NotAsked):
        asked_path(text, SHOP)


def test_an_origin_has_one_spelling() -> None:
    assert origin_of("HTTP://Shop.Example:80/x") == "http://shop.example"
    assert origin_of("http://[::1]:8000/") == "http://[::1]:8000"


def test_paths_are_ranked_by_their_count_and_then_by_their_order() -> None:
    ranking = Ranking()
    for path in ("/a", "/b", "/c", "/b"):
        ranking.count(path)
    assert ranking.best(10) == ["/b", "/a", "/c"]
    assert ranking.best(1) == ["/b"]


def test_a_log_full_of_scans_doesnt_grow_in_memory() -> None:
    ranking = Ranking(most=100)
    for number in range(10_000):
        ranking.count(f"/scan/{number}")
        ranking.count("/popular")
    assert len(ranking) < 200
    assert ranking.best(1) == ["/popular"]
