"""What else tests keep away from: caches in front, secrets, a shared store. The project has them, the test has none."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient as PlainTestClient

from millpond import Millpond
from millpond.errors import UsageError
from millpond.testing import TestClient, sign_webhook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ponds import Project

    Client = PlainTestClient
    Made = Callable[[Millpond], AbstractContextManager[Client]]

ROUTES = {
    "/": """
        from millpond import cache_tag, fetch, revalidate_tag
        revalidate = 60
        async def GET():
            return 1
        async def POST():
            revalidate_tag("posts")
        """,
    "/posts": """
        from millpond import cached
        revalidate = 60
        @cached(tags=["posts"])
        async def posts(): return []
        async def GET(): return await posts()
        """,
}


@contextmanager
def _without_lifespan(client: Client) -> Iterator[Client]:
    yield client


@pytest.fixture(
    params=[
        pytest.param(lambda app: nullcontext(PlainTestClient(app)), id="FastAPI's, without a lifespan"),
        pytest.param(PlainTestClient, id="FastAPI's"),
        pytest.param(lambda app: nullcontext(TestClient(app)), id="Millpond's, without a lifespan"),
        pytest.param(TestClient, id="Millpond's"),
    ]
)
def made(request: pytest.FixtureRequest) -> Made:
    """Makes a client of an application."""
    made: Made = request.param
    return made


def app_of(project: Project, config: str) -> Millpond:
    project.routes(ROUTES)
    project.write({"millpond.toml": config})
    return Millpond(project.folder / "app")


def works(client: Client) -> None:
    """Answers are cached, and invalidated."""
    for action in ("MISS", "HIT"):
        assert client.get("/posts").headers["x-nextjs-cache"] == action
    assert client.post("/").status_code == 200
    assert client.get("/posts").headers["x-nextjs-cache"] == "MISS"


@pytest.fixture
def cdn() -> Iterator[ThreadingHTTPServer]:
    """A cache in front, which notes what it is asked."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Noting)
    server.__dict__["asked"] = []
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class _Noting(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.__dict__["asked"].append(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


def test_no_purge_leaves_a_test(
    project: Project, made: Made, cdn: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
    hook = f"""
        [cdn]
        headers = ["cache-tag"]
        [[cdn.purge]]
        kind = "webhook"
        url = "http://127.0.0.1:{cdn.server_port}/purge"
        secret_env = "HOOK_SECRET"
        again_after = 0
        """
    with made(app_of(project, hook)) as client:
        works(client)
        assert "cache-tag" in client.get("/posts").headers, "what caches in front are told is tested"
    assert cdn.__dict__["asked"] == []
    app = app_of(project, hook)
    app.isolated = False
    with TestClient(app) as client:
        works(client)
    assert cdn.__dict__["asked"] == [], "a client of Millpond's own never sends one"
    with PlainTestClient(app) as client:
        works(client)
    assert cdn.__dict__["asked"] == ["/purge"], "this is what a test would have sent"


@pytest.mark.parametrize(
    "purger",
    [
        'kind = "webhook"\nurl = "https://hooks.example/purge"\nsecret_env = "UNSET"',
        'kind = "fastly"\nservice = "abc"\ntoken_env = "UNSET"',
    ],
)
def test_the_secrets_of_purges_need_not_be_set(project: Project, made: Made, purger: str) -> None:
    headers = 'headers = ["surrogate-key", "cache-tag"]'
    with made(app_of(project, f"[cdn]\n{headers}\n[[cdn.purge]]\n{purger}\n")) as client:
        works(client)


ENDPOINT = '[revalidate_endpoint]\npath = "/hook"\nsecret_env = "HOOK_TOKEN"\n'


def test_the_secret_of_the_revalidate_endpoint_need_not_be_set(project: Project, made: Made) -> None:
    with made(app_of(project, ENDPOINT)) as client:
        works(client)
        for secret in ("", "None", "HOOK_TOKEN"):
            refused = client.post("/hook", headers={"authorization": f"Bearer {secret}"}, json={"tags": ["posts"]})
            assert refused.status_code == 401, "nobody knows the secret then"
        assert client.get("/posts").headers["x-nextjs-cache"] == "HIT"


def test_a_test_that_sets_the_secret_tests_the_endpoint(
    project: Project, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_TOKEN", "correct-horse-battery-staple-of-a-test")
    with made(app_of(project, ENDPOINT)) as client:
        works(client)
        headers = {"authorization": "Bearer correct-horse-battery-staple-of-a-test"}
        assert client.post("/hook", headers=headers, json={"tags": ["posts"]}).status_code == 200
        assert client.get("/posts").headers["x-nextjs-cache"] == "MISS"


WEBHOOK = f'{ENDPOINT}preset = "sanity"\ntags = ["{{kind}}s"]\n'


def test_a_test_signs_the_calls_of_webhooks(project: Project, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "correct-horse-battery-staple-of-a-test"
    with made(app_of(project, WEBHOOK)) as client:
        call = sign_webhook("sanity", {"kind": "post"}, secret, path="/hook")
        assert client.post("/hook", headers=call.headers, content=call.content).status_code == 401
    monkeypatch.setenv("HOOK_TOKEN", secret)
    with made(app_of(project, WEBHOOK)) as client:
        works(client)
        assert client.post("/hook", headers=call.headers, content=call.content).json()["tags"] == 1
        assert client.get("/posts").headers["x-nextjs-cache"] == "MISS"


@pytest.mark.parametrize(
    ("preset", "secret", "says"),
    [("sanitty", "x" * 16, "the preset is 'sanitty'"), ("standard-webhooks", "x" * 16, "the secret is none of preset")],
)
def test_what_cant_be_signed_is_a_usage_error(preset: Any, secret: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        sign_webhook(preset, {}, secret)


@pytest.mark.parametrize(
    "cache",
    [
        'store = "valkey://127.0.0.1:1/0"',
        'store = "valkey://127.0.0.1:1/0"\npassword_env = "UNSET"',
        'store = "valkeys://cache.example:6380/0?ssl_ca_certs=missing.pem"',
        'path = "/proc/no/such/folder"',
    ],
)
def test_the_store_need_not_be_reached(project: Project, made: Made, cache: str) -> None:
    with made(app_of(project, f"[cache]\n{cache}\n")) as client:
        works(client)


def test_a_test_asks_for_the_route_of_a_cron_as_a_scheduler_does(
    project: Project, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRON_SECRET", "correct-horse-battery-staple-of-a-test")
    app = app_of(project, "")
    cron = "from fastapi import Depends\nfrom millpond.cron import cron_only\ndef GET(_=Depends(cron_only)): return 1\n"
    project.routes({"/nightly": cron})
    with made(app) as client:
        headers = {"authorization": "Bearer correct-horse-battery-staple-of-a-test"}
        assert client.get("/nightly", headers=headers).json() == 1
        assert client.get("/nightly").status_code == 401


def test_crons_are_neither_run_nor_warned_of(project: Project, made: Made, caplog: pytest.LogCaptureFixture) -> None:
    with made(app_of(project, '[[cron]]\npath = "/"\nschedule = "* * * * *"\n')) as client:
        works(client)
    assert "cron" not in caplog.text
