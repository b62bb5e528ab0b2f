"""The context that shared work begins in: nobody's, and what is set in it ends with it."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING

import pytest

from millpond.cache.clean_context import CROSSING, CleanContext
from millpond.policy.compat import Compat
from millpond.render.scopes.attachments import Attachments
from millpond.render.scopes.current_scope import current, enter, leave
from millpond.render.scopes.live_scope import LiveScope
from ponds import route_of, target_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from millpond.render.scopes.scope import Scope
    from ponds import Project

pytestmark = pytest.mark.anyio


@pytest.fixture
def a_scope(project: Project) -> Scope:
    project.routes({"/": "def GET(): return 1"})
    target = target_of(route_of(project.pond(), "/"))
    return LiveScope(
        asgi={},
        method="GET",
        target=target,
        segment=target.route.config,
        compat=Compat.V16,
        project=project.folder,
        attachments=Attachments(),
    )


visitor: ContextVar[str] = ContextVar("visitor", default="nobody")
settings: ContextVar[str] = ContextVar("settings", default="none")


async def setting(value: str) -> str:
    found = visitor.get()
    visitor.set(value)
    await asyncio.sleep(0)
    return f"{found} {visitor.get()}"


async def test_work_sees_no_variable_of_whoever_begins_it() -> None:
    clean = CleanContext()
    visitor.set("alice")
    assert await clean.begin(lambda: setting("the work")) == "nobody the work"
    assert clean.run(visitor.get) == "nobody"
    assert visitor.get() == "alice"


async def test_what_work_sets_is_gone_with_it() -> None:
    clean = CleanContext()
    clean.run(lambda: visitor.set("the work"))
    assert visitor.get() == "nobody"
    assert await asyncio.gather(*(clean.begin(lambda: setting("more")) for _ in range(3))) == ["nobody more"] * 3


async def test_what_was_set_before_is_there() -> None:
    settings.set("of the project")
    clean = CleanContext()
    settings.set("of a visitor")
    assert clean.run(settings.get) == "of the project"


def set_at_once() -> None:
    settings.set("at once")


async def set_later() -> None:
    await asyncio.sleep(0)
    settings.set("later")


@pytest.mark.parametrize(("prepare", "value"), [(set_at_once, "at once"), (set_later, "later")])
async def test_what_a_preparation_sets_is_in_every_later_copy(
    prepare: Callable[[], Awaitable[None] | None], value: str
) -> None:
    clean = CleanContext()
    visitor.set("alice")
    result = clean.prepare(prepare)
    if result is not None:
        await clean.finish(result)
    assert clean.run(settings.get) == value
    assert clean.run(visitor.get) == "nobody"
    assert settings.get() == "none"


async def test_what_a_preparation_raises_is_raised() -> None:
    async def fail() -> None:
        raise ConnectionError("no database")

    clean = CleanContext()
    with pytest.raises(ConnectionError, match="no database"):
        await clean.finish(clean.prepare(fail))


async def test_who_waits_for_whom_crosses_and_nothing_else_of_millponds_does(a_scope: Scope) -> None:
    clean = CleanContext()
    marks = [object() for _ in CROSSING]
    for variable, mark in zip(CROSSING, marks, strict=True):
        variable.set(mark)
    token = enter(a_scope)
    try:
        assert clean.run(lambda: [variable.get() for variable in CROSSING]) == marks
        assert clean.run(current) is None
    finally:
        leave(token)


async def test_an_application_that_is_made_in_a_handler_keeps_nothing_of_its_scope(a_scope: Scope) -> None:
    token = enter(a_scope)
    try:
        clean = CleanContext()
    finally:
        leave(token)
    assert clean.run(current) is None


async def test_work_within_work_needs_no_second_way_into_one_context() -> None:
    clean = CleanContext()
    assert clean.run(lambda: clean.run(lambda: clean.run(visitor.get))) == "nobody"


async def test_work_that_is_cancelled_before_it_begins_leaves_nothing_unawaited() -> None:
    task = CleanContext().begin(lambda: setting("never"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
