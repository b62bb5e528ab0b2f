"""Dynamic use: what makes an answer one request's own, and the exceptions that report it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from millpond.messages import at

if TYPE_CHECKING:
    from millpond.errors import Place


class DynamicUse(NamedTuple):
    """The use of request data that makes a route live: the "why" in the build table and in `explain`."""

    api: str
    place: Place | None
    guard: str | None = None
    """The function of the `dependencies` of a folder or an operation that reads it; `place` is theirs."""

    def __str__(self) -> str:
        return self.api if self.place is None else f"{self.api} · {self.place}"


class DynamicAccess(BaseException):
    """Ends a shared render at the line that reads request data.

    It derives from BaseException, so that `except Exception` in a handler doesn't swallow it. The scope records the use
    before it raises this, so a handler that swallows BaseException changes nothing either (R3.10).
    """

    def __init__(self, use: DynamicUse) -> None:
        super().__init__(str(use))
        self.use = use


class NotStatic(Exception):
    """A shared render has no answer for everybody: tells the caller of the renderer why."""

    def __init__(
        self, use: DynamicUse, *, unshareable: bool = False, intercepted: bool = False, promise: Place | None = None
    ) -> None:
        super().__init__(str(use))
        self.use = use
        self.promise = promise
        """Where `ensure_static()` was called before."""
        self.unshareable = unshareable
        """The answer's own headers forbid sharing it (a cookie, `private`): what is stored for the path is invalid."""
        self.intercepted = intercepted
        """Middleware answered the made-up request, and the operation never ran; real requests may fare differently."""


def refusal(use: DynamicUse) -> str:
    """The message for request data under `dynamic = "error"`."""
    where = f"{use.place}: " if use.place else ""
    return (
        f'{where}{use.api} needs a request, but the route says dynamic = "error"; '
        'leave it out, or use dynamic = "auto".'
    )


def unasked_guard(guard: str, read: str, place: Place | None, option: Place) -> str:
    """The message for a guard below `dynamic = "force-static"`.

    Args:
        guard: the name of its function.
        read: what it reads.
        place: where the dependencies are written.
        option: where `dynamic` is.
    """
    return (
        f'{at(place)}{guard} reads {read}, and dynamic = "force-static" ({option}) gives it an empty request, for '
        'visitors too; use dynamic = "auto", which makes the route live.'
    )


def named(api: str, key: object) -> str:
    """What messages call the read of one key of a mapping; of the whole mapping where `key` is None."""
    return api if key is None else f'{api}["{key}"]'
