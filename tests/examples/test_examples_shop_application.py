"""What the example shop's main.py makes: CORS, headers, a handler of errors; and the sessions of its admins."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import itsdangerous
import millpond_process
import pytest
from example_shop import SHOP, TOKEN, RunningShop, cache_of, running_shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx2

PARTNER = "https://partner.example"
HOURS = 3600


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningShop]:
    with running_shop(tmp_path_factory.mktemp("application"), {"SHOP_ADMIN_TOKEN": TOKEN}) as running:
        yield running


def by(shop: RunningShop, session: str) -> dict[str, bool]:
    """What a browser that sends a session's cookie is told."""
    found: dict[str, bool] = shop.client.get("/api/session", headers={"cookie": f"session={session}"}).json()
    return found


@pytest.mark.parametrize(
    ("path", "status"), [("/api/categories", 200), ("/api/health", 200), ("/nothing", 404), ("/api/search", 422)]
)
def test_pages_of_partners_may_read_every_answer(shop: RunningShop, path: str, status: int) -> None:
    for origin, allowed in ((PARTNER, PARTNER), ("https://other.example", None)):
        answer = shop.client.get(path, headers={"origin": origin})
        assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (status, allowed)


def test_pages_of_partners_may_not_change_a_price(shop: RunningShop) -> None:
    headers = {"origin": PARTNER, "access-control-request-method": "PUT"}
    assert shop.client.options("/api/products/oak-chair", headers=headers).status_code == 400


@pytest.mark.parametrize("path", ["/api/categories", "/api/health", "/nothing", "/icon.svg", "/docs"])
def test_no_browser_guesses_what_an_answer_is(shop: RunningShop, path: str) -> None:
    assert shop.client.get(path).headers["x-content-type-options"] == "nosniff"


def test_the_document_has_the_shops_name_and_its_routes(shop: RunningShop) -> None:
    document = shop.client.get("/openapi.json").json()
    assert document["info"] == {"title": "The Millpond shop", "version": "1.0"}
    assert {"/api/products/{slug}", "/api/session"} <= set(document["paths"])


def test_an_admin_signs_in_changes_a_price_and_signs_out(shop: RunningShop) -> None:
    with millpond_process.client(str(shop.client.base_url)) as browser:
        change = {"price_cents": 13_900}
        assert browser.put("/api/products/oak-chair", json=change).status_code == 401
        signed_in = browser.post("/api/session", json={"token": TOKEN})
        assert signed_in.status_code == 201
        assert {"HttpOnly", "SameSite=strict"} <= set(signed_in.headers["set-cookie"].split("; "))
        assert browser.get("/api/session").json() == {"admin": True}
        assert browser.put("/api/products/oak-chair", json=change).json()["price_cents"] == 13_900
        assert shop.client.get("/api/products/oak-chair").json()["price_cents"] == 13_900
        assert browser.delete("/api/session").status_code == 204
        assert browser.get("/api/session").json() == {"admin": False}


def test_a_session_is_nobody_elses_answer(shop: RunningShop) -> None:
    answer = shop.client.get("/api/session", headers={"cookie": f"session={session_of(TOKEN)}"})
    assert (answer.json(), cache_of(answer)) == ({"admin": True}, None)
    assert shop.client.get("/api/session").json() == {"admin": False}


@pytest.mark.parametrize("token", ["", "Swordfish", "swordfish2"])
def test_nobody_signs_in_with_a_wrong_token(shop: RunningShop, token: str) -> None:
    answer = shop.client.post("/api/session", json={"token": token})
    assert (answer.status_code, answer.headers.get("set-cookie")) == (401, None)


def session_of(token: str, *, of: str = "admin", age: int = 0) -> str:
    class At(itsdangerous.TimestampSigner):
        def get_timestamp(self) -> int:
            return int(time.time()) - age

    return At(token, salt="shop.session").sign(of).decode("ascii")


MADE_UP: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "no signature": lambda: "admin",
    "no right signature": lambda: "admin.x.y",
    "a part": lambda: session_of(TOKEN)[:-1],
    "signed with another token": lambda: session_of("another token"),
    "somebody else's": lambda: session_of(TOKEN, of="somebody"),
    "over": lambda: session_of(TOKEN, age=9 * HOURS),
}


@pytest.mark.parametrize("kind", MADE_UP)
def test_a_session_that_is_made_up_or_over_is_none(shop: RunningShop, kind: str) -> None:
    assert by(shop, MADE_UP[kind]()) == {"admin": False}


def test_a_session_lasts_for_hours(shop: RunningShop) -> None:
    assert by(shop, session_of(TOKEN, age=7 * HOURS)) == {"admin": True}


def test_where_no_token_is_set_nobody_signs_in_and_other_servers_serve_the_shop(tmp_path: Path) -> None:
    with running_shop(tmp_path, {}) as running:
        database = str(running.database)
    env = {"SHOP_ADMIN_TOKEN": "", "SHOP_DATABASE": database}
    uvicorn = (sys.executable, "-m", "uvicorn", "main:app")
    with (
        millpond_process.served(tmp_path / "project", env, uvicorn) as address,
        millpond_process.client(address) as client,
    ):
        assert client.post("/api/session", json={"token": ""}).status_code == 401
        assert client.get("/api/session", headers={"cookie": f"session={session_of('-')}"}).json() == {"admin": False}
        answer = client.get("/api/categories", headers={"origin": PARTNER})
        assert (cache_of(answer), answer.headers["access-control-allow-origin"]) == ("HIT", PARTNER)
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_database_that_does_not_answer_is_503_and_what_is_stored_stays(shop: RunningShop, tmp_path: Path) -> None:
    project = shop.log.parent
    env = {"SHOP_DATABASE": str(tmp_path)}  # a folder is no database
    with millpond_process.served(project, env) as address, millpond_process.client(address) as client:
        assert failed(client.get("/api/search", params={"q": "oak"}))
        assert failed(client.get("/api/products/pine-desk/reviews"))
        assert cache_of(client.get("/api/categories")) == "HIT"


def test_the_shops_own_tests_pass_and_leave_nothing_behind(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(SHOP, project, ignore=shutil.ignore_patterns("*.db", ".millpond", "__pycache__"))
    before = sorted(project.rglob("*"))
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert sorted(project.rglob("*")) == before


def failed(answer: httpx2.Response) -> bool:
    detail = {"detail": "The database doesn't answer."}
    return (answer.status_code, answer.headers["retry-after"], answer.json()) == (503, "10", detail)
