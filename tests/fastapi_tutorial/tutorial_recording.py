"""What an application answers in a conversation: every message that it sends, and every error that it raises."""

from __future__ import annotations

import inspect
import json
import re
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient, WebSocketTestSession
from tutorial_conversation import Ask, Page, Talk, manners

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from starlette.types import Message, Receive, Scope, Send

PATIENCE = 10.0
"""Seconds that a client waits for a websocket's message."""

CLOCK = re.compile(r"expires=[^;]+ GMT")
"""What a deleted cookie says, which is when it was deleted."""

Facts = dict[str, object]
Record = dict[str, Facts]
"""What was asked -> what was answered, fact by fact, in the order of the conversation."""

_alive: list[FastAPI] = []
"""FastAPI remembers by `id` in which line an endpoint is, and tells it in errors: no two endpoints may have one."""


def record(page: Page, kind: type[FastAPI]) -> Record:
    """Make the page's application of this class, and talk to it: without its lifespan, with it, and after it."""
    app, warned = made(page, kind)
    found: Record = {"making it": {"warnings": warned}}
    ears = Ears(app)
    client = client_of(page, ears)
    found |= held(client, ears, page.steps[::3], "without lifespan")
    try:
        with client:
            found |= held(client, ears, [*page.steps, *manners(page, app)], "with lifespan")
    except Exception as error:  # noqa: BLE001  # whatever it is, it is compared
        found["the lifespan's failure"] = {"raised": described(error)}
    found["the lifespan"] = ears.facts()
    found |= held(client, ears, page.steps[:1], "after lifespan")
    found["the application"] = application_facts(app)  # last, as reading it may be what makes it complete
    return found


def made(page: Page, kind: type[FastAPI]) -> tuple[FastAPI, list[tuple[str, str]]]:
    """The page's application, and what was warned of: messages, and the files that they blame.

    A warning is an error, unless the page says why it may use what is deprecated.
    """
    with warnings.catch_warnings(record=True) if page.deprecated else nullcontext([]) as warned:
        if page.deprecated:
            warnings.simplefilter("always")
        app = page.make(kind)
    _alive.append(app)
    return app, [(str(one.message), one.filename) for one in warned]


def client_of(page: Page, ears: Ears) -> TestClient:
    """A client that accepts no coding, unless a page says so: Millpond compresses live answers, FastAPI doesn't."""
    client = TestClient(ears, raise_server_exceptions=False, follow_redirects=False, **page.client)
    client.headers.pop("accept-encoding", None)
    return client


@dataclass
class Ears:
    """An ASGI application around another one, which hears what that one sends and raises."""

    app: FastAPI
    sent: list[Message] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def hear(message: Message) -> None:
            self.sent.append(dict(message))
            await send(message)

        try:
            await self.app(scope, receive, hear)
        except BaseException as error:
            self.raised.append(described(error))
            raise

    def facts(self) -> Facts:
        """What was heard since it was last asked."""
        sent, raised = self.sent, self.raised
        self.sent, self.raised = [], []
        return {**answer_facts(sent), "raised": raised}


def held(client: TestClient, ears: Ears, steps: Iterable[Ask | Talk], phase: str) -> Iterator[tuple[str, Facts]]:
    for number, step in enumerate(steps, start=1):
        ears.facts()
        facts = asked(client, step) if isinstance(step, Ask) else talked(client, step)
        heard = ears.facts()
        if isinstance(step, Ask) and step.method == "HEAD":  # whose body no server sends
            heard |= {"body": b"", "chunks": []}
        yield f"{phase}, {number}. {step}", {**heard, **facts}


def asked(client: TestClient, step: Ask) -> Facts:
    client.request(step.method, step.path, **step.options)
    return {}


def talked(client: TestClient, step: Talk) -> Facts:
    """Say what is to be said, until the application closes; what it sends is heard by others."""
    options = {**step.options, "headers": dict(step.options.get("headers", {}))}  # the client adds its own to these
    try:
        with client.websocket_connect(step.path, **options) as session:
            waited(session, step.greetings)
            for said in step.says:
                session.send_text(said) if isinstance(said, str) else session.send_bytes(said)
                waited(session, step.answers)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is compared
        return {"the client sees": described(error)}
    return {"the client sees": "the end of what it had to say"}


def waited(session: WebSocketTestSession, messages: int) -> None:
    async def wait() -> Message:
        with anyio.fail_after(PATIENCE):
            return await session._send_rx.receive()

    for _ in range(messages):
        session._raise_on_close(session.portal.call(wait))


def answer_facts(sent: list[Message]) -> Facts:
    facts: dict[str, Any] = {}
    chunks: list[tuple[bytes, bool]] = []
    others: list[Message] = []
    for message in sent:
        match message:
            case {"type": "http.response.start"}:
                facts["status"] = message["status"]
                lines = [f"{name.decode()}: {value.decode()}" for name, value in message["headers"]]
                facts["headers"] = [CLOCK.sub("expires=(now)", line) for line in lines]
            case {"type": "http.response.body"}:
                chunks.append((message.get("body", b""), message.get("more_body", False)))
            case {"type": "http.response.debug", "info": info}:
                facts["template"] = info["template"].name, sorted(info["context"])
            case {"type": str(kind), "message": str(traceback)}:  # which lists the frames of whoever stands between
                others.append({"type": kind, "message": traceback.splitlines()[-1]})
            case _:
                others.append(message)
    if chunks:
        facts["body"] = b"".join(body for body, _ in chunks)
        facts["chunks"] = [(len(body), "more" if more else "the last") for body, more in chunks]
        if facts["body"][:9] == b"Traceback":
            headers = [line for line in facts["headers"] if not line.startswith("content-length")]
            facts |= {"headers": headers, "chunks": len(chunks), "body": traceback_of_pages(facts["body"])}
    if others:
        facts["messages"] = others
    return facts


def traceback_of_pages(body: bytes) -> list[str]:
    """What a traceback says of the pages' own frames: others are of whoever stands between them and the server."""
    first, *frames, last = body.decode().splitlines()
    return [first, *(line for line in frames if "tutorial_pages" in line), last]


def application_facts(app: FastAPI) -> Facts:
    """What can be read off the application itself."""
    options = (name for name in inspect.signature(FastAPI.__init__).parameters if name != "self")
    values = {name: getattr(app, name, None) for name in options}
    facts: Facts = {name: value for name, value in values.items() if isinstance(value, str | int | dict | list | None)}
    for name in ("routes", "exception_handlers", "webhooks"):
        facts.pop(name, None)
    facts["routes"] = route_facts(app)
    try:
        facts["document"] = json.dumps(app.openapi())
    except Exception as error:  # noqa: BLE001  # a page may have a document that can't be made
        facts["document"] = described(error)
    return facts


def route_facts(app: FastAPI) -> list[tuple[str, str | None, str | None, list[str]]]:
    return [
        (
            type(context.original_route).__name__,
            context.path,
            context.name,
            sorted(context.methods or ()),
        )
        for context in iter_route_contexts(app.routes)
    ]


def described(error: BaseException) -> str:
    inner = f" {[described(one) for one in error.exceptions]}" if isinstance(error, BaseExceptionGroup) else ""
    cause = f" from {described(error.__cause__)}" if error.__cause__ else ""
    return f"{type(error).__module__}.{type(error).__qualname__}: {error}{inner}{cause}"


def differences(expected: Record, found: Record) -> list[str]:
    """Each fact in which two records differ, in sentences to read."""
    lines = []
    for step in [*expected, *(step for step in found if step not in expected)]:
        there, here = expected.get(step), found.get(step)
        if there is None or here is None:
            lines.append(f"{step}: only {'FastAPI' if here is None else 'Millpond'} got here")
            continue
        for fact in [*there, *(fact for fact in here if fact not in there)]:
            if there.get(fact) != here.get(fact):
                lines += [f"{step}: {fact}", *contrast(there.get(fact), here.get(fact))]
    return lines


def contrast(there: Any, here: Any) -> list[str]:
    if isinstance(there, list) and isinstance(here, list):
        lost, new = [x for x in there if x not in here], [x for x in here if x not in there]
        if lost or new:
            return [*(f"    only FastAPI:  {x!r}" for x in lost), *(f"    only Millpond: {x!r}" for x in new)]
    if isinstance(there, bytes | str) and isinstance(here, bytes | str) and len(there) + len(here) > 400:
        at = next((i for i, (x, y) in enumerate(zip(there, here, strict=False)) if x != y), min(len(there), len(here)))
        start = max(0, at - 80)
        there, here = there[start : at + 200], here[start : at + 200]
        return [f"    FastAPI,  from {start}: {there!r}", f"    Millpond, from {start}: {here!r}"]
    return [f"    FastAPI:  {there!r}", f"    Millpond: {here!r}"]
