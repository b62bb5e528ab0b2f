"""redirect(), not_found(), cookies and after(): what handlers say besides their return value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ponds import cache_of

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("call", "status"), [("redirect('/b?c=d')", 307), ("permanent_redirect('https://b.example/')", 308)]
)
async def test_a_redirect_has_its_status_and_the_url_as_given(project: Project, call: str, status: int) -> None:
    source = f"from millpond import *\ndef GET(): {call}\ndef POST(): {call}\n"
    project.routes({"/": source})
    async with project.serving(base_path="/shop") as running:
        answer = await running.get("/shop")
        assert (answer.status_code, answer.headers["location"], answer.content) == (status, call.split("'")[1], b"")
        assert (await running.post("/shop", json={})).status_code == status
        assert (await running.post("/shop", data={"a": "b"})).status_code == 303
        assert (await running.post("/shop", files={"a": b"b"})).status_code == 303
        assert (
            await running.post("/shop", content=b"", headers={"content-type": FORM["content-type"] + ";charset=x"})
        ).status_code == 303


async def test_not_found_is_an_empty_404(project: Project) -> None:
    project.routes({"/": "from millpond import not_found\ndef GET(): not_found()\n"})
    async with project.serving() as running:
        answer = await running.get("/")
        assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize(
    ("call", "status"), [("redirect('/b')", 307), ("permanent_redirect('/b')", 308), ("not_found()", 404)]
)
@pytest.mark.parametrize(
    "way",
    [
        "    {call}\n",
        "    async with asyncio.TaskGroup() as group: group.create_task(later())\n",
        "    async with anyio.create_task_group() as group: group.start_soon(later)\n",
        "    await asyncio.to_thread(in_thread)\n",
        "    try: {call}\n    except Exception: return 'swallowed'\n",
    ],
    ids=["plain", "TaskGroup", "anyio", "thread", "under except Exception"],
)
async def test_an_outcome_reaches_the_client_from_wherever_it_is_raised(
    project: Project, call: str, status: int, way: str
) -> None:
    source = (
        "import anyio, asyncio\nfrom millpond import *\n{}\n"
        f"async def later(): {call}\ndef in_thread(): {call}\nasync def GET():\n{way.format(call=call)}"
    )
    project.routes({"/live": source.format(""), "/static": source.format("revalidate = 60")})
    async with project.serving() as running:
        assert (await running.get("/live")).status_code == status
        answer = await running.get("/static")
        assert (answer.status_code, cache_of(answer)) == (status, "HIT")


async def test_an_error_beside_an_outcome_is_an_error(project: Project) -> None:
    project.routes(
        {
            "/": """
            import asyncio
            from millpond import redirect
            async def go(): redirect("/b")
            async def fail(): raise ValueError
            async def GET():
                async with asyncio.TaskGroup() as group:
                    group.create_task(go())
                    group.create_task(fail())
            """
        }
    )
    async with project.serving() as running:
        assert (await running.get("/")).status_code == 500


async def test_a_redirect_of_a_static_get_has_the_lifetime_and_the_tags_of_its_render(project: Project) -> None:
    project.routes(
        {
            "/[id]": """
            from millpond import not_found, redirect
            from millpond.render.scopes.current_scope import current
            revalidate = 60
            def generate_static_params(): return [{"id": "moved"}, {"id": "gone"}]
            def GET(id):
                current().tags["moves"] = None
                redirect("/new") if id == "moved" else not_found()
            """
        }
    )
    async with project.serving() as running:
        for path, status in (("/moved", 307), ("/gone", 404)):
            answer = await running.get(path)
            assert (answer.status_code, cache_of(answer)) == (status, "HIT")
            assert answer.headers["cache-control"] == "s-maxage=60, stale-while-revalidate=31535940"
            entry = running.entry("/[id]", id=path[1:])
            assert entry is not None
            assert "moves" in entry.tags
        running.pond.store.invalidate(["moves"])
        assert await running.cache("/moved") == "MISS"


SETTING = """
from millpond import *
from millpond import Response
def GET(request):
    jar = cookies()
    jar.set("a", "1")
    {end}
"""


@pytest.mark.parametrize(
    ("end", "status", "cookies"),
    [
        ("return 1", 200, ["a=1; Path=/; SameSite=lax"]),
        ("redirect('/b')", 307, ["a=1; Path=/; SameSite=lax"]),
        ("not_found()", 404, []),
        ("raise ValueError", 500, []),
        ("return Response(headers={'set-cookie': 'a=own'})", 200, ["a=own"]),
        ("return Response(headers={'set-cookie': 'b=own'})", 200, ["a=1; Path=/; SameSite=lax", "b=own"]),
        ("jar.set('A', '2'); return 1", 200, ["a=1; Path=/; SameSite=lax", "A=2; Path=/; SameSite=lax"]),
    ],
)
async def test_cookies_go_with_answers_and_redirects_and_those_of_the_response_win(
    project: Project, end: str, status: int, cookies: list[str]
) -> None:
    project.routes({"/": SETTING.format(end=end)})
    async with project.serving() as running:
        answer = await running.get("/")
        assert (answer.status_code, answer.headers.get_list("set-cookie")) == (status, cookies)


async def test_cookies_set_earlier_are_read_back_and_deleted_ones_are_gone(project: Project) -> None:
    project.routes(
        {
            "/": """
            from millpond import cookies
            async def POST():
                jar = await cookies()
                before = dict(jar)
                jar.set("new", "2")
                cookies().delete("old")
                return [before, dict(cookies()), "old" in jar, len(jar)]
            """
        }
    )
    async with project.serving() as running:
        answer = await running.post("/", headers={"cookie": "old=1; other=x"})
        assert answer.json() == [{"old": "1", "other": "x"}, {"other": "x", "new": "2"}, False, 2]
        deleted = answer.headers.get_list("set-cookie")[1]
        assert deleted.startswith('old=""; expires=')
        assert "Max-Age=0" in deleted


async def test_the_headers_of_a_request_can_not_be_changed(project: Project) -> None:
    project.routes(
        {
            "/": """
            from millpond import headers
            def GET():
                try:
                    headers()["x-a"] = "2"
                except TypeError:
                    return headers()["x-a"]
            """
        }
    )
    async with project.serving() as running:
        assert (await running.get("/", headers={"x-a": "1"})).json() == "1"


async def test_setting_a_cookie_under_force_static_fails_the_build_with_its_line(project: Project) -> None:
    project.routes(
        {"/": 'from millpond import cookies\ndynamic = "force-static"\ndef GET(): cookies().set("a", "b")\n'}
    )
    (failure,) = await project.failures()
    assert "app/route.py:3: cookies().set() in a static GET: its answer is stored and sent to everybody" in failure


AFTER = """
from millpond import *
{config}
notes = []
def note(text): notes.append(text)
async def note_later(text): notes.append(text)
class Later:
    async def __call__(self, text): notes.append(text)
def nested():
    notes.append("outer")
    after(note, "inner")
def broken(): raise OSError("callback")
def GET(request):
    after(note, "function")
    after(note_later, "coroutine function")
    after(note_later("coroutine"))
    after(Later(), text="callable")
    after(broken)
    after(nested)
    {end}
"""
ALL_NOTES = ["function", "coroutine function", "coroutine", "callable", "outer", "inner"]


@pytest.mark.parametrize(
    ("end", "status"), [("return 1", 200), ("redirect('/b')", 307), ("not_found()", 404), ("raise ValueError", 500)]
)
async def test_after_runs_however_the_handler_ended(
    project: Project, end: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes({"/": AFTER.format(config="", end=end)})
    async with project.serving() as running:
        assert (await running.get("/")).status_code == status
        await running.settle()
        assert running.module("/").notes == ALL_NOTES
    assert "OSError: callback" in caplog.text


async def test_after_in_a_static_get_runs_once_for_each_render(project: Project) -> None:
    project.routes({"/": AFTER.format(config="revalidate = 60", end="return 1")})
    pond = project.pond()
    await pond.build()
    assert pond.file_routes[0].module.module.notes == ALL_NOTES
    async with project.started() as running:
        for seconds in (0, 1, 61, 0, 0):
            project.clock.move(seconds)
            await running.get("/")
            await running.settle()
        assert running.module("/").notes == ALL_NOTES


@pytest.mark.parametrize("config", ["", "revalidate = 60"], ids=["live", "static"])
async def test_after_may_read_the_request_and_answers_nothing(
    project: Project, config: str, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes(
        {
            "/": f"""
            from millpond import *
            {config}
            notes = []
            def read(): notes.append(headers().get("x-a"))
            async def read_later(): notes.append(cookies().get("c"))
            def late_redirect(): redirect("/b")
            def late_cookie(): cookies().set("a", "b")
            def late_draft(): draft_mode().enable()
            def GET():
                after(late_redirect)
                after(late_cookie)
                after(late_draft)
                after(read)
                after(read_later())
                return 1
            """
        }
    )
    async with project.serving() as running:
        project.clock.move(61)
        answer = await running.get("/", headers={"x-a": "1", "cookie": "c=2"})
        assert answer.json() == 1
        await running.settle()
        assert running.module("/").notes == ([None, None] if config else ["1", "2"])
    assert "redirect() in an after() callback comes too late: the answer is out; call it in the handler." in caplog.text
    assert "cookies().set() in an after() callback comes too late" in caplog.text
    assert "draft_mode().enable() in an after() callback comes too late" in caplog.text


async def test_a_shutdown_waits_for_after_callbacks(project: Project) -> None:
    project.routes(
        {
            "/": """
            import asyncio
            from millpond import after
            notes = []
            async def slow():
                await asyncio.sleep(0.02)
                notes.append("done")
            def GET(): after(slow)
            """
        }
    )
    async with project.serving() as running:
        await running.get("/")
        module = running.module("/")
    assert module.notes == ["done"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("after(7)", "after() takes a function or an awaitable, not int."),
        (
            "after(asyncio.get_running_loop().create_future(), 1)",
            "after(awaitable) takes no further arguments; give after(function, …)",
        ),
    ],
)
async def test_what_after_cant_run_later_is_refused_at_once(
    project: Project, caplog: pytest.LogCaptureFixture, call: str, message: str
) -> None:
    project.routes(
        {"/": f"import asyncio\nfrom millpond import after\ndynamic = 'force-dynamic'\nasync def GET(): {call}\n"}
    )
    async with project.serving() as running:
        assert (await running.get("/")).status_code == 500
    assert message in caplog.text


@pytest.mark.parametrize(
    "call", ["redirect('/')", "permanent_redirect('/')", "not_found()", "headers()", "cookies()", "draft_mode()"]
)
def test_the_functions_say_that_they_need_a_handler(call: str) -> None:
    import millpond
    from millpond.errors import UsageError

    name = call.partition("(")[0]
    with pytest.raises(UsageError, match=rf"^{name}\(\) works while a route handler runs, and none does here"):
        getattr(millpond, name)(*(["/"] if "'" in call else []))
