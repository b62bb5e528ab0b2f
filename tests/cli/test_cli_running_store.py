"""What commands say of the store that servers use: before the build, and of what it hasn't got."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_cli_cache import Pond

if TYPE_CHECKING:
    from ponds import Project


@pytest.fixture
def served(project: Project, capsys: pytest.CaptureFixture[str]) -> Pond:
    """Built, served, and stopped."""
    pond = Pond(project, capsys)
    pond.build()
    assert pond.ask("/items/1", "/stock/north") == ["HIT", "MISS"]
    return pond


def test_what_the_running_store_has_counts_before_the_build(served: Pond) -> None:
    facts = served.call("explain", "/items/1", "--json").facts["cache"]
    assert (facts["answer"], facts["reason"], facts["by"]) == ("HIT", "fresh", "the running store")
    assert served.call("revalidate", "--path", "/items/1").code == 0
    facts = served.call("explain", "/items/1", "--json").facts["cache"]
    assert (facts["answer"], facts["reason"], facts["tag"]) == ("MISS", "tag", "path:/items/1")
    assert "MISS (tag path:/items/1), by the running store" in served.call("explain", "/items/1").out
    assert served.ask("/items/1") == ["MISS"]
    assert served.call("explain", "/items/1", "--json").facts["cache"]["answer"] == "HIT"


def test_what_was_rendered_on_demand_is_a_hit_by_the_running_store(served: Pond) -> None:
    facts = served.call("explain", "/stock/north", "--json").facts["cache"]
    assert (facts["answer"], facts["by"], facts["tags"]) == ("HIT", "the running store", ["stock"])
    assert served.call("revalidate", "--tag", "stock", "--profile", "max").code == 0
    facts = served.call("explain", "/stock/north", "--json").facts["cache"]
    assert (facts["answer"], facts["reason"], facts["tag"]) == ("STALE", "tag", "stock")


def test_what_was_purged_is_a_miss_by_the_running_store_and_not_the_builds_answer(served: Pond) -> None:
    assert served.cache("purge", "--path", "/items/1").code == 0
    facts = served.call("explain", "/items/1", "--json").facts["cache"]
    assert (facts["answer"], facts["reason"], facts["by"]) == ("MISS", "cold", "the running store")


def test_a_build_that_no_server_has_served_is_judged_by_its_entries(served: Pond) -> None:
    assert served.call("revalidate", "--path", "/items/1").code == 0
    served.build()
    facts = served.call("explain", "/items/1", "--json").facts["cache"]
    assert (facts["answer"], facts["by"]) == ("HIT", "the entries of the build")
    assert served.ask("/items/1") == ["HIT"]


def test_a_tag_or_path_that_nothing_has_is_said_to_have_reached_nothing(served: Pond) -> None:
    done = served.call("revalidate", "--tag", "stock", "--path", "/items/1", "--json")
    assert done.facts["warnings"] == []
    done = served.call("revalidate", "--tag", "path:/", "--tag", "stocks", "--tag", "stock", "--json")
    assert done.facts["warnings"] == [
        'nothing in the store has the tag "path:/", so this has reached nothing; for the built-in tags of paths there '
        "is --path /.",
        'nothing in the store has the tag "stocks", so this has reached nothing.',
    ]
    done = served.call("revalidate", "--path", "/stock/nowhere", "--json")
    assert done.facts["warnings"] == [
        "nothing in the store is of the path /stock/nowhere, so this has reached nothing."
    ]
    done = served.call("revalidate", "--tag", "stocks")
    assert (done.code, "reached nothing" in done.err) == (0, True)
