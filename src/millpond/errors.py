"""Every error that you can meet; all of them can be imported from `millpond`, too.

A message says what happened, where, and what to do about it. The first paragraph of a docstring says when the error is
raised, the second one what to do: docs/reference.md has both as a table.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Self, TypeAlias

__all__ = [
    "AddressError",
    "BuildError",
    "CancelledCallError",
    "CircularWaitError",
    "CommandError",
    "ConfigError",
    "MetadataError",
    "MillpondError",
    "OverdueError",
    "ProjectError",
    "PurgeError",
    "RenderTimeoutError",
    "RouteError",
    "RouteModuleError",
    "StaticOnlyError",
    "StoreError",
    "UnexpectedExitError",
    "UnreachedError",
    "UnreadBodyError",
    "UnsendableError",
    "UsageError",
    "WatchError",
]


class Place(NamedTuple):
    """A line of the user's code; `file` is relative to the project, so that a build reads the same on every machine."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


StoreReason: TypeAlias = Literal["missing", "layout", "damaged", "read-only", "locked", "unreachable", "refused"]
UnreachedReason: TypeAlias = (
    StoreReason | Literal["project", "memory", "redirected", "endpoint", "timeout", "limited", "failed"]
)


class MillpondError(Exception):
    """The base of all errors below: something that you can mend.

    Read `str(error)`: it is the whole message, and no traceback is needed to act on it.
    """


class ConfigError(MillpondError, ValueError):
    """`millpond.toml` (or `[tool.millpond]`) can't be read, or holds a key or value that Millpond doesn't know.

    Mend the key that the message names, or set the environment variable that it names.
    """


class RouteError(MillpondError):
    """The files below `app/` don't make a set of routes: a bad folder name, or two files for one URL.

    Rename or remove one of the files that the message names.
    """


class RouteModuleError(RouteError):
    """A route file can't be loaded, exports something that can't work, or lists parameters that don't fit its path.

    Mend the line that the message names.
    """


class MetadataError(MillpondError, ValueError):
    """A metadata file holds something that its format can't say, or its function returned that.

    Mend the field that the message names.
    """


class ProjectError(MillpondError):
    """The project's own code raised where no request could be answered with 500: while the application was made, in
    `register`, or in a lifespan.

    Mend the code: the message has its traceback, and `__cause__` what was raised.
    """


class UnexpectedExitError(Exception):
    """Code of the project raised what `except Exception` doesn't catch: `SystemExit`, `KeyboardInterrupt`, or a
    `CancelledError` that nobody asked for. It stands for these wherever errors are handled, and isn't a MillpondError,
    as its traceback is part of what it says.

    Raise an Exception instead; `__cause__` is what was raised.
    """


class BuildError(MillpondError):
    """A build can't be written, or the one that was found can't be served: it is damaged, or of other files or
    another version.

    Run `millpond build` again; for a folder that can't be written, mend its permissions.
    """


class RenderTimeoutError(MillpondError, TimeoutError):
    """A static `GET` took longer than `[build] timeout`, or `[cache] render_timeout` while it serves.

    Make the handler quicker, raise the timeout, or make the route live.
    """


class OverdueError(MillpondError):
    """A render wasn't begun: too many others hang, each in a thread that can't be stopped.

    Give what the handlers that the message names call a timeout of its own.
    """


class UsageError(MillpondError):
    """A function of Millpond or a command was called where it can't work, or with arguments that make no sense.

    Call it as the message says.
    """

    problem: str | None = None
    """What is wrong, without the place, where that is known by itself."""

    @classmethod
    def at(cls, place: Place, problem: str) -> UsageError:
        """One that begins with its place."""
        error = cls(f"{place}: {problem}")
        error.problem = problem
        return error


class CircularWaitError(UsageError):
    """A cached function, a `fetch()` or a route waits for its own result, by way of others or not.

    Read the data directly in one of those that the message names.
    """


class CancelledCallError(MillpondError):
    """A cached function or a `fetch()` that several callers share was cancelled, though this caller wasn't: by itself,
    or as the server ends.

    Call it again, unless the server is ending.
    """


class StaticOnlyError(MillpondError):
    """A `GET` with `dynamic = "error"` asked for request data.

    Leave out what the message names, or change `dynamic`.
    """


class UnreadBodyError(MillpondError, RuntimeError):
    """A handler reads on in its request's body, having left it unread for 30 seconds while it sent its answer.

    Read the body before the answer, or without such a pause.
    """


class UnsendableError(MillpondError):
    """An answer can't be written as HTTP: its status, a header with a line break in it, or a body of another length.

    Mend the status or header that the message names; leave `content-length` to the server.
    """


class StoreError(MillpondError):
    """The store can't be used: its folder, its file, its server, or the way this process came to it.

    Mend what the message names. An invalidation that raises it may not hold: repeat it.
    """

    reason: StoreReason | None = None
    """The kind of trouble, where an invalidation from outside of a server has to tell it."""

    @classmethod
    def of(cls, reason: StoreReason, message: str) -> Self:
        """One with a reason."""
        error = cls(message)
        error.reason = reason
        return error


class UnreachedError(MillpondError):
    """An invalidation by `millpond.client` or `millpond revalidate` has reached no cache, or isn't known to have.

    Mend what the message names, and call again: that an invalidation takes place twice does no harm.
    """

    reason: UnreachedReason = "unreachable"
    """Why, for code: `memory` and `project` are mistakes of the configuration; `locked`, `timeout` and `unreachable`
    may pass."""

    @classmethod
    def of(cls, reason: UnreachedReason, message: str) -> Self:
        """One with a reason."""
        error = cls(message)
        error.reason = reason
        return error


class PurgeError(MillpondError):
    """A cache in front has refused a purge, or hasn't acknowledged it in time: it may still serve what was invalidated.

    Look at the cache that the message names, then invalidate again.
    """


class AddressError(MillpondError, OSError):
    """A server can't listen where it was told to: there is no such address, or the port is taken.

    Give another host or port, or stop what listens there.
    """


class WatchError(MillpondError):
    """`millpond dev` can't watch the project's files.

    Raise the system's limit, or set `WATCHFILES_FORCE_POLLING=true`.
    """


class CommandError(MillpondError):
    """A command can't do what it was asked for: there is no such entry or cron, a folder isn't empty, a server refuses.

    Do what the message says.
    """
