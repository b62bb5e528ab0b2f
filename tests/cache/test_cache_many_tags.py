"""Tags of one answer are bounded: what has too many isn't stored, as a part of them would not reach it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from millpond.cache.functions import call
from millpond.policy.tags import MAX_TAGS_OF_ONE
from millpond.render import renderer as run

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

ROUTES = {
    "/list/[number]": """
        from millpond import cache_tag, cached
        revalidate = 60
        @cached
        async def one(number: int):
            cache_tag(f"one:{number}")
        def generate_static_params(): return []
        async def GET(number: int):
            for each in range(number):
                await one(each)
            return number
    """,
    "/whole": """
        from millpond import cache_tag, cached
        dynamic = "force-dynamic"
        runs = 0
        @cached
        async def value(number: int):
            global runs
            runs += 1
            for each in range(number):
                cache_tag(f"one:{each}")
            return runs
        async def GET(number: int): return await value(number)
    """,
}


@pytest.fixture
def tagged(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    for module in (run, call):
        monkeypatch.setattr(module, "MAX_TAGS_OF_ONE", 5)
    project.routes(ROUTES)
    return project


def test_a_page_of_thousands_has_room() -> None:
    assert MAX_TAGS_OF_ONE >= 10_000


async def test_an_answer_with_too_many_tags_is_live(tagged: Project, caplog: pytest.LogCaptureFixture) -> None:
    async with tagged.serving() as running:
        assert [await running.cache("/list/5") for _ in range(2)] == ["MISS", "HIT"]
        for _ in range(2):
            answer = await running.get("/list/6")
            assert (answer.json(), answer.headers.get("x-nextjs-cache")) == (6, None)
        assert running.entry("/list/[number]", number="6") is None
    assert "an answer with more than 5 tags" in caplog.text


async def test_a_result_with_too_many_tags_is_used_and_not_stored(
    tagged: Project, caplog: pytest.LogCaptureFixture
) -> None:
    async with tagged.serving() as running:
        assert [(await running.get("/whole?number=5")).json() for _ in range(2)] == [1, 1]
        assert [(await running.get("/whole?number=6")).json() for _ in range(2)] == [2, 3]
    assert "has more than 5 tags: not cached" in caplog.text
