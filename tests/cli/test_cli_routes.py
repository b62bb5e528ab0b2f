from __future__ import annotations

from typing import TYPE_CHECKING

from cli_project import ITEMS, LIVE, STATIC, call
from millpond.config.project.build_output import OUTPUT

if TYPE_CHECKING:
    import pytest

    from ponds import Project


def listed(project: Project, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    done = call(project.folder, capsys, "routes", "--dir", str(project.folder), "--json")
    assert done.code == 0, done.err
    return {facts["pattern"]: facts for facts in done.facts["routes"]}


def test_without_a_build_a_route_is_a_candidate_or_live_by_what_its_file_says(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/": STATIC, "/live": LIVE})
    routes = listed(project, capsys)
    assert routes["/"] == {
        "pattern": "/",
        "methods": ["GET"],
        "file": "app/route.py",
        "mode": "candidate",
        "glyph": "?",
        "why": 'dynamic = "force-static"',
        "place": "app/route.py:1",
        "by": "file",
        "varies": {},
    }
    assert (routes["/live"]["mode"], routes["/live"]["glyph"]) == ("live", "λ")


def test_listing_routes_renders_nothing(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/": STATIC.replace("    return", "    raise SystemExit\n    return")})
    assert listed(project, capsys)["/"]["mode"] == "candidate"
    assert not (project.folder / OUTPUT).exists()


def test_with_a_build_its_decisions_are_shown(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/items/[id]": ITEMS, "/turned": "revalidate = 60\n" + LIVE})
    call(project.folder, capsys, "build", "--dir", str(project.folder))
    routes = listed(project, capsys)
    assert (routes["/items/[id]"]["glyph"], routes["/items/[id]"]["by"]) == ("●", "build")
    assert (routes["/turned"]["glyph"], routes["/turned"]["mode"]) == ("λ", "live")
    assert routes["/turned"]["place"] == "app/turned/route.py:6"


def test_a_file_that_was_edited_since_speaks_for_itself(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/": STATIC, "/same": STATIC})
    call(project.folder, capsys, "build", "--dir", str(project.folder))
    project.routes({"/": LIVE})
    done = call(project.folder, capsys, "routes", "--dir", str(project.folder), "--json")
    assert {facts["pattern"]: facts["by"] for facts in done.facts["routes"]} == {"/": "file", "/same": "build"}
    assert done.facts["warnings"] == ["app/route.py was edited after the build"]


def test_a_build_that_cannot_be_served_is_said_and_not_used(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/": STATIC})
    call(project.folder, capsys, "build", "--dir", str(project.folder))
    project.routes({"/added": STATIC})
    done = call(project.folder, capsys, "routes", "--dir", str(project.folder))
    assert done.code == 0
    assert "app/added/route.py was added after the build" in done.err
    assert done.out.count("? /") == 2


def test_the_table_has_methods_files_and_reasons(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/": STATIC + "\n\ndef POST(): ...\n"})
    done = call(project.folder, capsys, "routes", "--dir", str(project.folder))
    assert done.out.splitlines()[:2] == [
        "Route  Methods    File          Why",
        '? /    GET, POST  app/route.py  dynamic = "force-static" · app/route.py:1',
    ]
    assert done.out.splitlines()[-1].startswith("?  may be static")


def test_a_table_of_decisions_has_a_legend(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/items/[id]": ITEMS, "/turned": "revalidate = 60\n" + LIVE})
    call(project.folder, capsys, "build", "--dir", str(project.folder))
    out = call(project.folder, capsys, "routes", "--dir", str(project.folder)).out
    assert [line[0] for line in out.partition("\n\n")[2].splitlines()] == ["●", "λ"]
