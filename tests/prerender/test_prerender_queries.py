"""What a build and `millpond routes` say of QUERY."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli_project import call

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

PERSONAL = (
    "from typing import Annotated\nfrom fastapi import Header\n"
    "cache_query_body = True\ndef QUERY(body: list[int], x_user: Annotated[str, Header()]): return x_user\n"
)
STORED = "cache_query_body = True\ndef QUERY(body: list[int]): return body\n"
SWITCH = "from fastapi import Depends\ndef switch(): ...\ndependencies = [Depends(switch)]\n"


async def test_a_build_warns_of_a_query_that_isnt_stored_though_it_is_asked_for(project: Project) -> None:
    project.routes({"/a": PERSONAL, "/b": "dynamic = 'force-dynamic'\n" + STORED, "/c": STORED})
    outcome = await project.build()
    assert [str(failure) for failure in outcome.failures] == []
    assert [warning for warning in outcome.warnings if "cache_query_body" in warning] == [
        'app/a/route.py:3: cache_query_body does nothing, as QUERY declares header "x-user".',
        'app/b/route.py:2: cache_query_body does nothing, as QUERY is live: dynamic = "force-dynamic".',
    ]


async def test_a_build_warns_of_a_guard_that_no_hit_of_a_query_asks(project: Project) -> None:
    project.routes({"/c": STORED})
    project.write({"app/router.py": SWITCH})
    outcome = await project.build()
    (warning,) = outcome.warnings
    assert warning.startswith("app/router.py:3: switch runs in renders of /c, and not for hits")


def test_commands_tell_whether_it_is_stored(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/a": PERSONAL, "/c": STORED, "/d": "def QUERY(body: list[int]): return body\n"})
    facts = call(project.folder, capsys, "routes", "--dir", str(project.folder), "--json").facts
    assert {each["pattern"]: each.get("query") for each in facts["routes"]} == {
        "/a": {"mode": "live", "why": 'declares header "x-user" · app/a/route.py:4'},
        "/c": {"mode": "static", "why": "cache_query_body · app/c/route.py:1"},
        "/d": {"mode": "live", "why": "QUERY is live by default · app/d/route.py:1"},
    }
    assert any("cache_query_body does nothing" in warning for warning in facts["warnings"])
    told = call(project.folder, capsys, "explain", "/c", "--dir", str(project.folder)).out
    assert "QUERY is stored, with the body as part of the key: cache_query_body · app/c/route.py:1" in told
    told = call(project.folder, capsys, "explain", "/a", "--dir", str(project.folder)).out
    assert 'QUERY is run for each request: declares header "x-user" · app/a/route.py:4' in " ".join(told.split())
