"""What handlers must not publish, and what of it FastAPI would."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import threading
import types
import urllib.request
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import requests
from fastapi.encoders import ENCODERS_BY_TYPE, jsonable_encoder
from pydantic import BaseModel
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from starlette.config import Config, Environ
from starlette.datastructures import State, UploadFile
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from millpond.errors import Place, UsageError
from millpond.routes.results.encoding import json_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "hidden"
REQUEST = httpx2.Request("GET", "http://x/", headers={"Authorization": SECRET})
ANSWER = httpx2.Response(200, json={"a": 1}, request=REQUEST)


class Settings(BaseModel):
    """As pydantic-settings has it: a model whose sources can be chosen."""

    password: str = SECRET

    @classmethod
    def settings_customise_sources(cls) -> tuple[()]:
        return ()


class Service:
    """A user's own, with what it needs."""

    def __init__(self) -> None:
        self.token = SECRET

    def __call__(self) -> None: ...


class Api:
    token = SECRET

    async def __aenter__(self) -> Api:
        self.token = SECRET
        return self

    async def __aexit__(self, *error: object) -> None: ...


@dataclass
class DataclassClient:
    token: str = SECRET
    session: list[str] = field(default_factory=list)

    async def aclose(self) -> None: ...


class ModelClient(BaseModel):
    token: str = SECRET

    def __enter__(self) -> ModelClient:
        return self

    def __exit__(self, *error: object) -> None: ...


class Keeping:
    """Holds something that isn't data."""

    def __init__(self, kept: object) -> None:
        self.kept = kept


@dataclass
class Held:
    """A dataclass, whose fields FastAPI copies first."""

    kept: object


class Hiding:
    def __init__(self) -> None:
        self.name, self._password = "n", SECRET


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    _password: Mapped[str] = mapped_column("password")


def request() -> Request:
    return Request({"type": "http", "method": "GET", "headers": [(b"cookie", SECRET.encode())], "path": "/"})


def error() -> Exception:
    return httpx2.HTTPStatusError("refused", request=REQUEST, response=ANSWER)


REFUSED: dict[str, Callable[[], Any]] = {
    "answer of an upstream": lambda: ANSWER,
    "request to an upstream": lambda: REQUEST,
    "error with its request": error,
    "client": lambda: httpx2.AsyncClient(auth=("user", SECRET), trust_env=False),
    "credentials": lambda: httpx2.BasicAuth("user", SECRET),
    "session of another library": requests.Session,
    "answer of another library": requests.Response,
    "request of another library": lambda: requests.Request("GET", "http://x/").prepare(),
    "credentials of another library": lambda: requests.auth.HTTPBasicAuth("user", SECRET),
    "request of the standard library": lambda: urllib.request.Request("http://x/", headers={"Authorization": SECRET}),
    "request": request,
    "response in data": lambda: PlainTextResponse("text", headers={"set-cookie": SECRET}),
    "upload": lambda: UploadFile(io.BytesIO()),
    "state": lambda: State({"client": SECRET}),
    "database": lambda: create_engine("sqlite://"),
    "database session": lambda: Session(),
    "asynchronous database session": lambda: AsyncSession(),
    "row that hides something": lambda: User(id=1, _password=SECRET),
    "settings": Settings,
    "environment": lambda: os.environ,
    "environment of Starlette": lambda: Environ({"password": SECRET}),
    "configuration of Starlette": lambda: Config(environ={"password": SECRET}),
    "service": Service,
    "api": Api,
    "dataclass that is a client": DataclassClient,
    "model that is a client": ModelClient,
    "private attribute": Hiding,
    "function": lambda: request,
    "mock-like": lambda: SimpleNamespace(call=request),
    "module": lambda: types.ModuleType("settings"),
    "logger": lambda: logging.getLogger("x"),
    "thread": lambda: threading.Thread(),
    "lock": lambda: Keeping(threading.Condition()),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_what_acts_configures_or_hides_is_refused_wherever_it_stands(make: Callable[[], Any]) -> None:
    value = make()
    wholes: list[Any] = [value, [value], {"a": value}, (1, deque([value])), Keeping(value), SimpleNamespace(x=value)]
    for whole in [*wholes, Held(value), [Held({"a": value})]]:
        with pytest.raises((UsageError, ValueError)) as refusal:
            json_bytes(whole)
        assert SECRET not in str(refusal.value)
        assert "isn't published" in str(refusal.value)


def test_a_refusal_says_where_and_what_and_what_to_do() -> None:
    with pytest.raises(UsageError) as refusal:
        json_bytes({"user": {"all": [1, {"answer": ANSWER}]}}, Place("app/x/route.py", 3))
    assert str(refusal.value) == (
        'app/x/route.py:3: data["user"]["all"][1]["answer"] is of the type httpx2.Response, which isn\'t published: '
        "an upstream's answer is passed on alone, and in data there is room for what it holds, its json(). "
        "Return a dict or a pydantic model that has what clients may see, or declare it as the response model."
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Hiding(), "its attribute _password is private"),
        (socket, "it is a module"),
        (Settings(), "settings hold secrets"),
        (error(), "an error is raised, not returned"),
        (request(), "it holds the whole request"),
        (Service(), "it can be called"),
    ],
)
def test_a_refusal_gives_the_reason(value: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        json_bytes([value])


class Account(Base):
    """A row whose methods say what can be done with it."""

    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]

    def close(self) -> None: ...


class Price:
    def __init__(self) -> None:
        self.open, self.close, self.read, self.headers = 1.0, 2.0, False, ["a"]


class Pairs:
    def __iter__(self) -> Any:
        return iter([("a", 1), ("b", [2])])


class Looked(dict[str, Any]):
    def __call__(self) -> None: ...


@pytest.mark.parametrize(
    "value",
    [
        Account(id=1, name="n"),
        Price(),
        Pairs(),
        SimpleNamespace(a=1, b=[SimpleNamespace(c={2})]),
        Keeping(Keeping({"a": (1, 2)})),
        httpx2.Headers({"a": "b"}),
        httpx2.URL("http://x/").params,
        {"a": b"bytes", 1: None},
    ],
    ids=lambda value: type(value).__name__,
)
def test_objects_that_only_hold_data_are_published_as_fastapi_publishes_them(value: Any) -> None:
    assert json.loads(json_bytes(value)) == json.loads(json.dumps(jsonable_encoder(value)))


@pytest.mark.private_names
def test_an_encoder_that_an_application_gives_fastapi_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODERS_BY_TYPE, Service, lambda service: "a service")
    assert json_bytes([Service()]) == b'["a service"]'
