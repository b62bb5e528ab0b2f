"""The scope of one render: what it may do, and everything learnt while it ran."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import fastapi
import starlette
from starlette.requests import Request

from millpond.errors import Place, StaticOnlyError, UsageError
from millpond.policy.compat import Compat
from millpond.policy.lifetime import FOREVER, Lifetime

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterator, MutableMapping
    from contextvars import Token
    from types import FrameType

    from millpond.policy.segment import SegmentConfig
    from millpond.render.inputs import Inputs
    from millpond.render.target import Target

_FRAMEWORK = tuple(
    f"{folder}/"
    for folder in (Path(__file__).parents[1], *fastapi.__path__, *starlette.__path__, Path(os.__file__).parent)
)
_INSTALLED = ("/site-packages/", "/dist-packages/")


class Purpose(Enum):
    """Whom an answer is made for."""

    BUILD = "build"
    """Everybody, at build."""
    REGENERATE = "regenerate"
    """Everybody, while serving."""
    LIVE = "live"
    """One request."""
    DRAFT = "draft"
    """One editor's request: no cache is read or written (D14)."""
    FILL = "fill"
    """Whoever calls a cached function with the same arguments."""

    @property
    def shared(self) -> bool:
        return self in (Purpose.BUILD, Purpose.REGENERATE)


class Phase(Enum):
    """How far a scope has come."""

    HANDLER = "handler"
    AFTER = "after"
    """The answer is out; `after` callbacks run."""


class DynamicUse(NamedTuple):
    """The use of request data that makes an answer one request's own: the "why" of a live route."""

    api: str
    place: Place | None

    def __str__(self) -> str:
        return self.api if self.place is None else f"{self.api} · {self.place}"


class Standing(NamedTuple):
    """A middleware of the user's that stands around renders."""

    name: str
    place: Place | None


def refusal(use: DynamicUse) -> str:
    """The message for request data under `dynamic = "error"`."""
    where = f"{use.place}: " if use.place else ""
    return (
        f'{where}{use.api} needs a request, but the route says dynamic = "error"; '
        'leave it out, or use dynamic = "auto".'
    )


class DynamicAccess(BaseException):
    """Ends a watched render where request data is read.

    A BaseException, so that `except Exception` in a handler can't swallow it; and the scope has recorded the use
    before it is raised, so that nothing can (R3.10).
    """

    def __init__(self, use: DynamicUse) -> None:
        super().__init__(str(use))
        self.use = use


@dataclass(slots=True)
class DraftState:
    """Whether this request is an editor's (R10.1)."""

    enabled: bool = False
    secret: str = ""
    """The value of the cookie that turns it on: the build's preview id."""
    secure: bool = True
    """Production sends the cookie over TLS only; development doesn't."""


@dataclass(slots=True, kw_only=True)
class Scope:
    """One run of one operation."""

    purpose: Purpose
    method: str
    segment: SegmentConfig
    compat: Compat
    project: Path
    target: Target | None = None
    """What is being answered, or is going to use the cached function that is being filled."""
    asgi: MutableMapping[str, Any] | None = None
    """The request whose headers and cookies may be read; None for a shared render, which has none."""
    draft: DraftState = field(default_factory=DraftState)
    phase: Phase = Phase.HANDLER
    lifetime: Lifetime = FOREVER
    tags: dict[str, None] = field(default_factory=dict)
    used_request: bool = False
    """Whether a live run has read request data: in 14 a bare fetch is uncached from then on (R5.10)."""
    dynamic_use: DynamicUse | None = None
    """The first use that ended a watched render."""
    raised: bool = False
    """Whether the operation has raised. Error reports show the variables of its frames, and so read a whole request."""
    use_after_error: DynamicUse | None = None
    """The first use since then: it ends nothing, and counts when a handler of errors has made an answer to keep."""
    set_cookies: list[str] = field(default_factory=list)
    """Set-Cookie values that `cookies()` and `draft_mode()` want in the answer."""
    written_cookies: dict[str, str | None] = field(default_factory=dict)
    own_invalidations: dict[str, int] = field(default_factory=dict)
    """Tag -> generation, of what this request invalidated: it reads its own writes (R6.19)."""
    for_build: bool = False
    """Whether a cached function is filled for something that is rendered at build."""
    short_lived: str | None = None
    """The short-lived result that a cached function has used, if any (R5.39)."""
    cache: object = None
    """The cache that its reads go to; the render doesn't look inside."""
    function: str | None = None
    """The cached function that is being filled."""
    chosen_life: dict[str, float] = field(default_factory=dict)
    """Ages that `cache_life` gave the result of the function; math.inf is never (R5.34)."""
    misused: UsageError | None = None
    """The first misuse inside of a cached function: it fails even when the function swallows the error (R5.32)."""
    started: dict[asyncio.Task[Any], None] = field(default_factory=dict)
    """Tasks that a verified render has started and that haven't ended, in their order."""
    after: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    entered: bool = False
    """Whether the operation has been reached: what middleware answers in its place is no answer of the route."""
    whole: bool = False
    """Whether the answer of a shared render is complete: no middleware can change it any more."""
    standing: Standing | None = None
    """The innermost middleware that a shared render has reached."""
    _request: Request | None = field(default=None, init=False, repr=False)
    inputs: Inputs | None = None
    """What was used besides the request; None while serving, when nobody looks."""

    @property
    def request(self) -> Request | None:
        """`asgi` as a request that isn't watched: for `headers()`, `cookies()` and what answers."""
        if self._request is None and self.asgi is not None:
            self._request = Request(self.asgi)
        return self._request

    @property
    def path(self) -> str:
        """The canonical path that is being answered, or is going to use what is being filled."""
        return "" if self.target is None else self.target.path

    @property
    def own_tags(self) -> tuple[str, ...]:
        """The tags that the answer has by where it is; what it reads is checked against them, too (R6.4)."""
        return () if self.target is None else self.target.own_tags

    @property
    def stubbed(self) -> bool:
        """`force-static` gives GET an empty request, wherever it runs (R3.12 to R3.14; D3)."""
        return self.method == "GET" and self.segment.forces_static

    @property
    def wraps_request(self) -> bool:
        """Whether reads of the request must be seen: they have consequences, or in 14 the next fetch's default has."""
        if self.purpose is Purpose.LIVE:
            return self.compat is Compat.V14
        return self.purpose.shared and not self.stubbed

    @property
    def route_revalidate(self) -> float | None:
        """The lifetime that a fetch inherits, in seconds; None: endless; 0: the answer is one request's (R5.7)."""
        if self.is_prerender or self.purpose is Purpose.FILL:
            return self.lifetime.revalidate
        if self.method != "GET" or self.used_request or self.phase is Phase.AFTER:
            return 0
        return self.segment.revalidate or None

    @property
    def is_prerender(self) -> bool:
        """Whether reading request data has consequences."""
        return self.purpose.shared and self.phase is Phase.HANDLER

    def record_access(self, api: str) -> None:
        """Request data is read through `api`: ends the render where its answer is for everybody.

        Under `force-static` it is empty, and reading it is fine. Under `dynamic = "error"` a live run allows what
        the request object says, but not the functions (R2.17): they call `require_live` instead.
        """
        if self.purpose is Purpose.FILL:
            self.misuse(api)
        self.used_request = True
        if not self.is_prerender or self.stubbed:
            return
        if self.raised:
            self.use_after_error = self.use_after_error or self._use_of(api)
        else:
            self.end(api)

    def record_foreign_access(self, api: str) -> None:
        """Data of another run's request is read through `api`, which the user's code has kept: it isn't empty here."""
        if self.purpose is Purpose.FILL:
            self.misuse(api)
        if self.raised and self.is_prerender:
            self.use_after_error = self.use_after_error or self._use_of(api)
        elif self.is_prerender and not self.whole:
            self.end(api)

    def require_live(self, api: str) -> None:
        """As `record_access`, for the functions that `dynamic = "error"` refuses also while serving (R2.17).

        Raises:
            StaticOnlyError: in a live GET of a route with `dynamic = "error"`.
        """
        self.record_access(api)
        if self.method == "GET" and self.segment.forbids_dynamic and self.phase is Phase.HANDLER:
            raise StaticOnlyError(refusal(DynamicUse(api, self.place())))

    def misuse(self, api: str) -> NoReturn:
        """Request data, or an effect, inside of a cached function: its result is for every caller (R5.24, R5.32).

        Raises:
            UsageError: always.
        """
        place = self.place()
        error = UsageError(
            f"{f'{place}: ' if place else ''}{api} inside of the cached function {self.function}: its result serves "
            "other requests, too; call it outside, and pass what the function needs as an argument."
        )
        if self.misused is None:
            self.misused = error
        raise error

    def end(self, api: str) -> NoReturn:
        """End a shared render: its answer would be one request's own."""
        self.end_with(self._use_of(api))

    def _use_of(self, api: str) -> DynamicUse:
        place, standing = self.place(), _standing.get()
        if place is None and standing is not None:  # a library's middleware: none of the user's code is running
            return DynamicUse(f"{api} in {standing.name}", standing.place)
        return DynamicUse(api, place)

    def end_with(self, use: DynamicUse) -> NoReturn:
        """As `end`, where the place is known."""
        if self.dynamic_use is None:
            self.dynamic_use = use
        raise DynamicAccess(use)

    def send_cookie(self, set_cookie: str) -> None:
        """Let the answer set a cookie; of several for one name, path and domain the last one counts."""
        same = _cookie_identity(set_cookie)
        self.set_cookies = [former for former in self.set_cookies if _cookie_identity(former) != same]
        self.set_cookies.append(set_cookie)

    def place(self) -> Place | None:
        """The innermost line of the user's own code on the stack."""
        return user_place(sys._getframe(1), self.project)  # noqa: SLF001 - the documented way to a caller's frame


def user_place(frame: FrameType | None, project: Path, *, only_innermost: bool = False) -> Place | None:
    """The innermost frame within the project; None when none of its code is running.

    With `only_innermost`, None also when `frame` itself isn't the project's.
    """
    while frame is not None:
        file = in_project(frame.f_code.co_filename, project)
        if file is not None:
            return Place(file, frame.f_lineno)
        frame = None if only_innermost else frame.f_back
    return None


def in_project(file: str, project: Path) -> str | None:
    """The path within the project of a file that its author wrote; None for any other file.

    A virtual environment, or Python itself, may lie inside the project.
    """
    root = f"{str(project).rstrip('/')}/"
    if not file.startswith(root) or file.startswith(_FRAMEWORK) or any(part in file for part in _INSTALLED):
        return None
    return file[len(root) :]


def _cookie_identity(set_cookie: str) -> tuple[str, ...]:
    """Name, path and domain: what a client tells cookies apart by (RFC 6265 §5.3)."""
    pair, *attributes = (part.strip() for part in set_cookie.split(";"))
    where = sorted(part.lower() for part in attributes if part.lower().startswith(("path=", "domain=")))
    return (pair.partition("=")[0], *where)


_current: ContextVar[Scope | None] = ContextVar("millpond_scope", default=None)
_standing: ContextVar[Standing | None] = ContextVar("millpond_standing", default=None)


def current() -> Scope | None:
    """The scope that this code runs in, if any."""
    return _current.get()


def required(function: str) -> Scope:
    """The current scope.

    Raises:
        UsageError: `function` was called outside of a handler.
    """
    scope = _current.get()
    if scope is None:
        raise UsageError(
            f"{function} works while a route handler runs, and none does here; "
            "call it in the handler, or in a function that the handler calls."
        )
    return scope


def enter(scope: Scope) -> Token[Scope | None]:
    """Make `scope` the current one in this context; undo it with `leave`."""
    return _current.set(scope)


@contextmanager
def standing_in(middleware: Standing | None) -> Iterator[None]:
    """Within the block it is `middleware` whose code runs; None for the operation's."""
    token = _standing.set(middleware)
    try:
        yield
    finally:
        _standing.reset(token)


def named(api: str, key: object) -> str:
    """How messages call one key of a mapping, or all of it where `key` is None."""
    return api if key is None else f'{api}["{key}"]'


@contextmanager
def detached() -> Iterator[None]:
    """Tasks that are created within the block belong to no render: they go on when the render that asked has ended."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


def leave(token: Token[Scope | None]) -> None:
    """Undo `enter`."""
    _current.reset(token)
