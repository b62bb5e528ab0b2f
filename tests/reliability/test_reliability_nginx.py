"""Debian's nginx in front of a real server, with the configuration of docs/deploy.md."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2
import pytest
from fronts import SBIN, shown
from served_pond import served, write_project

from started_server import free_port, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from served_pond import Served

NGINX = shutil.which("nginx", path=SBIN)

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

MINE = """\
from millpond import cookies


def GET():
    return {"name": cookies().get("name")}
"""
WHO = """\
from millpond import Request


def GET(request: Request):
    return [request.client.host, request.url.scheme]
"""

AROUND = """\
{user}
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log {folder}/error.log warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    include {folder}/millpond.conf;
}}
"""


@contextmanager
def nginx(folder: Path, port: int, backend: int) -> Iterator[None]:
    """nginx on `port` in front of the port `backend`; it has ended afterwards."""
    assert NGINX is not None
    shown_there = shown("nginx", "millpond.conf")
    for said, here in (
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{backend};"),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("/var/cache/nginx/millpond", str(folder / "cache")),
    ):
        assert said in shown_there
        shown_there = shown_there.replace(said, here)
    folder.mkdir()
    (folder / "millpond.conf").write_text(shown_there, "utf-8")
    # As root, nginx would have its files written by somebody who may not look into this folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=user), "utf-8")
    with started([NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")], port, folder / "log"):
        yield


@pytest.fixture(scope="module")
def fronted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, httpx2.Client]]:
    folder, port = tmp_path_factory.mktemp("fronted"), free_port()
    write_project(folder / "pond")
    for name, route in (("mine", MINE), ("who", WHO)):
        (folder / "pond" / "app" / name).mkdir()
        (folder / "pond" / "app" / name / "route.py").write_text(route, "utf-8")
    with (folder / "pond" / "millpond.toml").open("a") as config:
        config.write("\n[cdn]\n")
    with (
        served(folder / "pond", 1, "--proxy-headers") as server,
        nginx(folder / "nginx", port, server.port),
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as browser,
    ):
        yield server, browser


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not true():
        assert time.monotonic() < ends, "it didn't come about"
        time.sleep(0.05)


def test_nginx_keeps_what_is_everybodys_whatever_cookies_come_with_it(
    fronted: tuple[Served, httpx2.Client],
) -> None:
    _, browser = fronted

    def kept() -> bool:
        answers = [browser.get("/values/kept", headers={"cookie": f"name=n{number}"}) for number in range(3)]
        assert {answer.json()["version"] for answer in answers} == {0}
        return [answer.headers["x-cache"] for answer in answers][1:] == ["HIT", "HIT"]

    until(kept)


def test_an_invalidation_shows_when_what_nginx_keeps_is_a_second_old(fronted: tuple[Served, httpx2.Client]) -> None:
    server, browser = fronted
    behind = f"http://127.0.0.1:{server.port}"

    def version() -> int:
        seen: int = browser.get("/values/told").json()["version"]
        return seen

    assert version() == 0
    assert httpx2.post(f"{behind}/values/told?version=1", trust_env=False).status_code == 200
    until(lambda: version() == 1)
    assert [version() for _ in range(3)] == [1, 1, 1]


def test_nginx_keeps_nothing_of_what_is_one_visitors_own(fronted: tuple[Served, httpx2.Client]) -> None:
    _, browser = fronted
    for name in ("ann", "bob", "ann"):
        answer = browser.get("/mine", headers={"cookie": f"name={name}"})
        assert (answer.json()["name"], answer.headers["x-cache"]) == (name, "MISS")
    draft = {"cookie": "__prerender_bypass=x"}
    assert [browser.get("/values/draft", headers=draft).headers["x-cache"] for _ in range(2)] == ["BYPASS"] * 2


def test_who_asks_is_what_nginx_says_and_not_what_the_client_says(fronted: tuple[Served, httpx2.Client]) -> None:
    _, browser = fronted
    elsewhere = httpx2.HTTPTransport(local_address="127.0.0.2")  # as 127.0.0.1 is a trusted proxy's
    forged = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https"}
    with httpx2.Client(base_url=browser.base_url, transport=elsewhere, trust_env=False, timeout=20) as client:
        assert client.get("/who", headers=forged).json() == ["127.0.0.2", "http"]
