"""The queue of one cache, with a clock that is an argument."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from millpond.policy.tags import EVERYTHING
from millpond.purge.queue import FIRST_PAUSE, MAX_PAUSE, PurgeBatch, PurgeQueue

NOON = 1_800_000_000.0


def waiting(
    max_tags_per_request: int = 10, again_after: float = 0, give_up_after: float = 100, max_tags: int = 50
) -> PurgeQueue:
    return PurgeQueue(max_tags_per_request, again_after=again_after, give_up_after=give_up_after, max_tags=max_tags)


def taken(queue: PurgeQueue, now: float = NOON) -> list[str]:
    """The tags of the next call, which is acknowledged."""
    batch = queue.take(now)
    if batch is None:
        return []
    queue.done(batch, now)
    return list(batch.items)


def begun(queue: PurgeQueue, now: float = NOON) -> PurgeBatch:
    batch = queue.take(now)
    assert batch is not None
    return batch


def test_what_waits_goes_into_one_call_each_tag_once() -> None:
    queue = waiting()
    queue.add(["a", "b"], hard=True, number=1, now=NOON)
    queue.add(["b", "c"], hard=True, number=2, now=NOON)
    assert taken(queue) == ["a", "b", "c"]
    assert taken(queue) == []


def test_a_call_takes_no_more_than_it_may() -> None:
    queue = waiting(max_tags_per_request=2)
    queue.add("abcde", hard=True, number=1, now=NOON)
    assert [taken(queue) for _ in range(4)] == [["a", "b"], ["c", "d"], ["e"], []]


def test_hard_and_soft_ones_go_apart_and_a_tag_that_is_both_is_hard() -> None:
    queue = waiting()
    queue.add(["soft", "both"], hard=False, number=1, now=NOON)
    queue.add(["both", "hard"], hard=True, number=2, now=NOON)
    first = begun(queue)
    assert (first.hard, list(first.items)) == (False, ["soft"])
    queue.done(first, NOON)
    second = begun(queue)
    assert (second.hard, list(second.items)) == (True, ["both", "hard"])


def test_an_acknowledged_purge_is_sent_once_more_and_then_no_more() -> None:
    queue = waiting(again_after=2)
    queue.add(["a"], hard=True, number=1, now=NOON)
    assert taken(queue, NOON) == ["a"]
    assert queue.next_due() == NOON + 2
    assert taken(queue, NOON + 1.9) == []
    assert taken(queue, NOON + 2) == ["a"]
    assert taken(queue, NOON + 9) == []
    assert queue.oldest() is None


def test_invalidations_without_end_do_not_put_the_second_purge_off() -> None:
    queue = waiting(again_after=2)
    oldest = []
    for number in range(1, 100):
        queue.add(["a"], hard=True, number=number, now=NOON + number)
        assert taken(queue, NOON + number) == ["a"]
        oldest.append(queue.oldest())
    assert oldest == [1, 1, *range(2, 99)]


def test_a_new_invalidation_of_a_tag_that_is_due_again_is_a_first_one() -> None:
    queue = waiting(again_after=2)
    queue.add(["a"], hard=True, number=1, now=NOON)
    taken(queue, NOON)
    queue.add(["a"], hard=True, number=2, now=NOON + 2)
    assert taken(queue, NOON + 2) == ["a"]
    assert queue.oldest() == 2, "that call was the second for the former"
    assert taken(queue, NOON + 4) == ["a"]
    assert queue.oldest() is None


def test_pauses_double_up_to_a_minute_and_are_over_with_the_first_success() -> None:
    queue = waiting(give_up_after=1e9)
    queue.add(["a"], hard=True, number=1, now=NOON)
    now, pauses = NOON, []
    for _ in range(12):
        queue.failed(begun(queue, now), now, None)
        assert queue.take(now) is None
        pauses.append(queue.pause_ends - now)
        now = queue.pause_ends
    assert pauses[:4] == [FIRST_PAUSE, 1, 2, 4]
    assert pauses[-1] == MAX_PAUSE
    assert taken(queue, now) == ["a"]
    queue.add(["b"], hard=True, number=2, now=now)
    assert taken(queue, now) == ["b"]


def test_a_cache_that_says_when_is_asked_then() -> None:
    queue = waiting()
    queue.add(["a"], hard=True, number=1, now=NOON)
    queue.failed(begun(queue), NOON, 17)
    assert queue.next_due() == NOON + 17
    assert taken(queue, NOON + 16.9) == []
    assert taken(queue, NOON + 17) == ["a"]


def test_a_cache_that_says_at_once_still_gets_a_pause() -> None:
    queue = waiting()
    queue.add(["a"], hard=True, number=1, now=NOON)
    queue.failed(begun(queue), NOON, 0)
    assert queue.take(NOON) is None


def test_while_a_cache_is_away_invalidations_gather_in_one_call() -> None:
    queue = waiting(max_tags_per_request=100)
    queue.add(["a"], hard=True, number=1, now=NOON)
    queue.failed(begun(queue), NOON, None)
    queue.add(["a", "b"], hard=True, number=2, now=NOON)
    assert sorted(taken(queue, queue.pause_ends)) == ["a", "b"]


def test_what_is_tried_for_too_long_is_given_up_and_what_is_newer_is_not() -> None:
    queue = waiting(give_up_after=100)
    queue.add(["old", "again"], hard=True, number=1, now=NOON)
    queue.failed(begun(queue), NOON, None)
    queue.add(["again", "new"], hard=True, number=2, now=NOON + 90)
    lost = queue.failed(begun(queue, NOON + 100), NOON + 100, None)
    assert list(lost) == ["old"]
    assert sorted(taken(queue, NOON + 200)) == ["again", "new"]


def test_what_is_refused_is_lost_and_the_rest_is_not() -> None:
    queue = waiting(max_tags_per_request=1)
    queue.add(["a", "b"], hard=True, number=1, now=NOON)
    assert list(queue.refused(begun(queue))) == ["a"]
    assert taken(queue) == ["b"]


def test_where_there_is_no_room_for_each_tag_everything_is_purged() -> None:
    queue = waiting(max_tags=50)
    queue.add([f"t{number}" for number in range(50)], hard=False, number=1, now=NOON)
    queue.add(["one more"], hard=True, number=2, now=NOON)
    batch = begun(queue)
    assert (batch.hard, list(batch.items)) == (True, [EVERYTHING])
    assert (batch.items[EVERYTHING].first, batch.items[EVERYTHING].last) == (1, 2)


def test_what_is_to_be_sent_again_needs_room_too() -> None:
    queue = waiting(max_tags_per_request=100, again_after=2, max_tags=50)
    told = []
    for number in range(1, 52):
        queue.add([f"t{number}"], hard=True, number=number, now=NOON)
        told += taken(queue)
        assert len(queue) <= 50
    assert told == [*(f"t{number}" for number in range(1, 51)), EVERYTHING]
    assert queue.oldest() == 1, "that one came before it was time for the second purge of the others"
    assert taken(queue, NOON + 2) == [EVERYTHING]
    assert queue.oldest() is None


def test_abandoning_returns_all_that_was_not_acknowledged() -> None:
    queue = waiting(max_tags_per_request=1, again_after=2)
    queue.add(["again"], hard=True, number=1, now=NOON)
    taken(queue)
    queue.add(["under way", "waits"], hard=True, number=2, now=NOON)
    begun(queue)
    assert sorted(queue.abandon()) == ["again", "under way", "waits"]
    assert queue.oldest() is None


class Machine(RuleBasedStateMachine):
    """Whatever happens in whatever order: no invalidation is forgotten before it was acknowledged, or reported lost."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = waiting(max_tags_per_request=3, again_after=2, give_up_after=30, max_tags=6)
        self.now, self.number = NOON, 0
        self.under_way: PurgeBatch | None = None
        self.owed: dict[str, int] = {}
        """Tag -> the latest invalidation that no call since has purged."""

    @rule(tags=st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=4), hard=st.booleans())
    def invalidate(self, tags: list[str], hard: bool) -> None:
        self.number += 1
        self.queue.add(tags, hard=hard, number=self.number, now=self.now)
        self.owed |= dict.fromkeys(tags, self.number)

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.0, 10.0, 61.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.under_way is None)
    @rule()
    def take(self) -> None:
        self.under_way = self.queue.take(self.now)

    @precondition(lambda self: self.under_way is not None)
    @rule(how=st.sampled_from(["done", "failed", "refused"]))
    def settle(self, how: str) -> None:
        batch, self.under_way = self.under_way, None
        assert batch is not None
        gone = batch.items
        if how == "done":
            self.queue.done(batch, self.now)
        else:
            gone = self.queue.refused(batch) if how == "refused" else self.queue.failed(batch, self.now, None)
        for tag, number in list(self.owed.items()):
            if any(each in (tag, EVERYTHING) and item.last >= number for each, item in gone.items()):
                del self.owed[tag]

    @invariant()
    def nothing_is_forgotten(self) -> None:
        oldest = self.queue.oldest()
        if self.owed:
            assert oldest is not None
            assert oldest <= min(self.owed.values())
        assert len(self.queue) <= 6 + 3


TestMachine = Machine.TestCase


@pytest.mark.parametrize("number", [1, 7])
def test_the_oldest_is_what_waiting_for_an_acknowledgement_goes_by(number: int) -> None:
    queue = waiting()
    queue.add(["a"], hard=True, number=number, now=NOON)
    assert queue.oldest() == number
    batch = begun(queue)
    assert queue.oldest() == number
    queue.done(batch, NOON)
    assert queue.oldest() is None
