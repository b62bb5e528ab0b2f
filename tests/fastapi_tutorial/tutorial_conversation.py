"""A page of FastAPI's documentation: the application that it teaches, and a conversation with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastapi import FastAPI


@dataclass(frozen=True, slots=True)
class Ask:
    """One HTTP request; redirects aren't followed."""

    method: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """What `TestClient.request` takes besides: headers, json, data, files, cookies, content, params, auth."""

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{self.method} {self.path}" + (f" ({said})" if said else "")


@dataclass(frozen=True, slots=True)
class Talk:
    """One websocket: what the client says, and how many messages it waits for after it has connected and after each."""

    path: str
    says: tuple[str | bytes, ...] = ()
    greetings: int = 0
    answers: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    """What `TestClient.websocket_connect` takes besides: headers, cookies, subprotocols."""

    def __str__(self) -> str:
        return f"WEBSOCKET {self.path} (says {list(self.says)})"


Step = Ask | Talk


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """An application, by the class that it is made of, and what is asked of it."""

    address: str
    """Of the page in FastAPI's documentation, below https://fastapi.tiangolo.com/."""
    make: Callable[[type[FastAPI]], FastAPI]
    steps: tuple[Step, ...]
    client: Mapping[str, Any] = field(default_factory=dict)
    """What `TestClient` takes besides: base_url, root_path, headers."""
    deprecated: str = ""
    """Why the page may use what FastAPI or Starlette warn of."""

    @property
    def name(self) -> str:
        return self.make.__name__

    def first_path(self) -> str:
        """The path of the first request, without its query."""
        return next(step.path.partition("?")[0] for step in self.steps if isinstance(step, Ask))


def page(
    address: str, *steps: Step, deprecated: str = "", **client: Any
) -> Callable[[Callable[[type[FastAPI]], FastAPI]], Page]:
    """Make a page of the function that makes its application."""

    def of(make: Callable[[type[FastAPI]], FastAPI]) -> Page:
        return Page(address, make, steps, client, deprecated)

    return of


def ask(line: str, **options: Any) -> Ask:
    """`ask("POST /loaves", json={...})`."""
    method, _, path = line.partition(" ")
    return Ask(method, path, options)


def talk(path: str, *says: str | bytes, greetings: int = 0, answers: int = 1, **options: Any) -> Talk:
    return Talk(path, says, greetings, answers, options)


DOCUMENTS = (ask("GET /docs"), ask("GET /redoc"), ask("GET /docs/oauth2-redirect"))
"""For pages that may change these."""


def manners(page: Page, app: FastAPI) -> list[Ask]:
    """What is asked of every application: its document, other methods and slashes, and a path that nobody has."""
    path = page.first_path()
    slashed = path[:-1] if path.endswith("/") else f"{path}/"
    return [
        Ask("GET", app.openapi_url or "/openapi.json", {}),
        Ask("HEAD", path),
        Ask("OPTIONS", path),
        Ask("GET", slashed or "//", {"params": {"from": "a b"}}),
        ask("GET /no/such/path"),
    ]
