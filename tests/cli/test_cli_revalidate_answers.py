"""`millpond revalidate --url`, where what answers isn't Millpond's endpoint, or doesn't answer."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from cli_project import STATIC, call
from millpond.policy.tags import MAX_TAGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli_project import Done
    from ponds import Project

CONFIG = '[revalidate_endpoint]\nsecret = " a secret of enough letters "\n'


@contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[str, list[str | None]]]:
    """The address of a server that says the same to everybody, and the credentials that were sent to it."""
    credentials: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            credentials.append(self.headers["authorization"])
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: the tests' output is theirs."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", credentials
        finally:
            server.shutdown()
            thread.join()


def revalidate(project: Project, capsys: pytest.CaptureFixture[str], *arguments: str) -> Done:
    project.routes({"/": STATIC})
    project.write({"millpond.toml": CONFIG})
    return call(project.folder, capsys, "revalidate", *arguments, "--dir", str(project.folder))


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<h1>It works!</h1>", "answered 200, but not as Millpond does; is that the right address?"),
        (500, b"\xff\xfe", "answered 500: this isn't an answer of Millpond's endpoint; is it the right address?"),
        (500, b"{}", "answered 500: this isn't an answer of Millpond's endpoint; is it the right address?"),
        (400, b'{"error": "no tag"}', "answered 400: no tag."),
    ],
)
def test_what_an_address_answers_that_isnt_a_success_is_one_line(
    project: Project, capsys: pytest.CaptureFixture[str], status: int, body: bytes, said: str
) -> None:
    with answering(status, body) as (address, credentials):
        done = revalidate(project, capsys, "--tag", "stock", "--url", address)
    assert done.code == 1
    assert said in done.err
    assert done.err.count("\n") == 1
    assert credentials == ["Bearer a secret of enough letters"]


def test_a_server_that_doesnt_answer_in_time_may_have_invalidated(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millpond.cli.revalidate.TIMEOUT", 0.2)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as listener:  # nobody accepts
        address = f"http://127.0.0.1:{listener.server_port}"
        done = revalidate(project, capsys, "--tag", "stock", "--url", address)
    assert done.code == 1
    assert "didn't answer within 0.2 s; it is unknown whether it invalidated anything." in done.err


def test_more_paths_than_one_call_may_name_are_refused(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [argument for number in range(MAX_TAGS + 1) for argument in ("--path", f"/{number}")]
    done = revalidate(project, capsys, *paths)
    assert done.code == 1
    assert f"{MAX_TAGS + 1} paths are over {MAX_TAGS}; name fewer in one call" in done.err
