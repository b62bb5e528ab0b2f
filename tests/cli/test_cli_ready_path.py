"""`[server] ready_path` and `drain_delay` in commands, and as `millpond start` serves."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import httpx2
import pytest

from cli_project import ITEMS, STATIC, call, execute
from many_workers import PID, is_running, started, until

if TYPE_CHECKING:
    from ponds import Project

CONFIG = '[server]\nready_path = "/healthz"\n'
MAIN = """\
from millpond import Millpond

app = Millpond("app")


@app.get("/healthz")
def health():
    return {"ok": True}
"""


@pytest.mark.parametrize(
    ("files", "who"),
    [
        ({"app/healthz/route.py": STATIC}, "app/healthz/route.py:4"),
        ({"app/(ops)/healthz/route.py": "def POST(): ...\n"}, "app/(ops)/healthz/route.py:1"),
        ({"main.py": MAIN}, "main.py:6"),
        ({"public/healthz": "ok"}, "public/healthz"),
    ],
)
def test_a_build_refuses_a_path_that_something_else_answers(
    project: Project, capsys: pytest.CaptureFixture[str], files: dict[str, str], who: str
) -> None:
    project.routes({"/": STATIC})
    project.write({**files, "millpond.toml": CONFIG})
    done = call(project.folder, capsys, "build", "--dir", str(project.folder))
    assert done.code == 1
    assert done.err == (
        f'error: "server.ready_path" is "/healthz", and {who} answers that path, too; choose another one, such as '
        '"/healthz/ready".\n'
    )


@pytest.mark.parametrize("path", ["/docs", "/api/revalidate"])
def test_a_build_refuses_the_paths_of_fastapi_and_of_the_configuration(
    project: Project, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    project.routes({"/": STATIC})
    secret = '[revalidate_endpoint]\nsecret = "correct horse battery staple"\n'
    project.write({"millpond.toml": CONFIG.replace("/healthz", path) + secret})
    done = call(project.folder, capsys, "build", "--dir", str(project.folder))
    assert done.code == 1
    assert f'"server.ready_path" is "{path}"' in done.err


def test_a_start_refuses_it_too_where_it_was_configured_after_the_build(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/": STATIC, "/healthz": STATIC})
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    project.write({"millpond.toml": CONFIG})
    done = execute("start", "--dir", str(project.folder), "--port", "0")
    assert done.code == 1
    assert 'error: "server.ready_path" is "/healthz", and app/healthz/route.py' in done.err


def test_a_route_with_parameters_has_one_path_less(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    listing = ITEMS.replace('[{"id": "1"}, {"id": "2"}]', '[{"id": "healthz"}]')
    project.routes({"/[id]": listing})
    project.write({"millpond.toml": CONFIG})
    done = call(project.folder, capsys, "build", "--dir", str(project.folder), "--json")
    assert done.code == 0
    assert done.facts["warnings"] == [
        '"server.ready_path" hides /healthz, which app/[id]/route.py has rendered; choose another one.'
    ]


def test_routes_and_explain_tell_it(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/": STATIC})
    project.write({"millpond.toml": CONFIG})
    listed = call(project.folder, capsys, "routes", "--dir", str(project.folder), "--json").facts["routes"]
    assert [(each["methods"], each["why"]) for each in listed if each["pattern"] == "/healthz"] == [
        (["GET", "HEAD"], "[server] ready_path")
    ]
    told = call(project.folder, capsys, "explain", "/healthz", "--dir", str(project.folder), "--json").facts
    assert told["rule"] == "200 while requests may be sent, else 503: the configuration's [server] ready_path"


def test_workers_drain_together_on_sigterm_and_answer_meanwhile(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/items/[id]": ITEMS, "/pid": PID})
    project.write({"millpond.toml": f"{CONFIG}drain_delay = 3\n"})
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    with started(project) as server:
        pids = server.pids(2)
        assert server.get("/healthz").json() == {"ready": True}
        with httpx2.Client(base_url=server.address, trust_env=False) as kept:
            assert kept.get("/items/1").headers["x-nextjs-cache"] == "HIT"
            server.process.send_signal(signal.SIGTERM)
            until(lambda: server.get("/healthz").status_code == 503)
            assert server.get("/healthz").json() == {"ready": False, "missing": ["draining"]}
            assert server.get("/items/1").json() == "1"
            assert server.pids(2) == pids
            # In the second half answers end their connections, also those that were hits at the socket.
            until(lambda: kept.get("/items/1").headers.get("connection") == "close")
        logged = server.end()
    assert server.process.returncode in (0, 143)
    assert sum("draining: connections are accepted for 3 s more" in line["message"] for line in logged) == 2
    assert not [line for line in logged if "/healthz" in line["message"]]


def test_workers_that_are_replaced_dont_drain(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/pid": PID})
    project.write({"millpond.toml": f"{CONFIG}drain_delay = 60\n"})
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    with started(project) as server:
        before = server.pids(2)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: not any(map(is_running, before)))
        assert server.get("/healthz").status_code == 200
        logged = server.end(signal.SIGINT)  # at a terminal nobody waits, either
    assert server.process.returncode == 0
    assert not [line for line in logged if "draining" in line["message"]]


def test_a_second_sigterm_ends_a_drain_at_once(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/pid": PID})
    project.write({"millpond.toml": f"{CONFIG}drain_delay = 60\n"})
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    for workers in (1, 2):
        with started(project, workers) as server:
            server.process.send_signal(signal.SIGTERM)
            until(lambda: server.get("/healthz").status_code == 503)
            server.end()
        assert server.process.returncode == 143
