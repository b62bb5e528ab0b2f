"""Users and profiles of Conduit, after the specification's collection of requests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ported.conduit.clients import Member
from ported.conduit.main import get_application
from ported.conduit.settings import Settings


@pytest.fixture
def client(constructor: type[FastAPI], tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(get_application(constructor, Settings(tmp_path / "conduit.db"))) as client:
        yield client


@pytest.fixture
def jake(client: TestClient) -> Member:
    return Member(client, "jake")


def test_a_registration_answers_with_the_account_and_a_token(client: TestClient) -> None:
    user = {"username": "jake", "email": "jake@example.com", "password": "jakejake"}
    answer = client.post("/api/users", json={"user": user})
    assert answer.status_code == 201
    assert answer.json()["user"].keys() == {"email", "token", "username", "bio", "image"}
    assert answer.json()["user"]["username"] == "jake"


def test_a_registration_that_cannot_be_is_422_with_the_field(client: TestClient, jake: Member) -> None:
    fine = {"username": "anna", "email": "anna@example.com", "password": "anna"}
    taken = "has already been taken"
    wrong = [
        (fine | {"username": "jake"}, f"username {taken}"),
        (fine | {"email": "jake@example.com"}, f"email {taken}"),
        *(({k: v for k, v in fine.items() if k != field}, f"{field}: Field required") for field in fine),
    ]
    for user, message in wrong:
        answer = client.post("/api/users", json={"user": user})
        assert (answer.status_code, answer.json()) == (422, {"errors": {"body": [message]}})


def test_login_needs_the_password(client: TestClient, jake: Member) -> None:
    right = client.post("/api/users/login", json={"user": {"email": jake.email, "password": "secret"}})
    assert (right.status_code, right.json()["user"]["username"]) == (200, "jake")
    wrong = client.post("/api/users/login", json={"user": {"email": jake.email, "password": "x"}})
    assert (wrong.status_code, wrong.json()) == (422, {"errors": {"body": ["email or password is invalid"]}})


def test_an_account_is_shown_to_its_owner_only(client: TestClient) -> None:
    assert client.get("/api/user").status_code == 401
    for credentials in ("Basic abc", "Token abc", "Token a.b.c"):
        answer = client.get("/api/user", headers={"Authorization": credentials})
        assert answer.status_code == 403


def test_a_member_sees_and_changes_the_account(client: TestClient, jake: Member) -> None:
    assert jake.get("/user").json()["user"]["email"] == "jake@example.com"
    answer = jake.ask("PUT", "/user", json={"user": {"bio": "I write.", "username": "jacob", "password": "new"}})
    assert answer.json()["user"] | {"token": ""} == {
        "email": "jake@example.com",
        "token": "",
        "username": "jacob",
        "bio": "I write.",
        "image": None,
    }
    again = client.post("/api/users/login", json={"user": {"email": "jake@example.com", "password": "new"}})
    assert again.status_code == 200
    assert client.get("/api/profiles/jacob").json()["profile"]["bio"] == "I write."
    assert client.get("/api/profiles/jake").status_code == 404


def test_a_profile_is_public_and_shows_members_whom_they_follow(client: TestClient, jake: Member) -> None:
    anna = Member(client, "anna")
    plain = {"username": "jake", "bio": "", "image": None, "following": False}
    assert client.get("/api/profiles/jake").json() == {"profile": plain}
    assert anna.ask("POST", "/profiles/jake/follow").json() == {"profile": plain | {"following": True}}
    assert anna.get("/profiles/jake").json() == {"profile": plain | {"following": True}}
    assert client.get("/api/profiles/jake").json() == {"profile": plain}
    assert anna.ask("DELETE", "/profiles/jake/follow").json() == {"profile": plain}
    assert anna.get("/profiles/jake").json() == {"profile": plain}


def test_nobody_follows_nobody_or_oneself(jake: Member) -> None:
    assert jake.ask("POST", "/profiles/nobody/follow").status_code == 404
    assert jake.ask("POST", "/profiles/jake/follow").status_code == 422
    assert jake.get("/profiles/nobody").json() == {"errors": {"body": ["user nobody does not exist"]}}


def test_the_document_has_each_operation_once(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    operations = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    assert len(operations) == 19
    assert "GET /api/articles/{slug}/comments" in operations
    assert document["components"]["securitySchemes"] == {
        "Token": {"type": "apiKey", "in": "header", "name": "Authorization"}
    }


def test_every_answer_is_timed_and_may_be_read_from_other_origins(client: TestClient) -> None:
    for _ in range(2):
        answer = client.get("/api/tags", headers={"Origin": "https://blog.example"})
        assert float(answer.headers["x-process-time"]) >= 0
        assert answer.headers["access-control-allow-credentials"] == "true"
    preflight = {"Origin": "https://blog.example", "Access-Control-Request-Method": "PUT"}
    assert client.options("/api/tags", headers=preflight).status_code == 200
