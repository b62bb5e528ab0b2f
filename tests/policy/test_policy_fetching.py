"""plan_fetch: the steps of docs/rules.md, 5.1, and the table of R5.6, for each compat version."""

from __future__ import annotations

from typing import Literal

import pytest

from millpond.policy.compat import Compat
from millpond.policy.fetch_plan import CacheOption, FetchCall, FetchConflict, FetchPlan, FetchSurroundings, plan_fetch
from millpond.policy.segment import Dynamic, FetchCache, SegmentConfig

V14, V15, V16 = Compat.V14, Compat.V15, Compat.V16
ALL, LATER = (V14, V15, V16), (V15, V16)
Revalidate = float | Literal[False] | None

NOTHING = FetchCall()
FORCE_CACHE = FetchCall(cache="force-cache")
TEN = FetchCall(revalidate=10)
NO_STORE = FetchCall(cache="no-store")
ZERO = FetchCall(revalidate=0)
CALLS = {"nothing": NOTHING, "force-cache": FORCE_CACHE, "10 s": TEN, "no-store": NO_STORE, "0 s": ZERO}

ROUTE = 60.0
UNCACHED = "uncached"
BY_THE_ROUTE = "as long as the route"
FOREVER = "forever"
TEN_SECONDS = "10 s"
REFUSED = "refused"


def plan(
    call: FetchCall,
    compat: Compat = V16,
    mode: FetchCache | None = None,
    *,
    dynamic: Dynamic | None = None,
    route: float | None = ROUTE,
    prerendering: bool = False,
    cache_components: bool = False,
) -> FetchPlan:
    segment = SegmentConfig(fetch_cache=mode, dynamic=dynamic)
    return plan_fetch(call, FetchSurroundings(compat, segment, route, prerendering, cache_components))


def kept(
    call: FetchCall, compat: Compat, mode: FetchCache | None, *, route: float | None = ROUTE, prerendering: bool = False
) -> str:
    """What becomes of a call, in words."""
    try:
        found = plan(call, compat, mode, route=route, prerendering=prerendering)
    except FetchConflict:
        return REFUSED
    if not found.cached:
        return UNCACHED
    return {None: FOREVER, ROUTE: BY_THE_ROUTE, 10: TEN_SECONDS}[found.revalidate]


# The table of R5.6; its columns are the calls. Rows without versions hold for all.

ROWS: list[tuple[tuple[Compat, ...], FetchCache | None, dict[str, str]]] = [
    ((V14,), None, {"nothing": BY_THE_ROUTE}),
    (LATER, None, {"nothing": UNCACHED}),
    (ALL, FetchCache.AUTO, {"nothing": BY_THE_ROUTE}),
    (ALL, FetchCache.DEFAULT_CACHE, {"nothing": FOREVER}),
    (ALL, FetchCache.ONLY_CACHE, {"nothing": BY_THE_ROUTE, "no-store": REFUSED}),
    (ALL, FetchCache.FORCE_CACHE, {"nothing": FOREVER, "no-store": FOREVER, "0 s": FOREVER}),
    (ALL, FetchCache.DEFAULT_NO_STORE, {"nothing": UNCACHED}),
    (ALL, FetchCache.ONLY_NO_STORE, {"nothing": UNCACHED, "force-cache": REFUSED, "10 s": REFUSED}),
    (ALL, FetchCache.FORCE_NO_STORE, {"nothing": UNCACHED, "force-cache": UNCACHED, "10 s": UNCACHED}),
]
AS_ASKED = {"force-cache": FOREVER, "10 s": TEN_SECONDS, "no-store": UNCACHED, "0 s": UNCACHED}
CELLS = [
    pytest.param(compat, mode, call, expected, id=f"{compat.value}, {mode.value if mode else 'unset'}: {call}")
    for versions, mode, row in ROWS
    for compat in versions
    for call, expected in {**AS_ASKED, **row}.items()
]


@pytest.mark.parametrize(("compat", "mode", "call", "expected"), CELLS)
def test_fetch_cache_decides_by_the_table(compat: Compat, mode: FetchCache | None, call: str, expected: str) -> None:
    assert kept(CALLS[call], compat, mode) == expected


# Rule 1: options that contradict each other

CONFLICTS: list[tuple[CacheOption, Revalidate]] = [
    ("force-cache", 0),
    ("no-store", 10),
    ("no-store", False),
]


@pytest.mark.parametrize(("cache", "revalidate"), CONFLICTS)
@pytest.mark.parametrize("compat", LATER)
def test_a_contradiction_is_ignored_as_a_whole_with_a_warning(
    compat: Compat, cache: CacheOption, revalidate: Revalidate
) -> None:
    found = plan(FetchCall(cache=cache, revalidate=revalidate), compat)
    assert found.warning is not None
    assert f'cache="{cache}"' in found.warning
    assert f"revalidate={revalidate!r}" in found.warning
    assert (found.cached, found.ends_static) == (plan(NOTHING, compat).cached, plan(NOTHING, compat).ends_static)


@pytest.mark.parametrize(("cache", "revalidate"), [*CONFLICTS, ("force-cache", 10), ("no-store", 0)])
def test_in_14_any_cache_beside_revalidate_is_ignored_with_a_warning(
    cache: CacheOption, revalidate: Revalidate
) -> None:
    found = plan(FetchCall(cache=cache, revalidate=revalidate), V14)
    assert found.warning is not None
    assert "cache is ignored" in found.warning
    assert found.cached is (revalidate != 0 or revalidate is False)


@pytest.mark.parametrize("compat", LATER)
def test_options_that_agree_are_no_conflict(compat: Compat) -> None:
    agreeing: list[tuple[CacheOption, Revalidate]] = [("force-cache", 10), ("force-cache", False), ("no-store", 0)]
    assert [plan(FetchCall(cache=c, revalidate=r), compat).warning for c, r in agreeing] == [None] * 3


# Rules 2 and 3


@pytest.mark.parametrize("compat", ALL)
def test_force_cache_alone_is_for_ever(compat: Compat) -> None:
    found = plan(FORCE_CACHE, compat)
    assert (found.cached, found.revalidate, found.lowers) == (True, None, None)


def test_force_cache_with_seconds_is_for_these_seconds() -> None:
    assert plan(FetchCall(cache="force-cache", revalidate=10)).revalidate == 10


@pytest.mark.parametrize("call", [NO_STORE, ZERO], ids=["no-store", "0 s"])
@pytest.mark.parametrize("compat", ALL)
def test_an_uncached_call_ends_a_static_render(compat: Compat, call: FetchCall) -> None:
    assert plan(call, compat, prerendering=True).ends_static


def test_fractions_of_seconds_are_seconds() -> None:
    assert plan(FetchCall(revalidate=0.5)).revalidate == 0.5


# Rule 4: force-dynamic


@pytest.mark.parametrize("compat", ALL)
def test_force_dynamic_makes_a_bare_call_uncached_in_every_version(compat: Compat) -> None:
    assert not plan(NOTHING, compat, dynamic=Dynamic.FORCE_DYNAMIC, route=None).cached  # D12


@pytest.mark.parametrize("compat", ALL)
def test_force_dynamic_leaves_explicit_options_alone(compat: Compat) -> None:
    assert plan(FORCE_CACHE, compat, dynamic=Dynamic.FORCE_DYNAMIC).cached
    assert plan(TEN, compat, dynamic=Dynamic.FORCE_DYNAMIC).revalidate == 10


@pytest.mark.parametrize("compat", ALL)
def test_force_dynamic_gives_way_to_fetch_cache(compat: Compat) -> None:
    assert plan(NOTHING, compat, FetchCache.DEFAULT_CACHE, dynamic=Dynamic.FORCE_DYNAMIC).cached


# Rule 5: what else a mode says


def test_a_refusal_names_both_sides() -> None:
    with pytest.raises(FetchConflict, match=r'cache="no-store".*fetch_cache = "only-cache"'):
        plan(NO_STORE, mode=FetchCache.ONLY_CACHE)
    with pytest.raises(FetchConflict, match=r'fetch_cache = "only-no-store"'):
        plan(TEN, mode=FetchCache.ONLY_NO_STORE)


def test_endless_counts_as_cached_for_only_no_store() -> None:
    with pytest.raises(FetchConflict):
        plan(FetchCall(revalidate=False), mode=FetchCache.ONLY_NO_STORE)


def test_under_force_cache_an_explicit_no_store_still_ends_a_static_render() -> None:
    assert plan(NO_STORE, mode=FetchCache.FORCE_CACHE).ends_static
    assert not plan(ZERO, mode=FetchCache.FORCE_CACHE).ends_static


# Rules 5.7 to 5.9: calls that say nothing

PERSONAL = {
    "authorization": FetchCall(header_names=frozenset({"authorization"})),
    "cookie": FetchCall(header_names=frozenset({"cookie"})),
    "POST": FetchCall(method="POST"),
}


@pytest.mark.parametrize("call", PERSONAL.values(), ids=PERSONAL)
@pytest.mark.parametrize("compat", ALL)
@pytest.mark.parametrize("mode", [FetchCache.AUTO, FetchCache.ONLY_CACHE])
def test_a_personal_call_in_a_live_answer_is_uncached(call: FetchCall, compat: Compat, mode: FetchCache) -> None:
    assert kept(call, compat, mode, route=0) == UNCACHED


@pytest.mark.parametrize("call", PERSONAL.values(), ids=PERSONAL)
def test_a_personal_call_in_a_lasting_answer_is_cached_in_14(call: FetchCall) -> None:
    assert kept(call, V14, None) == BY_THE_ROUTE


@pytest.mark.parametrize("call", PERSONAL.values(), ids=PERSONAL)
@pytest.mark.parametrize("compat", ALL)
def test_a_personal_call_that_asks_for_it_is_cached(call: FetchCall, compat: Compat) -> None:
    asking = FetchCall(method=call.method, header_names=call.header_names, cache="force-cache")
    assert kept(asking, compat, None, route=0) == FOREVER


def test_safe_methods_are_not_personal() -> None:
    for method in ("GET", "HEAD", "QUERY"):
        assert not FetchCall(method=method).personal
    assert FetchCall(method="DELETE").personal


def test_in_14_a_bare_call_follows_the_answer_around_it() -> None:
    assert kept(NOTHING, V14, None, route=None) == FOREVER
    assert kept(NOTHING, V14, None, route=ROUTE) == BY_THE_ROUTE
    assert kept(NOTHING, V14, None, route=0) == UNCACHED


@pytest.mark.parametrize("mode", [FetchCache.AUTO, FetchCache.ONLY_CACHE])
def test_in_14_modes_without_a_default_of_their_own_follow_the_answer_too(mode: FetchCache) -> None:
    assert kept(NOTHING, V14, mode, route=None) == FOREVER
    assert kept(NOTHING, V14, mode, route=ROUTE) == BY_THE_ROUTE
    assert kept(NOTHING, V14, mode, route=0) == UNCACHED


@pytest.mark.parametrize("compat", LATER)
def test_from_15_a_bare_call_is_cached_at_build_only(compat: Compat) -> None:
    assert kept(NOTHING, compat, None, prerendering=True) == BY_THE_ROUTE
    assert kept(NOTHING, compat, None, prerendering=False) == UNCACHED


@pytest.mark.parametrize("compat", LATER)
def test_a_bare_call_never_ends_a_static_render(compat: Compat) -> None:
    assert not plan(NOTHING, compat).ends_static


def test_auto_that_is_written_out_caches_for_ever_where_the_answer_is_live() -> None:
    assert kept(NOTHING, V16, FetchCache.AUTO, route=0) == FOREVER


# Rules 7 and 8: what it means for the answer


@pytest.mark.parametrize("compat", ALL)
def test_only_given_seconds_lower_the_answer(compat: Compat) -> None:
    assert plan(TEN, compat).lowers == 10
    others = (NOTHING, FORCE_CACHE, FetchCall(revalidate=False), NO_STORE, ZERO)
    assert {plan(call, compat, prerendering=True).lowers for call in others} == {None}


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (NO_STORE, 'cache = "no-store"'),
        (ZERO, "revalidate = 0"),
        (TEN, "revalidate = 10"),
        (FORCE_CACHE, "cached without limit"),
        (NOTHING, "auto no cache"),
    ],
)
def test_a_plan_says_why(call: FetchCall, why: str) -> None:
    assert plan(call).why == why
