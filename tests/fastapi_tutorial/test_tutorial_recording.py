"""The comparison of two applications finds a difference, wherever it is, and says of which request it is."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from tutorial_conversation import DOCUMENTS, Page, ask, page, talk
from tutorial_pages_life import events, lifespan
from tutorial_pages_parameters import query_models
from tutorial_pages_streams import server_sent_events, websockets
from tutorial_recording import Record, differences, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message, Receive, Scope, Send


def that_sends(change: Callable[[Message], None]) -> type[FastAPI]:
    """A FastAPI whose messages are changed on their way out."""

    class Astray(FastAPI):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            async def changed(message: Message) -> None:
                change(message)
                await send(message)

            await super().__call__(scope, receive, changed)

    return Astray


def another_header(message: Message) -> None:
    if message["type"] == "http.response.start":
        message["headers"] = [*message["headers"], (b"x-cache", b"HIT")]


def headers_in_another_order(message: Message) -> None:
    if message["type"] == "http.response.start":
        message["headers"] = message["headers"][::-1]


def headers_in_another_case(message: Message) -> None:
    if message["type"] == "http.response.start":
        message["headers"] = [(name.title(), value) for name, value in message["headers"]]


def another_body(message: Message) -> None:
    if message["type"] == "http.response.body":
        message["body"] = message["body"].replace(b"3", b"4")


def another_status(message: Message) -> None:
    if message.get("status") == 422:
        message["status"] = 400


def other_words(message: Message) -> None:
    if message["type"] == "websocket.send" and "text" in message:
        message["text"] = message["text"].upper()


def another_close(message: Message) -> None:
    if message.get("code") == 3001:
        message["code"] = 1000


class InOnePiece(FastAPI):
    """Collects a streamed answer before it sends it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""

        async def collected(message: Message) -> None:
            nonlocal body
            if message["type"] == "http.response.body":
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                message = {**message, "body": body}
            await send(message)

        await super().__call__(scope, receive, collected)


class Silent(FastAPI):
    """Keeps errors to itself, so that no server learns of them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except LookupError:
            return


class Titled(FastAPI):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{"title": "Another", **options})


class Forgetful(FastAPI):
    """Runs nobody's lifespan."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "lifespan": None})


class Warned(FastAPI):
    def __init__(self, **options: Any) -> None:
        warnings.warn("one more", DeprecationWarning, stacklevel=1)
        super().__init__(**options)


@page("", ask("GET /fine"), ask("GET /lost"), talk("/nobody"), *DOCUMENTS)
def failing(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/fine")
    def fine() -> str:
        return "fine"

    @app.get("/lost")
    def lost() -> None:
        raise LookupError("sorry")

    return app


SHELF = query_models.steps[0]


@pytest.mark.parametrize(
    ("of", "kind", "line"),
    [
        (query_models, that_sends(another_header), f"with lifespan, 1. {SHELF}: headers"),
        (
            query_models,
            that_sends(headers_in_another_order),
            f"with lifespan, 1. {SHELF}: headers",
        ),
        (
            query_models,
            that_sends(headers_in_another_case),
            f"without lifespan, 1. {SHELF}: headers",
        ),
        (query_models, that_sends(another_body), f"after lifespan, 1. {SHELF}: body"),
        (query_models, that_sends(another_status), "with lifespan, 2. GET /shelf?limit=99&order_by=nothing: status"),
        (server_sent_events, InOnePiece, "with lifespan, 1. GET /events: chunks"),
        (failing, Silent, "with lifespan, 2. GET /lost: raised"),
        (failing, Titled, "with lifespan, 4. GET /docs: body"),
        (failing, Titled, "the application: document"),
        (failing, Titled, "the application: title"),
        (lifespan, Forgetful, "with lifespan, 2. GET /state: status"),
        (lifespan, Forgetful, "after lifespan, 1. GET /log: body"),
        (websockets, that_sends(other_words), "with lifespan, 2. WEBSOCKET /echo (says ['hello', 'grüße']): messages"),
        (websockets, that_sends(another_close), "with lifespan, 12. WEBSOCKET /closes (says ['now']): messages"),
        (events, Warned, "making it: warnings"),
    ],
)
def test_a_planted_difference_is_found(of: Page, kind: type[FastAPI], line: str) -> None:
    assert line in differences(record(of, FastAPI), record(of, kind))


@pytest.mark.parametrize("of", [server_sent_events, failing, lifespan])
def test_an_application_is_like_itself(of: Page) -> None:
    assert differences(record(of, FastAPI), record(of, FastAPI)) == []


def test_what_only_one_of_two_was_asked_is_a_difference() -> None:
    assert differences({"1. GET /": {}}, {"2. GET /": {}}) == [
        "1. GET /: only FastAPI got here",
        "2. GET /: only Millpond got here",
    ]


def test_a_difference_in_a_long_body_is_shown_where_it_begins() -> None:
    there: Record = {"GET /": {"body": b"a" * 500 + b"left"}}
    here: Record = {"GET /": {"body": b"a" * 500 + b"right"}}
    assert differences(there, here) == [
        "GET /: body",
        f"    FastAPI,  from 420: {b'a' * 80 + b'left'!r}",
        f"    Millpond, from 420: {b'a' * 80 + b'right'!r}",
    ]
