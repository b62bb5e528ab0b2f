"""The paths of operators and the routes of the application: neither hides the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from shop_project import CONFIG, SECRET

from cli_project import STATIC, call
from millpond.config import parse_config
from millpond.serve.readiness.taken_path import reserved_paths, taken

if TYPE_CHECKING:
    from ponds import Project

MAIN = """\
from millpond import Millpond

app = Millpond("app")


@app.get("/_millpond/mine")
def mine():
    return {}
"""
METRICS = '[metrics]\npath = "/metrics"\n'
DASHBOARD = "the dashboard is at /_millpond"


@pytest.mark.parametrize(
    ("files", "config", "says"),
    [
        ({"main.py": MAIN}, CONFIG, f"{DASHBOARD}, and main.py:6 answers that path, too; give the route another path."),
        ({"app/%5Fmillpond/route.py": STATIC}, CONFIG, f"{DASHBOARD}, and app/%5Fmillpond/route.py:4 answers that"),
        ({"public/_millpond/a.txt": "a"}, CONFIG, f"{DASHBOARD}, and public/_millpond/a.txt answers that path"),
        ({"app/metrics/route.py": STATIC}, METRICS, '"metrics.path" is "/metrics", and app/metrics/route.py:4 answers'),
    ],
)
def test_a_build_refuses_a_route_that_nobody_could_ask_for(
    project: Project,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
    config: str,
    says: str,
) -> None:
    monkeypatch.setenv("DASHBOARD_SECRET", SECRET)
    project.routes({"/": STATIC, "/tick": STATIC})
    project.write({**files, "millpond.toml": config})
    done = call(project.folder, capsys, "build", "--dir", str(project.folder))
    assert (done.code, says in done.err) == (1, True), done.err


def test_without_a_dashboard_the_path_is_the_applications(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/": STATIC})
    project.write({"main.py": MAIN})
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0


def test_in_development_a_hidden_route_is_warned_about() -> None:
    config = parse_config({}, "millpond.toml")
    claims = [("/_millpond/mine", "main.py:6"), ("/_millponds", "main.py:9")]
    assert list(taken(config, claims, reserved_paths(config))) == []
    hidden = list(taken(config, claims, reserved_paths(config, development=True)))
    assert hidden == [f"{DASHBOARD}, and main.py:6 answers that path, too; give the route another path."]


def test_two_paths_of_operators_are_different() -> None:
    config = parse_config({"metrics": {"path": "/up"}, "server": {"ready_path": "/up"}}, "millpond.toml")
    assert len(list(taken(config, [], reserved_paths(config)))) == 1
