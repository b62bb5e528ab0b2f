"""`dependencies` of a folder guard everything below: a security test first."""

from __future__ import annotations

import base64
import importlib
from typing import TYPE_CHECKING

import pytest
from fastapi import Depends
from fastapi.testclient import TestClient

from millpond import Millpond
from millpond.errors import BuildError

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

KEY = {"x-key": "secret"}
GUARDS = {
    "guards.py": """
    from fastapi import Depends, Header, HTTPException, Request, Security
    from fastapi.security import APIKeyHeader
    from millpond import cookies, headers

    def declares(x_key: str = Header("")):
        if x_key != "secret":
            raise HTTPException(401, "declares")

    def reads(request: Request):
        if request.headers.get("x-key") != "secret":
            raise HTTPException(401, "reads")

    async def reads_async(request: Request):
        reads(request)

    def asks():
        if headers().get("x-key") != "secret":
            raise HTTPException(401, "asks")

    def key(request: Request):
        return request.headers.get("x-key")

    def through(key: str = Depends(key)):
        if key != "secret":
            raise HTTPException(401, "through")

    class Guard:
        def __call__(self, request: Request):
            reads(request)

    def yields(request: Request):
        reads(request)
        yield

    async def scheme(found: str = Security(APIKeyHeader(name="x-key"))):
        if found != "secret":
            raise HTTPException(401, "scheme")

    def lets_through(x_key: str = Header("")):
        if x_key == "bad":
            raise HTTPException(403, "bad")

    instance = Guard()
    checked = []

    def reads_nothing():
        checked.append(1)
    """
}
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
BELOW = {
    "app/GUARD/route.py": "revalidate = 60\ndef GET(): return 'root'\ndef POST(): return 1\ndef OPTIONS(): return 2\n",
    "app/GUARD/live/route.py": "dynamic = 'force-dynamic'\nasync def GET(): return 1\ndef HEAD(): return None\n",
    "app/GUARD/(group)/[id]/route.py": """
        revalidate = 60
        def generate_static_params(): return [{"id": "a"}]
        def GET(id: str): return id
        def PUT(id: str): return id
        def PATCH(id: str): return id
        def DELETE(id: str): return id
    """,
    "app/GUARD/on/[demand]/route.py": "revalidate = False\ndef GET(demand: str): return demand\n",
    "app/GUARD/sitemap.py": "def sitemap(): return [{'url': 'https://a.example/secret'}]\n",
    "app/open/route.py": "revalidate = 60\ndef GET(): return 'open'\n",
}
ASKED = [
    *[("GET", "/GUARD"), ("HEAD", "/GUARD"), ("POST", "/GUARD"), ("OPTIONS", "/GUARD")],
    *[("GET", "/GUARD/live"), ("HEAD", "/GUARD/live"), ("GET", "/GUARD/a"), ("PUT", "/GUARD/a"), ("PATCH", "/GUARD/b")],
    *[("DELETE", "/GUARD/b"), ("GET", "/GUARD/on/x"), ("GET", "/GUARD/sitemap.xml"), ("GET", "/GUARD/icon.png")],
]


def guarded(project: Project, *guards: str) -> None:
    """A folder for each guard, called like it."""
    project.write(GUARDS)
    for guard in guards:
        project.write({file.replace("GUARD", guard): text for file, text in BELOW.items()})
        head = f"from fastapi import Depends\nfrom guards import {guard}\n"
        project.write({f"app/{guard}/router.py": f"{head}\n\ndependencies = [Depends({guard})]\n"})
        (project.folder / f"app/{guard}/icon.png").write_bytes(PNG)


WHY = {
    "declares": 'declares header "x-key"',
    "scheme": 'declares security scheme "APIKeyHeader"',
    "reads": 'request.headers["x-key"] in reads (guards.py:11)',
    "reads_async": 'request.headers["x-key"] in reads_async (guards.py:11)',
    "asks": "headers() in asks (guards.py:18)",
    "through": 'request.headers["x-key"] in through (guards.py:22)',
    "instance": 'request.headers["x-key"] in Guard (guards.py:11)',
    "yields": 'request.headers["x-key"] in yields (guards.py:11)',
}


async def test_every_method_of_every_file_below_is_guarded_with_a_build_and_without(project: Project) -> None:
    guarded(project, *WHY)
    asked = [(method, path.replace("GUARD", guard)) for guard in WHY for method, path in ASKED]
    for built in (False, True):
        if built:
            records = await project.built()
            assert {record.pattern for record in records.values() if record.glyph != "λ"} == {"/open"}
            for guard, why in WHY.items():
                record = records[f"/{guard}"]
                assert (record.why, record.place) == (why, (f"app/{guard}/router.py", 5))
        async with project.started() as running:
            for method, path in [*asked, *asked]:
                refused = await running.client.request(method, path)
                assert refused.status_code == 401, (method, path)
                assert b"secret" not in refused.content
                let_in = await running.client.request(method, path, headers=KEY)
                assert let_in.status_code == 200, (method, path)
            assert await running.body("/open") == '"open"'


async def test_a_guard_that_stands_in_the_folders_file_is_named_by_the_line_that_reads(project: Project) -> None:
    project.write(
        {
            "app/router.py": """
            from fastapi import Depends, Request
            def guard(request: Request):
                request.cookies.get("session")
            dependencies = [Depends(guard)]
            """,
            "app/route.py": "revalidate = 60\ndef GET(): return 1\n",
        }
    )
    record = (await project.built())["/"]
    assert (record.why, record.place) == ('request.cookies["session"]', ("app/router.py", 4))


async def test_a_guard_of_one_operation_is_named_by_its_decorator(project: Project) -> None:
    head = "from fastapi import Depends\nfrom guards import *\nfrom millpond import operation\nrevalidate = 60\n"
    for guard in ("declares", "asks"):
        source = f"{head}\n@operation(\n    dependencies=[Depends({guard})],\n)\ndef GET(): return 1\n"
        project.write({**GUARDS, f"app/{guard}/route.py": f"{source}def POST(): return 1\n"})
    records = await project.built()
    assert [records[f"/{guard}"].place for guard in ("declares", "asks")] == [
        ("app/declares/route.py", 6),
        ("app/asks/route.py", 6),
    ]
    async with project.started() as running:
        assert [(await running.get("/asks", headers=headers)).status_code for headers in ({}, KEY)] == [401, 200]
        assert (await running.post("/asks")).status_code == 200


async def test_a_token_in_the_query_is_asked_for_each_time_even_if_it_is_part_of_the_key(project: Project) -> None:
    project.write(
        {
            "app/router.py": """
            from fastapi import Depends
            def guard(token: str = ""): ...
            dependencies = [Depends(guard)]
            cache_query = ("token",)
            revalidate = 60
            """,
            "app/a/route.py": "def GET(): return 1\n",
        }
    )
    record = (await project.built())["/a"]
    assert (record.glyph, record.why, record.place) == ("λ", 'declares query parameter "token"', ("app/router.py", 4))


def test_a_static_file_is_guarded_by_the_application_as_well(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(GUARDS)
    (project.folder / "app").mkdir()
    (project.folder / "app/icon.png").write_bytes(PNG)
    monkeypatch.syspath_prepend(str(project.folder))
    declares = importlib.import_module("guards").declares
    client = TestClient(Millpond(project.folder / "app", dependencies=[Depends(declares)]))
    for _ in range(2):
        assert [client.get("/icon.png", headers=headers).status_code for headers in ({}, KEY)] == [401, 200]


@pytest.mark.parametrize("guard", ["declares", "reads", "asks", "lets_through"])
async def test_a_guard_below_force_static_is_an_error_as_it_would_get_an_empty_request(
    project: Project, guard: str
) -> None:
    project.write(GUARDS)
    project.write(
        {
            "app/router.py": f"from fastapi import Depends\nfrom guards import *\ndependencies = [Depends({guard})]\n",
            "app/a/route.py": "dynamic = 'force-static'\ndef GET(): return 1\n",
        }
    )
    (failure,) = await project.failures()
    assert f"app/router.py:3: {guard} reads " in failure
    assert 'dynamic = "force-static" (app/a/route.py:1)' in failure
    async with project.started() as running:
        assert await running.cache("/a") is None
        if guard != "lets_through":
            assert (await running.get("/a")).status_code == 401


async def test_a_guard_that_reads_nothing_of_the_request_is_warned_of(project: Project) -> None:
    project.write(GUARDS)
    head = "from fastapi import Depends\nfrom guards import *\n"
    own = f"{head}from millpond import operation\nrevalidate = 60\n@operation(dependencies=[Depends(reads_nothing)])\n"
    project.write(
        {
            "app/router.py": f"{head}dependencies = [Depends(reads_nothing)]\n",
            "app/a/route.py": "revalidate = 60\ndef GET(): return 1\n",
            "app/b/route.py": "dynamic = 'force-dynamic'\ndef GET(): return 1\n",
            "app/c/route.py": f"{own}def GET(): return 1\n",
        }
    )
    built = await project.build()
    rest = "of /a, /c, and not for hits, as it reads nothing of the request; for a guard, make the routes live "
    assert f"app/router.py:3: reads_nothing runs in renders {rest}" in "\n".join(built.warnings)
    assert "app/c/route.py:5: reads_nothing runs in renders of /c, and" in "\n".join(built.warnings)
    assert len(built.warnings) == 2


async def test_a_guard_that_came_after_the_build_is_not_passed_by_its_answers(project: Project) -> None:
    project.write({**GUARDS, "app/admin/route.py": "revalidate = 60\ndef GET(): return 1\n"})
    await project.build()
    head = "from fastapi import Depends\nfrom guards import reads\n"
    project.write({"app/admin/router.py": f"{head}dependencies = [Depends(reads)]\n"})
    with pytest.raises(BuildError, match=r"app/admin/router\.py:3: reads stands before app/admin/route\.py, and"):
        async with project.started():
            pass


def test_overrides_reach_the_dependencies_of_folders_and_operations(project: Project) -> None:
    guarded(project, "reads")
    app = project.pond()
    client = TestClient(app)
    assert client.get("/reads/live").status_code == 401
    route = next(route for route in app.file_routes if route.pattern == "/reads")
    (depends,) = route.operations["GET"].api_route.dependencies
    assert depends.dependency is not None
    app.dependency_overrides[depends.dependency] = lambda: None
    assert [client.get(path).status_code for path in ("/reads", "/reads/live", "/reads/icon.png")] == [200] * 3


def test_a_group_guards_part_of_a_folder_and_the_order_is_from_the_outside_in(project: Project) -> None:
    head = "from fastapi import Depends\nfrom seen import *\n"
    project.write(
        {
            "seen.py": """
            from fastapi import Header
            seen = []
            def note(name):
                def dependency(x_key: str = Header("")): seen.append(name)
                return dependency
            outer, group, inner, own = map(note, ("outer", "group", "inner", "own"))
            """,
            "app/router.py": f"{head}dependencies = [Depends(outer)]\n",
            "app/(members)/router.py": f"{head}dependencies = [Depends(group)]\n",
            "app/(members)/a/router.py": f"{head}dependencies = [Depends(inner)]\n",
            "app/(members)/a/route.py": f"{head}from millpond import operation\n"
            "@operation(dependencies=[Depends(own)])\ndef GET(): return [seen.pop() for _ in seen[:]][::-1]\n",
            "app/b/route.py": f"{head}def GET(): return [seen.pop() for _ in seen[:]]\n",
            "app/_private/router.py": "dependencies = 'never looked at'\n",
            "app/_private/a/route.py": "def GET(): return 1\n",
        }
    )
    client = TestClient(project.pond())
    assert client.get("/a").json() == ["outer", "group", "inner", "own"]
    assert client.get("/b").json() == ["outer"]


async def test_with_cache_components_guards_make_routes_live_as_well(project: Project) -> None:
    guarded(project, "reads")
    for path in project.folder.glob("app/**/route.py"):
        text = path.read_text().replace("revalidate = 60", "").replace("revalidate = False", "")
        path.write_text(text.replace("dynamic = 'force-dynamic'", ""))
    records = await project.built(cache_components=True)
    assert {pattern for pattern, record in records.items() if record.glyph != "λ"} == {"/open"}
    assert records["/reads"].place == ("app/reads/router.py", 5)
