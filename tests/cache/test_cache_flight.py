"""One flight per key (R4.13), and all that a shared run owes to those who share it."""

from __future__ import annotations

import asyncio
import gc
import threading
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from millpond.cache.runs.flight import Flights
from millpond.errors import CancelledCallError, CircularWaitError
from millpond.render.pending_tasks import drain_tasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

pytestmark = pytest.mark.anyio

T = TypeVar("T")


def names(flights: Flights[str]) -> set[str]:
    """Of the tasks of the flights that are under way, but for the one that asks."""
    return {task.get_name() for task in flights.tasks()}


class Work:
    """Work that counts its runs and waits until it is let go."""

    def __init__(self, result: str | BaseException = "done") -> None:
        self.result = result
        self.runs = 0
        self.cancelled = False
        self.gate = asyncio.Event()

    async def __call__(self) -> str:
        self.runs += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


class Stop(BaseException):
    """Like the signal that ends a static render: not an Exception."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def reported() -> list[tuple[str, BaseException]]:
    return []


@pytest.fixture
def flights(reported: list[tuple[str, BaseException]]) -> Flights[str]:
    return Flights(on_error=lambda key, error: reported.append((key, error)))


@pytest.fixture
async def problems() -> AsyncIterator[None]:
    """What the event loop had to say about tasks and futures that nobody looked after."""
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    yield
    gc.collect()
    await turns()
    assert said == []


async def turns(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def instantly() -> str:
    return "instant"


async def test_a_single_caller_gets_the_result_of_its_own_work(flights: Flights[str]) -> None:
    assert await flights.run("k", instantly) == ("instant", False)


async def test_a_thousand_callers_share_one_run(flights: Flights[str], problems: None) -> None:
    work = Work()
    callers = [asyncio.create_task(flights.run("k", work)) for _ in range(1000)]
    await turns()
    work.gate.set()
    results = await asyncio.gather(*callers)
    assert work.runs == 1
    assert {value for value, _ in results} == {"done"}
    assert [joined for _, joined in results].count(False) == 1


async def test_different_keys_fly_apart(flights: Flights[str]) -> None:
    one, other = Work("one"), Work("other")
    callers = [asyncio.create_task(flights.run(key, work)) for key, work in (("a", one), ("b", other))]
    await turns()
    one.gate.set()
    assert await callers[0] == ("one", False)
    assert not callers[1].done()
    other.gate.set()
    assert await callers[1] == ("other", False)


async def test_a_caller_after_the_end_starts_anew(flights: Flights[str]) -> None:
    runs = 0

    async def count() -> str:
        nonlocal runs
        runs += 1
        return str(runs)

    assert await flights.run("k", count) == ("1", False)
    assert await flights.run("k", count) == ("2", False)


async def test_nobody_joins_work_that_has_ended(flights: Flights[str]) -> None:
    seen: list[bool] = []

    async def work() -> str:
        # What it schedules last runs after the work, and before the task's own callbacks.
        asyncio.get_running_loop().call_soon(lambda: seen.append("flight k" in names(flights)))
        return "done"

    await flights.run("k", work)
    assert seen == [False]


async def test_none_and_false_are_results() -> None:
    flights: Flights[object] = Flights(on_error=lambda _, error: pytest.fail(repr(error)))

    async def nothing() -> object:
        return None

    assert await flights.run("k", nothing) == (None, False)


async def test_work_may_be_any_awaitable(flights: Flights[str]) -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    caller = asyncio.create_task(flights.run("k", lambda: future))
    await turns()
    future.set_result("from a future")
    assert await caller == ("from a future", False)


async def test_a_leader_who_goes_away_cancels_neither_the_work_nor_the_others(
    flights: Flights[str], problems: None
) -> None:
    work = Work()
    leader = asyncio.create_task(flights.run("k", work))
    await turns()
    follower = asyncio.create_task(flights.run("k", work))
    await turns()
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    work.gate.set()
    assert await follower == ("done", True)
    assert (work.runs, work.cancelled) == (1, False)


async def test_a_follower_who_goes_away_disturbs_nobody(flights: Flights[str], problems: None) -> None:
    work = Work()
    leader = asyncio.create_task(flights.run("k", work))
    follower = asyncio.create_task(flights.run("k", work))
    await turns()
    follower.cancel()
    await turns()
    assert follower.cancelled()
    work.gate.set()
    assert await leader == ("done", False)


async def test_work_goes_on_when_all_callers_have_gone(flights: Flights[str], problems: None) -> None:
    work = Work()
    leader = asyncio.create_task(flights.run("k", work))
    await turns()
    leader.cancel()
    await turns()
    assert "flight k" in names(flights)
    late = asyncio.create_task(flights.run("k", work))
    await turns()
    work.gate.set()
    assert await late == ("done", True)
    assert work.runs == 1


async def test_a_timeout_of_a_caller_is_a_timeout_and_no_more(flights: Flights[str]) -> None:
    work = Work()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(flights.run("k", work), timeout=0.01)
    assert "flight k" in names(flights)
    work.gate.set()
    assert (await flights.run("k", work))[1]


@pytest.mark.parametrize("error", [ValueError("broken"), Stop("dynamic"), SystemExit(3), KeyboardInterrupt()])
async def test_an_error_reaches_the_leader_and_the_followers(
    flights: Flights[str], problems: None, reported: list[tuple[str, BaseException]], error: BaseException
) -> None:
    work = Work(error)
    raised: list[BaseException] = []

    async def call() -> None:
        try:
            await flights.run("k", work)
        except BaseException as problem:  # noqa: BLE001 - the test is about all of them
            raised.append(problem)

    callers = [asyncio.create_task(call()) for _ in range(3)]
    await turns()
    work.gate.set()
    await asyncio.gather(*callers)
    assert raised == [error] * 3
    assert work.runs == 1
    assert reported == []


async def test_after_a_failure_the_callers_make_one_new_flight_and_no_herd(flights: Flights[str]) -> None:
    failing, mended = Work(ValueError("broken")), Work()

    async def call_again() -> tuple[str, bool]:
        try:
            return await flights.run("k", failing)
        except ValueError:
            return await flights.run("k", mended)

    callers = [asyncio.create_task(call_again()) for _ in range(100)]
    await turns()
    failing.gate.set()
    mended.gate.set()
    results = await asyncio.gather(*callers)
    assert {value for value, _ in results} == {"done"}
    assert (failing.runs, mended.runs) == (1, 1)


async def test_an_error_that_many_raise_has_one_short_traceback(flights: Flights[str]) -> None:
    work = Work(ValueError("broken"))
    callers = [asyncio.create_task(flights.run("k", work)) for _ in range(50)]
    await turns()
    work.gate.set()
    errors = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(error, ValueError) for error in errors)
    depths = [len(traceback.extract_tb(error.__traceback__)) for error in errors if isinstance(error, ValueError)]
    assert max(depths) < 10


async def test_the_work_runs_in_no_callers_context(flights: Flights[str]) -> None:
    name: ContextVar[str] = ContextVar("name", default="nobody")

    async def work() -> str:
        found = name.get()
        name.set("the work")
        return found

    name.set("leader")
    assert await flights.run("k", work) == ("nobody", False)
    assert name.get() == "leader"


async def test_work_that_is_done_alone_is_nobody_elses(flights: Flights[str]) -> None:
    first, second = Work("first"), Work("second")
    alone = asyncio.create_task(flights.alone("k", first))
    await turns()
    assert "flight k" not in names(flights)
    shared = asyncio.create_task(flights.run("k", second))
    await turns()
    first.gate.set()
    second.gate.set()
    assert (await alone, await shared) == ("first", ("second", False))


@pytest.mark.parametrize("error", [ValueError("broken"), Stop("dynamic"), SystemExit(3)])
async def test_what_work_that_is_done_alone_raises_is_the_callers(
    flights: Flights[str], problems: None, reported: list[tuple[str, BaseException]], error: BaseException
) -> None:
    work = Work(error)
    work.gate.set()
    with pytest.raises(type(error)) as raised:
        await flights.alone("k", work)
    assert raised.value is error
    assert reported == []


async def test_work_that_is_done_alone_ends_with_its_caller(
    flights: Flights[str], problems: None, reported: list[tuple[str, BaseException]]
) -> None:
    work = Work()
    caller = asyncio.create_task(flights.alone("k", work))
    await turns()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await turns()
    assert (work.cancelled, reported) == (True, [])


async def test_a_circle_by_way_of_work_that_is_done_alone_is_refused(flights: Flights[str]) -> None:
    async def outer() -> str:
        return await flights.alone("between", inner)

    async def inner() -> str:
        return (await flights.run("outer", outer))[0]

    with pytest.raises(CircularWaitError, match="outer → between → outer"):
        await asyncio.wait_for(flights.run("outer", outer), 5)


async def test_begin_starts_in_the_background_once(flights: Flights[str]) -> None:
    work = Work()
    assert "flight k" not in names(flights)
    assert flights.begin("k", work)
    assert not flights.begin("k", work)
    assert "flight k" in names(flights)
    await turns()
    work.gate.set()
    await turns()
    assert work.runs == 1
    assert "flight k" not in names(flights)
    assert flights.begin("k", work)
    await turns()
    assert work.runs == 2


async def test_a_caller_joins_a_background_flight(flights: Flights[str]) -> None:
    work = Work()
    flights.begin("k", work)
    caller = asyncio.create_task(flights.run("k", work))
    await turns()
    work.gate.set()
    assert await caller == ("done", True)
    assert work.runs == 1


@pytest.mark.parametrize("error", [ValueError("broken"), Stop("dynamic"), SystemExit(3)])
async def test_a_background_failure_is_reported(
    flights: Flights[str], problems: None, reported: list[tuple[str, BaseException]], error: BaseException
) -> None:
    work = Work(error)
    work.gate.set()
    flights.begin("k", work)
    await turns()
    assert reported == [("k", error)]
    assert "flight k" not in names(flights)


async def test_a_background_failure_reaches_who_joined_it_and_is_reported(
    flights: Flights[str], reported: list[tuple[str, BaseException]]
) -> None:
    work = Work(ValueError("broken"))
    flights.begin("k", work)
    caller = asyncio.create_task(flights.run("k", work))
    await turns()
    work.gate.set()
    with pytest.raises(ValueError, match="broken"):
        await caller
    assert [key for key, _ in reported] == ["k"]


async def test_a_failure_whose_callers_have_all_gone_is_reported(
    flights: Flights[str], problems: None, reported: list[tuple[str, BaseException]]
) -> None:
    work = Work(ValueError("broken"))
    caller = asyncio.create_task(flights.run("k", work))
    await turns()
    caller.cancel()
    await turns()
    work.gate.set()
    await turns()
    assert reported == [("k", work.result)]


async def test_a_failure_whose_callers_go_in_the_same_moment_is_reported(
    flights: Flights[str], reported: list[tuple[str, BaseException]]
) -> None:
    work = Work(ValueError("broken"))
    caller = asyncio.create_task(flights.run("k", work))
    await turns()
    work.gate.set()
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait((caller,))
    await turns()
    assert caller.cancelled()
    assert reported == [("k", work.result)]


async def test_work_that_cancels_itself_cancels_no_caller(
    flights: Flights[str], reported: list[tuple[str, BaseException]]
) -> None:
    work = Work(asyncio.CancelledError())
    work.gate.set()
    with pytest.raises(CancelledCallError, match=r"^k was cancelled before it had a result; call it again\.$"):
        await flights.run("k", work)
    flights.begin("k", work)
    await turns()
    assert [type(error) for _, error in reported] == [CancelledCallError]


async def test_an_eager_task_factory_changes_nothing(flights: Flights[str]) -> None:
    loop = asyncio.get_running_loop()
    eager: Callable[..., Any] | None = getattr(asyncio, "eager_task_factory", None)
    if eager is None:
        pytest.skip("eager tasks came with Python 3.12")
    loop.set_task_factory(eager)
    try:
        assert await flights.run("k", instantly) == ("instant", False)
        assert flights.begin("k", instantly)
        assert "flight k" not in names(flights)
        work = Work()
        callers = [asyncio.create_task(flights.run("k", work)) for _ in range(3)]
        work.gate.set()
        assert [joined for _, joined in await asyncio.gather(*callers)] == [False, True, True]
    finally:
        loop.set_task_factory(None)


async def test_drain_waits_for_what_is_under_way(flights: Flights[str]) -> None:
    works = [Work(), Work()]
    for number, work in enumerate(works):
        flights.begin(str(number), work)
    draining = asyncio.create_task(drain_tasks(flights.tasks, 60))
    await turns()
    assert not draining.done()
    for work in works:
        work.gate.set()
    assert await draining == 0
    assert not any(work.cancelled for work in works)


async def test_drain_waits_for_flights_that_begin_meanwhile(flights: Flights[str]) -> None:
    second = Work()

    async def first() -> str:
        await turns(2)
        flights.begin("second", second)
        return "done"

    flights.begin("first", first)
    draining = asyncio.create_task(drain_tasks(flights.tasks, 60))
    await turns(20)
    assert not draining.done()
    second.gate.set()
    assert await draining == 0


async def test_drain_cancels_the_rest_and_counts_it(
    flights: Flights[str], problems: None, reported: list[tuple[str, BaseException]]
) -> None:
    work, never_begun = Work(), Work()
    flights.begin("a", work)
    caller = asyncio.create_task(flights.run("a", work))
    await turns()
    flights.begin("b", never_begun)
    assert await drain_tasks(flights.tasks, 0) == 2
    assert work.cancelled
    assert flights.tasks() == []
    with pytest.raises(CancelledCallError):
        await caller
    assert reported == []


async def test_drain_is_not_held_up_by_work_that_ignores_its_cancellation(
    flights: Flights[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millpond.render.pending_tasks.UNWIND_SECONDS", 0.01)
    gate = asyncio.Event()

    async def stubborn() -> str:
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue
        return "at last"

    caller = asyncio.create_task(flights.run("k", stubborn))
    await turns()
    assert await drain_tasks(flights.tasks, 0) == 1
    gate.set()
    assert (await caller)[0] == "at last"


async def test_drain_within_a_flight_does_not_wait_for_itself(flights: Flights[str]) -> None:
    async def work() -> str:
        return str(await drain_tasks(flights.tasks, 60))

    assert await asyncio.wait_for(flights.run("k", work), timeout=5) == ("0", False)


def in_threads(*mains: Callable[[], Coroutine[Any, Any, T]]) -> list[T]:
    """The results of coroutine functions, each run in a thread and an event loop of its own."""
    with ThreadPoolExecutor(len(mains)) as threads:
        return list(threads.map(lambda main: asyncio.run(main()), mains, timeout=10))


def test_two_loops_in_two_threads_never_share_a_flight() -> None:
    flights: Flights[int] = Flights(on_error=lambda _, error: pytest.fail(repr(error)))
    both = threading.Barrier(2, timeout=10)

    async def main() -> tuple[int, list[bool]]:
        async def work() -> int:
            await asyncio.get_running_loop().run_in_executor(None, both.wait)  # both flights are under way at once
            return threading.get_ident()

        results = await asyncio.gather(*(flights.run("k", work) for _ in range(10)))
        assert {value for value, _ in results} == {threading.get_ident()}
        return threading.get_ident(), [joined for _, joined in results]

    results = in_threads(main, main)
    assert results[0][0] != results[1][0]
    assert all(joined.count(False) == 1 for _, joined in results)


def test_flights_keep_no_loop_alive() -> None:
    flights: Flights[str] = Flights(on_error=lambda _, error: pytest.fail(repr(error)))
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def main() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await flights.run("k", instantly)
        flights.begin("k", Work())

    asyncio.run(main())
    gc.collect()
    assert loops[0]() is None


def test_a_loop_that_was_closed_in_mid_flight_is_forgotten() -> None:
    flights: Flights[str] = Flights(on_error=lambda _, error: pytest.fail(repr(error)))
    future: asyncio.Future[str] | None = None

    async def begin() -> None:
        nonlocal future
        future = asyncio.get_running_loop().create_future()
        waiting = future
        flights.begin("k", lambda: waiting)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin())
    loop.set_exception_handler(lambda *_: None)  # it complains of the task, which is what this test leaves behind
    loop.close()
    assert asyncio.run(flights.run("k", instantly)) == ("instant", False)
    assert loop not in flights._tables
