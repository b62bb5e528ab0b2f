"""The life of a static answer while it is served: the time lines C.1 to C.4, with a clock that is moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from millpond.policy.decision import Action, Reason
from millpond.policy.http.headers import cache_status
from ponds import NOON, cache_of

if TYPE_CHECKING:
    import httpx2

    from ponds import Project, Running

pytestmark = pytest.mark.anyio

COUNTING = """
runs = 0
revalidate = 10
def GET():
    global runs
    runs += 1
    return runs
"""
ON_DEMAND = """
runs = []
revalidate = 10
def generate_static_params(): return [{"id": "1"}]
def GET(id: str):
    runs.append(id)
    return f"{id}-{runs.count(id)}"
"""
CONTROL_10 = "s-maxage=10, stale-while-revalidate=31535990"


def seen(answer: httpx2.Response) -> tuple[object, str | None, str]:
    return answer.json(), cache_of(answer), answer.headers["cache-control"]


async def at(running: Running, project: Project, second: float, path: str = "/") -> tuple[object, str | None, str]:
    """What a GET shows at a second of the timeline; what it set off has ended."""
    project.clock.now = NOON + second
    answer = await running.get(path)
    await running.settle()
    return seen(answer)


async def test_a_time_based_route_follows_the_timeline_of_c_1(project: Project) -> None:
    project.routes({"/": COUNTING})
    async with project.serving() as running:
        running.module("/").runs = 1  # the build's, in another process
        assert await at(running, project, 3) == (1, "HIT", CONTROL_10)
        assert await at(running, project, 12) == (1, "STALE", CONTROL_10)
        assert await at(running, project, 13) == (2, "HIT", CONTROL_10)
        assert await at(running, project, 40) == (2, "STALE", CONTROL_10)
        assert await at(running, project, 41) == (3, "HIT", CONTROL_10)


async def test_an_unlisted_path_follows_the_timeline_of_c_2(project: Project) -> None:
    project.routes({"/items/[id]": ON_DEMAND})
    async with project.serving() as running:
        assert await at(running, project, 0, "/items/9") == ("9-1", "MISS", CONTROL_10)
        assert await at(running, project, 9, "/items/9") == ("9-1", "HIT", CONTROL_10)
        assert await at(running, project, 11, "/items/9") == ("9-1", "STALE", CONTROL_10)
        assert await at(running, project, 12, "/items/9") == ("9-2", "HIT", CONTROL_10)


async def test_a_failing_source_follows_the_timeline_of_c_4(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.routes(
        {
            "/": """
            revalidate = 10
            state = "good"
            def GET():
                if state == "down":
                    raise ConnectionError("the source is down")
                return state
            """
        }
    )
    async with project.serving() as running:
        module = running.module("/")
        module.state = "down"
        observed = [(second, *(await at(running, project, second))[:2]) for second in (12, 15, 21, 23, 25, 34)]
        assert observed == [
            (12, "good", "STALE"),
            (15, "good", "HIT"),
            (21, "good", "HIT"),
            (23, "good", "STALE"),
            (25, "good", "HIT"),
            (34, "good", "STALE"),
        ]
        assert caplog.text.count("ConnectionError: the source is down") == 3
        module.state = "new"
        assert (await at(running, project, 61))[:2] == ("good", "STALE")
        assert (await at(running, project, 62))[:2] == ("new", "HIT")


@pytest.mark.parametrize(
    ("revalidate", "pause"), [("1", 3), ("5", 5), ("20", 20), ("3600", 30)], ids=["1 s", "5 s", "20 s", "an hour"]
)
async def test_a_failed_refresh_waits_for_3_to_30_seconds(project: Project, revalidate: str, pause: int) -> None:
    project.routes({"/": COUNTING.replace("10", revalidate)})
    async with project.serving() as running:
        module = running.module("/")
        module.__dict__["runs"] = "not a number"  # += 1 raises
        project.clock.move(float(revalidate) + 1)
        assert await running.cache("/") == "STALE"
        await running.settle()
        project.clock.move(pause - 0.1)
        answer = await running.get("/")
        assert cache_of(answer) == "HIT"
        assert "detail=refresh-failed" in answer.headers["cache-status"]
        assert answer.headers["cache-control"].startswith(f"s-maxage={pause}")
        project.clock.move(0.2)
        assert await running.cache("/") == "STALE"
        await running.settle()


@pytest.mark.parametrize("status", [400, 401, 403, 422, 429, 500, 502, 503, 206])
async def test_a_refresh_of_a_bad_status_keeps_the_last_good_answer(project: Project, status: int) -> None:
    project.routes(
        {
            "/": """
            from millpond import Response
            revalidate = 10
            status = 200
            def GET(): return Response(str(status), status)
            """
        }
    )
    async with project.serving() as running:
        running.module("/").status = status
        project.clock.move(11)
        for expected in ("STALE", "HIT"):
            answer = await running.get("/")
            assert (answer.status_code, answer.text, cache_of(answer)) == (200, "200", expected)
            await running.settle()


@pytest.mark.parametrize("status", [201, 202, 301, 307, 404, 410])
async def test_a_refresh_of_a_storable_status_replaces_the_answer(project: Project, status: int) -> None:
    project.routes(
        {
            "/": """
            from millpond import Response
            revalidate = 10
            status = 200
            def GET(): return Response(str(status), status)
            """
        }
    )
    async with project.serving() as running:
        running.module("/").status = status
        project.clock.move(11)
        assert await running.cache("/") == "STALE"
        await running.settle()
        answer = await running.get("/")
        assert (answer.status_code, cache_of(answer)) == (status, "HIT")


@pytest.mark.parametrize("status", [403, 422, 500, 503])
async def test_an_unstorable_answer_to_a_miss_is_sent_and_neither_stored_nor_advertised(
    project: Project, status: int
) -> None:
    project.routes(
        {
            "/items/[id]": f"""
            from millpond import Response
            revalidate = 60
            runs = 0
            def generate_static_params(): return []
            def GET(id):
                global runs
                runs += 1
                return Response("sorry", {status})
            """
        }
    )
    async with project.serving() as running:
        for run in (1, 2):
            answer = await running.get("/items/1")
            assert (answer.status_code, answer.text, cache_of(answer)) == (status, "sorry", "MISS")
            assert answer.headers["cache-control"] == "private, no-cache, no-store, max-age=0, must-revalidate"
            assert f"fwd-status={status}" in answer.headers["cache-status"]
            assert "stored" not in answer.headers["cache-status"]
            assert running.module("/items/[id]").runs == run


async def test_past_expire_nothing_is_served_before_it_is_rendered_again(project: Project) -> None:
    project.routes({"/": COUNTING})
    async with project.serving(expire_time=100) as running:
        running.module("/").runs = 1
        assert (await at(running, project, 99))[:2] == (1, "STALE")
        entry = running.entry("/")
        assert entry is not None
        assert (entry.revalidate, entry.expire) == (10, 100)
        assert await at(running, project, 99 + 101) == (3, "MISS", "s-maxage=10, stale-while-revalidate=90")
        answer = await running.get("/")
        assert seen(answer)[:2] == (3, "HIT")


async def test_past_expire_a_failing_source_is_500(project: Project) -> None:
    project.routes({"/": COUNTING})
    async with project.serving(expire_time=100) as running:
        running.module("/").runs = "not a number"
        project.clock.move(50)
        assert await running.cache("/") == "STALE"
        await running.settle()
        project.clock.move(100)
        answer = await running.get("/")
        assert (answer.status_code, answer.content) == (500, b"Internal Server Error")


async def test_a_failing_miss_is_an_empty_500_that_is_tried_again(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes({"/items/[id]": ON_DEMAND.replace("    runs.append(id)", "    runs.append(id); {}[id]")})
    (project.folder / "app/items/[id]/route.py").write_text(
        (project.folder / "app/items/[id]/route.py").read_text().replace('[{"id": "1"}]', "[]")
    )
    async with project.serving() as running:
        for tries in (1, 2):
            answer = await running.get("/items/9")
            assert (answer.status_code, answer.content, cache_of(answer)) == (500, b"Internal Server Error", None)
            assert "cache-control" not in answer.headers
            assert running.module("/items/[id]").runs == ["9"] * tries
    assert "KeyError: '9'" in caplog.text


async def test_revalidate_false_is_for_ever(project: Project) -> None:
    project.routes({"/": "revalidate = False\ndef GET(): return 1\n"})
    async with project.serving() as running:
        assert await at(running, project, 20 * 31_536_000) == (1, "HIT", "s-maxage=31536000")


async def test_the_lowest_lifetime_wins(project: Project) -> None:
    project.routes(
        {
            "/": """
            from millpond.render.scopes.current_scope import current
            from millpond.policy.lifetime import Lifetime
            revalidate = 60
            def GET():
                scope = current()
                for seconds in (300, 20, 40):
                    scope.lifetime = scope.lifetime.lowered(Lifetime(seconds))
                return 1
            """
        }
    )
    record = (await project.built())["/"]
    assert (record.revalidate, record.paths[0].revalidate) == (20, 20)


async def test_the_handlers_own_cache_control_wins(project: Project) -> None:
    project.routes(
        {
            "/": """
            from millpond import Response
            revalidate = 60
            def GET(): return Response("x", headers={"cache-control": "public, max-age=5"})
            """
        }
    )
    async with project.serving() as running:
        assert (await running.get("/")).headers["cache-control"] == "public, max-age=5"


async def test_the_age_grows_and_survives_a_restart(project: Project) -> None:
    project.routes({"/": "revalidate = 60\ndef GET(): return 1\n"})
    await project.built()
    for age in (0, 7, 40):
        project.clock.now = NOON + age
        async with project.started() as running:
            answer = await running.get("/")
            assert (answer.headers["age"], cache_of(answer)) == (str(age), "HIT")
            assert f"ttl={60 - age}" in answer.headers["cache-status"]


async def test_a_build_that_was_left_lying_starts_stale(project: Project) -> None:
    project.routes({"/": COUNTING})
    await project.built()
    project.clock.move(3600)
    async with project.started() as running:
        answer = await running.get("/")
        assert (cache_of(answer), answer.headers["age"]) == ("STALE", "3600")
        assert "ttl=-3590" in answer.headers["cache-status"]


@pytest.mark.parametrize("compat", ["14", "15", "16"])
async def test_every_version_has_the_headers_of_16_also_after_a_regeneration(project: Project, compat: str) -> None:
    project.routes({"/": COUNTING})
    async with project.serving(compat=compat) as running:
        for second in (0, 12, 13):
            assert (await at(running, project, second))[2] == CONTROL_10


async def test_the_headers_of_an_answer_are_printed_from_its_decision(project: Project) -> None:
    project.routes({"/": COUNTING, "/items/[id]": ON_DEMAND})
    async with project.serving() as running:
        target_key = running.entry("/")
        assert target_key is not None
        hit = running.responses.hit(target_key.key)
        assert hit is not None
        assert (hit.decision.action, hit.decision.reason, hit.decision.ttl) == (Action.HIT, Reason.FRESH, 10)
        answer = await running.get("/")
        assert answer.headers["cache-status"].encode() == cache_status(hit.decision)
        assert answer.headers["cache-status"] == "Millpond; hit; ttl=10; detail=fresh"
        answer = await running.get("/items/8")
        assert answer.headers["cache-status"] == "Millpond; fwd=uri-miss; fwd-status=200; stored; detail=cold"
        project.clock.move(12)
        answer = await running.get("/")
        assert answer.headers["cache-status"] == "Millpond; hit; ttl=-2; detail=age"
        await running.settle()


async def test_a_clock_that_was_set_back_makes_no_answer_eternal(project: Project) -> None:
    project.routes({"/": COUNTING})
    async with project.serving() as running:
        project.clock.now = NOON - 86_400
        answer = await running.get("/")
        assert (cache_of(answer), answer.headers["age"]) == ("STALE", "0")
        await running.settle()
        assert await running.cache("/") == "HIT"
        project.clock.move(11)
        assert await running.cache("/") == "STALE"
        await running.settle()
