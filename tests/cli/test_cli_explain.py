from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from cli_project import ITEMS, LIVE, STATIC, STOCK, call

if TYPE_CHECKING:
    from ponds import Project

CLOSED = "dynamic_params = False\n" + ITEMS

SOMETIMES_LIVE = """\
from millpond import headers

revalidate = 60


def generate_static_params():
    return [{"id": "1"}, {"id": "2"}]


def GET(id: str):
    return headers().get("user-agent") if id == "2" else id
"""


@pytest.fixture
def built(project: Project, capsys: pytest.CaptureFixture[str]) -> Project:
    project.routes(
        {
            "/": STATIC,
            "/items/[id]": ITEMS,
            "/closed/[id]": CLOSED,
            "/turned": "revalidate = 60\n" + LIVE,
            "/hook": "def POST(): ...\n",
            "/tagged": STOCK.replace("shop: str", ""),
        }
    )
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    return project


def explained(project: Project, capsys: pytest.CaptureFixture[str], path: str) -> dict[str, Any]:
    done = call(project.folder, capsys, "explain", path, "--dir", str(project.folder), "--json")
    assert done.code == 0, done.err
    facts: dict[str, Any] = done.facts
    return facts


def test_a_path_that_was_rendered_is_a_hit_with_lifetime_and_key(
    built: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = explained(built, capsys, "/items/1")
    assert (facts["route"], facts["params"], facts["mode"]) == ("/items/[id]", {"id": "1"}, "fresh")
    assert (facts["why"], facts["place"]) == ("revalidate = 60", "app/items/[id]/route.py:1")
    cache = facts["cache"]
    assert (cache["answer"], cache["reason"], cache["status"]) == ("HIT", "fresh", 200)
    assert (cache["revalidate"], cache["expire"]) == (60, 31_536_000)
    assert 0 <= cache["age"] <= 30
    assert 0 < cache["ttl"] <= 60
    assert "/items/1" in cache["key"]


def test_what_clients_may_keep_is_said(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    life = "from millpond import response_life\nrevalidate = 60\ndef GET(): response_life(stale=20)\n"
    project.routes({"/short": life, "/plain": "revalidate = 60\ndef GET(): return 1\n"})
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    assert [explained(project, capsys, path)["cache"]["client_stale"] for path in ("/short", "/plain")] == [20, None]
    said = call(project.folder, capsys, "explain", "/short", "--dir", str(project.folder))
    assert "revalidate 1m, expire 1y, for clients 20s" in said.out


def test_an_answer_that_never_goes_stale_is_static(built: Project, capsys: pytest.CaptureFixture[str]) -> None:
    facts = explained(built, capsys, "/")
    assert (facts["mode"], facts["cache"]["answer"], facts["cache"]["ttl"]) == ("static", "HIT", None)
    assert facts["rule"] == "one answer for everybody: rendered at build"


def test_an_old_answer_is_stale(
    built: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time() + 100
    monkeypatch.setattr("millpond.cli.explain.time", SimpleNamespace(time=lambda: now))
    cache = explained(built, capsys, "/items/1")["cache"]
    assert (cache["answer"], cache["reason"]) == ("STALE", "age")
    assert -45 < cache["ttl"] <= -39


def test_a_path_that_was_not_rendered_is_a_miss_that_will_be_stored(
    built: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = explained(built, capsys, "/items/3")
    assert (facts["cache"]["answer"], facts["cache"]["reason"], facts["cache"]["stored"]) == ("MISS", "cold", False)
    assert "rendered at its first request" in facts["rule"]


def test_a_route_that_read_the_request_is_live_and_says_where(
    built: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = explained(built, capsys, "/turned")
    assert (facts["mode"], facts["cache"], facts["rule"]) == ("live", None, "run for each request")
    assert facts["place"] == "app/turned/route.py:6"


def test_a_closed_route_declines_and_nothing_else_fits(built: Project, capsys: pytest.CaptureFixture[str]) -> None:
    facts = explained(built, capsys, "/closed/9")
    assert facts["status"] == 404
    assert facts["declined"] == [
        "/closed/[id] (app/closed/[id]/route.py:1): dynamic_params = False, "
        "and generate_static_params doesn't list the path"
    ]


def test_a_route_without_get_is_405_for_get(built: Project, capsys: pytest.CaptureFixture[str]) -> None:
    facts = explained(built, capsys, "/hook")
    assert (facts["status"], facts["methods"], facts["rule"]) == (
        405,
        ["POST"],
        "405 for GET, with Allow: OPTIONS, POST",
    )


def test_an_unknown_path_is_404_with_the_nearest_routes(built: Project, capsys: pytest.CaptureFixture[str]) -> None:
    facts = explained(built, capsys, "/itms/1")
    assert facts["status"] == 404
    assert facts["nearest"][0] == "/items/[id]"


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/items/1/", 308, "/items/1"),
        ("//items/1", 308, "/items/1"),
        ("/items/%zz", 400, None),
        ("/%zz", 404, None),
        ("/" + "a" * 9000, 414, None),
    ],
)
def test_what_is_answered_before_any_route_is_said(
    built: Project, capsys: pytest.CaptureFixture[str], path: str, status: int, location: str | None
) -> None:
    facts = explained(built, capsys, path)
    assert (facts["status"], facts["location"], facts["route"]) == (status, location, None)


@pytest.mark.parametrize("given", ["/items/1?a=b", "items/1#top", "https://shop.example:8000/items/1?a=b"])
def test_a_url_is_taken_for_its_path_and_that_is_said(
    built: Project, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    facts = explained(built, capsys, given)
    assert facts["path"] == "/items/1"
    assert facts["route"] == "/items/[id]"
    assert "the query is ignored" in facts["notes"][0]


def test_a_path_may_be_written_with_its_characters_or_encoded(
    built: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explained(built, capsys, "/items/ü")["params"] == {"id": "ü"}
    assert explained(built, capsys, "/items/%C3%BC")["params"] == {"id": "ü"}
    assert explained(built, capsys, "/items/a%2Fb")["params"] == {"id": "a/b"}


def test_what_fastapi_answers_itself_is_said(built: Project, capsys: pytest.CaptureFixture[str]) -> None:
    facts = explained(built, capsys, "/openapi.json")
    assert (facts["route"], facts["status"], facts["file"]) == ("/openapi.json", None, None)
    assert "FastAPI" in facts["rule"]


def test_a_configured_redirect_is_said_with_its_source(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/items/[id]": ITEMS})
    config = '[[redirects]]\nsource = "/items/[old]"\ndestination = "https://new.example/[old]"\nstatus = 307\n'
    project.write({"millpond.toml": config})
    facts = explained(project, capsys, "/items/1")
    assert (facts["status"], facts["location"], facts["route"]) == (307, "https://new.example/1", None)
    assert facts["rule"] == "redirect to https://new.example/1: [[redirects]] has one for /items/[old]"


def test_a_path_outside_of_base_path_is_said(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/": STATIC})
    project.write({"millpond.toml": 'base_path = "/docs"\n'})
    facts = explained(project, capsys, "/")
    assert facts["status"] == 404
    assert 'it is outside of base_path = "/docs"' in facts["notes"]
    assert explained(project, capsys, "/docs")["route"] == "/"


def test_without_a_build_the_files_speak_and_that_is_said(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/items/[id]": ITEMS})
    facts = explained(project, capsys, "/items/1")
    assert facts["cache"]["answer"] == "MISS"
    assert facts["notes"] == ["there is no build: this is derived from the files"]


def test_an_explanation_is_readable(built: Project, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(built.folder, capsys, "explain", "/items/1", "--dir", str(built.folder))
    lines = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert lines["route"] == "/items/[id]  (app/items/[id]/route.py)"
    assert lines["param"] == "id = '1'"
    assert lines["why"] == "revalidate = 60 · app/items/[id]/route.py:1"
    assert lines["cache"] == "HIT (fresh), by the entries of the build"
    assert lines["lifetime"] == "revalidate 1m, expire 1y"
    assert "\0" not in done.out


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "/closed/9",
            {"status": "404", "declined": "/closed/[id] (app/closed/[id]/route.py:1): dynamic_params = False,"},
        ),
        ("/itms/1", {"status": "404", "nearest": "/items/[id]"}),
        ("/items/1?a=b", {"note": "the query is ignored"}),
        ("/items/3", {"cache": "MISS (cold), by the entries of the build", "key": "response app/items/[id]/route.py"}),
        ("/tagged", {"cache": "HIT (fresh)", "tags": "stock"}),
    ],
)
def test_what_an_explanation_has_to_say_is_readable(
    built: Project, capsys: pytest.CaptureFixture[str], path: str, said: dict[str, str]
) -> None:
    done = call(built.folder, capsys, "explain", path, "--dir", str(built.folder))
    lines = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert {label: lines.get(label, "")[: len(text)] for label, text in said.items()} == said


def test_a_path_of_a_static_route_with_a_live_one_says_that_nobody_knows_before(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/items/[id]": SOMETIMES_LIVE})
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    assert explained(project, capsys, "/items/1")["mode"] == "fresh"
    facts = explained(project, capsys, "/items/3")
    assert (facts["mode"], facts["cache"]) == ("live", None)
    assert "the build didn't render this path, and another path of the route is live" in facts["rule"]


def test_a_build_of_another_compat_is_said_and_not_used(built: Project, capsys: pytest.CaptureFixture[str]) -> None:
    built.write({"millpond.toml": 'compat = "14"\n'})
    facts = explained(built, capsys, "/items/1")
    assert facts["cache"]["stored"] is False
    assert facts["notes"] == ['the build was made with compat = "16"; run `millpond build` again.']
