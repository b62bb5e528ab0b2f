"""What a build says of inputs that are frozen, what it refuses, and what it takes as meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from frozen_sources import CACHED, CLOCK, ENV, ERROR, STATIC

from millpond.errors import RouteModuleError
from millpond.prerender.build_report import facts
from millpond.routes.public.public_folder import PublicListing

if TYPE_CHECKING:
    from millpond.prerender.build_manifest import RouteRecord
    from ponds import Project

pytestmark = pytest.mark.anyio


def told(record: RouteRecord) -> list[tuple[str, str, bool, bool]]:
    return [(one.subject, f"{one.place[0]}:{one.place[1]}", one.refreshed, one.declared) for one in record.inputs]


async def test_an_answer_that_never_goes_stale_freezes_what_it_reads(project: Project) -> None:
    project.routes({"/a": CLOCK.format(config=STATIC), "/b": ENV.format(config="revalidate = False")})
    records = await project.built()
    assert told(records["/a"]) == [("clock", "app/a/route.py:6", False, False)]
    assert told(records["/b"]) == [("env SHOP_NAME", "app/b/route.py:6", False, False)]


async def test_a_fresh_answer_reads_again_but_for_the_environment_of_the_build(project: Project) -> None:
    project.routes({"/a": CLOCK.format(config="revalidate = 60"), "/b": ENV.format(config="revalidate = 60")})
    records = await project.built()
    assert told(records["/a"]) == [("clock", "app/a/route.py:6", True, False)]
    assert told(records["/b"]) == [("env SHOP_NAME", "app/b/route.py:6", False, False)]


async def test_the_lifetime_of_what_an_answer_uses_counts_too(project: Project) -> None:
    project.routes(
        {
            "/": "import time\nfrom millpond import cached\n"
            f"{STATIC}\n@cached(revalidate=60)\ndef load(): return 1\nasync def GET(): return [load(), time.time()]\n"
        }
    )
    assert [one[2] for one in told((await project.built())["/"])] == [True]


async def test_what_is_declared_is_meant(project: Project) -> None:
    project.routes(
        {
            "/a": CLOCK.format(config=f'{STATIC}\nfrozen_ok = ("clock",)'),
            "/b": ENV.format(config=f'{STATIC}\nfrozen_ok = ("env:SHOP_NAME",)'),
            "/c": ENV.format(config=f'{STATIC}\nfrozen_ok = ["env"]'),
        }
    )
    outcome = await project.build(**ERROR)
    assert (outcome.failures, outcome.warnings) == ([], [])
    assert [one.declared for record in outcome.manifest.routes for one in record.inputs] == [True] * 3


async def test_a_path_has_only_the_inputs_that_it_has_read(project: Project) -> None:
    project.routes(
        {
            "/[id]": f"""
            import time, random
            {STATIC}
            def generate_static_params():
                return [{{"id": "clock"}}, {{"id": "luck"}}, {{"id": "both"}}, {{"id": "none"}}]
            def GET(id: str):
                if id in ("clock", "both"):
                    time.time()
                if id in ("luck", "both"):
                    random.random()
            """
        }
    )
    record = (await project.built())["/[id]"]
    names = [one.subject for one in record.inputs]
    assert {path.readable: [names[number] for number in path.inputs] for path in record.paths} == {
        "/clock": ["clock"],
        "/luck": ["randomness"],
        "/both": ["clock", "randomness"],
        "/none": [],
    }


WRONG = {
    "/stamp": (
        f"from datetime import datetime, UTC\n{STATIC}\n\nasync def GET():\n    return str(datetime.now(UTC))\n",
        """\
/stamp  (app/stamp/route.py)
  its answer would keep what these were at this build:
    clock (datetime.now, app/stamp/route.py:5)
  To read them:
    again in time:            revalidate = N
    when it has changed:      a @cached function with a tag to invalidate
    for each request:         connection() before it, or dynamic = "force-dynamic"
    never, and that is meant: frozen_ok = ("clock",)""",
    ),
    "/users": (
        f"from lib.db import users\n{STATIC}\n\ndef GET():\n    return users()\n",
        """\
/users  (app/users/route.py)
  its answer would keep what these were at this build:
    database (sqlite3 execute: SELECT name FROM sqlite_master WHERE name = ?, lib/db.py:5)
  To read them:
    again in time:            revalidate = N
    when it has changed:      a @cached function with a tag to invalidate
    for each request:         connection() before it, or dynamic = "force-dynamic"
    never, and that is meant: frozen_ok = ("database",)""",
    ),
    "/settings": (
        'import os\nrevalidate = 60\n\ndef GET():\n    return [os.environ.get("API_URL"), "DEBUG" in os.environ]\n',
        """\
/settings  (app/settings/route.py)
  its answer would keep what these were at this build:
    env API_URL (app/settings/route.py:5)
    env DEBUG (app/settings/route.py:5)
  To read them:
    for each request:         connection() before it, or dynamic = "force-dynamic"
    never, and that is meant: frozen_ok = ("env:API_URL", "env:DEBUG")""",
    ),
}
DATABASE = """\
import sqlite3
from contextlib import closing
def users():
    with closing(sqlite3.connect(":memory:")) as db:
        return db.execute("SELECT name FROM sqlite_master WHERE name = ?", ("swordfish",)).fetchall()
"""


async def test_with_error_three_routes_that_freeze_silently_fail_with_what_their_authors_need(
    project: Project,
) -> None:
    project.write({"lib/db.py": DATABASE})
    project.routes({pattern: source for pattern, (source, _) in WRONG.items()} | {"/fine": f"{STATIC}\ndef GET(): 1\n"})
    assert sorted(await project.failures(**ERROR)) == sorted(message for _, message in WRONG.values())
    assert not (project.folder / ".millpond").exists()


async def test_without_error_the_same_routes_build(project: Project) -> None:
    project.write({"lib/db.py": DATABASE})
    project.routes({pattern: source for pattern, (source, _) in WRONG.items()})
    assert len(await project.built()) == 3


async def test_a_suggestion_that_is_followed_builds(project: Project) -> None:
    project.write({"data/a.txt": "a"})
    source = f"""
    import os, random, subprocess, time
    from pathlib import Path
    {STATIC}
    # allowed
    def GET():
        Path(__file__).parents[1].joinpath("data/a.txt").read_text()
        dict(os.environ)
        return [os.getenv("A"), os.getenv("A"), random.random(), subprocess.run(["true"]).returncode]
    """
    project.routes({"/": source})
    [failure] = await project.failures(**ERROR)
    suggested = failure.splitlines()[-1].partition("frozen_ok")
    assert suggested[2] == ' = ("file:data/a.txt", "env", "randomness", "process")'
    project.routes({"/": source.replace("# allowed", "".join(suggested[1:]))})
    await project.built(**ERROR)


async def test_a_typo_in_a_declaration_fails_with_what_was_meant(project: Project) -> None:
    project.routes({"/": CLOCK.format(config=f'{STATIC}\nfrozen_ok = ("clok",)')})
    with pytest.raises(RouteModuleError) as error:
        project.pond()
    assert str(error.value) == (
        "app/route.py:4: frozen_ok = ('clok',) is not allowed; frozen_ok takes inputs, and \"clok\" is unknown "
        '(did you mean "clock"?).'
    )


@pytest.mark.parametrize(
    ("source", "warnings"),
    [
        (
            CLOCK.format(config=f'{STATIC}\nfrozen_ok = ("clock", "env:A", "file")'),
            [
                'app/route.py:4: frozen_ok has "env:A", and the build has seen no such input; leave it out.',
                'app/route.py:4: frozen_ok has "file", and the build has seen no such input; leave it out.',
            ],
        ),
        (
            CLOCK.format(config='dynamic = "force-dynamic"\nfrozen_ok = ("clock",)'),
            ["app/route.py:4: frozen_ok has no effect, since GET is live; leave it out."],
        ),
        (CLOCK.format(config='revalidate = 60\nfrozen_ok = ("clock",)'), []),
    ],
)
async def test_a_declaration_that_declares_nothing_is_noticed(
    project: Project, source: str, warnings: list[str]
) -> None:
    project.routes({"/": source})
    assert (await project.build()).warnings == warnings


async def test_a_route_that_the_build_renders_nothing_of_may_declare_what_it_will(project: Project) -> None:
    config = f'{STATIC}\nfrozen_ok = ("clock",)\ndef generate_static_params(): return []'
    project.routes({"/[id]": CLOCK.format(config=config)})
    assert (await project.build()).warnings == []


async def test_with_cache_components_what_ends_no_prerender_is_told(project: Project) -> None:
    project.write({"data.txt": "a"})
    project.routes(
        {
            "/": """
            import os, time
            from pathlib import Path
            from millpond import cached

            @cached
            def load():
                return time.time()

            async def GET():
                os.environ.get("SHOP_NAME")
                return [Path(__file__).parents[1].joinpath("data.txt").read_text(), load()]
            """
        }
    )
    project.config["cache_components"] = True
    manifest = (await project.build()).manifest
    assert told(manifest.routes[0]) == [
        ("env SHOP_NAME", "app/route.py:11", False, False),
        ("file data.txt", "app/route.py:12", True, False),
    ]
    [load] = manifest.functions
    assert [(one.subject, one.refreshed) for one in load.inputs] == [("clock", True)]


async def test_with_cache_components_error_refuses_with_remedies_that_exist_there(project: Project) -> None:
    project.routes(
        {
            "/": "import os, pathlib\nasync def GET():\n"
            "    return [os.getenv('A'), pathlib.Path('/dev/null').read_text()]\n"
        }
    )
    project.config["cache_components"] = True
    [failure] = await project.failures(**ERROR)
    assert failure.splitlines()[2:] == [
        "    env A (app/route.py:3)",
        "    file /dev/null (app/route.py:3)",
        "  To read them:",
        "    again in time:            a @cached function with cache_life()",
        "    when it has changed:      a @cached function with a tag to invalidate",
        "    for each request:         connection() before it",
        '    never, and that is meant: frozen_ok = ("env:A", "file:/dev/null")',
    ]


async def test_with_cache_components_a_memo_of_the_first_pass_hides_nothing(project: Project) -> None:
    project.routes(
        {
            "/": "import functools, os\n@functools.cache\ndef settings(): return os.getenv('A')\n"
            "async def GET(): return settings()\n"
        }
    )
    project.config["cache_components"] = True
    assert [one.subject for one in (await project.built())["/"].inputs] == ["env A"]


async def test_machines_are_told_what_is_frozen_and_what_is_read_again(project: Project) -> None:
    project.write({"lib/db.py": DATABASE})
    project.routes(
        {
            "/users": WRONG["/users"][0],
            "/fresh": CLOCK.format(config="revalidate = 60"),
            "/cached": CACHED.format(config=STATIC, options="", call="pass", used="load"),
        }
    )
    outcome = await project.build()
    printed: dict[str, Any] = facts(outcome.manifest, PublicListing("", {}, []), [], 0)
    assert printed["routes"]["/users"]["frozen"] == [
        {
            "kind": "database",
            "name": "SELECT name FROM sqlite_master WHERE name = ?",
            "what": "sqlite3 execute",
            "place": "lib/db.py:5",
            "declared": False,
        }
    ]
    assert [one["what"] for one in printed["routes"]["/fresh"]["refreshed"]] == ["time.time"]
    [load] = printed["functions"]
    assert (load["name"], load["place"], load["routes"]) == ("load()", "app/cached/route.py:6", ["/cached"])
    assert [one["kind"] for one in load["frozen"]] == ["clock", "env"]
