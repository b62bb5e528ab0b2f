"""What the tests of the service share: a user who writes, and who asks."""

from typing import Any

from fastapi.testclient import TestClient
from httpx2 import Response

PREFIX = "/api"


class Member:
    """A registered user: requests with the token of one."""

    def __init__(self, client: TestClient, name: str) -> None:
        self.client, self.name, self.email = client, name, f"{name}@example.com"
        registered = {"username": name, "email": self.email, "password": "secret"}
        answer = client.post(f"{PREFIX}/users", json={"user": registered})
        assert answer.status_code == 201, answer.text
        self.token: str = answer.json()["user"]["token"]

    def ask(self, method: str, path: str, **options: Any) -> Response:
        return self.client.request(method, PREFIX + path, headers={"Authorization": f"Token {self.token}"}, **options)

    def get(self, path: str, **options: Any) -> Response:
        return self.ask("GET", path, **options)

    def write(self, title: str, *tags: str) -> dict[str, Any]:
        article = {"title": title, "description": f"About {title}", "body": "Once.", "tagList": list(tags)}
        answer = self.ask("POST", "/articles", json={"article": article})
        assert answer.status_code == 201, answer.text
        written: dict[str, Any] = answer.json()["article"]
        return written
