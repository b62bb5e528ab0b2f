"""The scope of a run: what the run may do, and everything learnt while it runs.

There are three roles, each a class that says what a read or an effect means to it:

- `LiveScope`: an operation runs for the one request that asked.
- `SharedScope`: a GET runs for everybody, at build or while serving.
- `FillScope` (in `cache/functions/`): a cached function runs for whoever calls it with the same arguments.

`Scope` is what all of them can be asked, `OperationScope` what the first two can.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Self

from millpond.errors import Place, StaticOnlyError, UsageError
from millpond.policy.lifetime import FOREVER, Lifetime, lower
from millpond.render.scopes.dynamic_use import DynamicUse, refusal
from millpond.render.user_code import user_place
from millpond.routes.options.guards import asking, running_guard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from millpond.policy.compat import Compat
    from millpond.policy.segment import SegmentConfig
    from millpond.render.scopes.attachments import Attachments
    from millpond.render.scopes.inputs import Inputs
    from millpond.render.scopes.own_invalidations import OwnInvalidations
    from millpond.render.scopes.set_cookies import SetCookies
    from millpond.render.target import Target


_COOKIES, _HEADERS = ("request.cookies", "cookies()"), ("request.headers", "headers()")
"""What messages call the mappings of a request."""


class Phase(Enum):
    """How far a run has come."""

    HANDLER = "handler"
    AFTER = "after"
    """The answer, or the result, is complete: `after` callbacks run, and tasks that the run left behind."""


@dataclass(slots=True, kw_only=True, eq=False)
class Scope(ABC):
    """What the three roles have in common. Scopes are compared by identity."""

    for_others: ClassVar[bool]
    """Whether what is made here goes to others than the visitor whose request caused it."""
    in_function: ClassVar[bool] = False
    """Whether a cached function runs here."""

    project: Path
    compat: Compat
    segment: SegmentConfig
    attachments: Attachments
    phase: Phase = Phase.HANDLER
    lifetime: Lifetime = FOREVER
    jitter: float | None = None
    """The share of the lifetime by which what is made here may go stale earlier; None: the configuration's."""
    client_stale: float | None = None
    """Seconds for which clients may keep what is made here; None: nobody has said so."""
    tags: dict[str, None] = field(default_factory=dict)
    """In the order in which they were learnt."""
    own_invalidations: dict[str, int] = field(default_factory=dict)
    """Tag -> generation, of what this run has invalidated: it reads its own writes (R6.19)."""
    counted_again: OwnInvalidations | None = None
    """The same, for those whose commit follows; None: it has invalidated nothing, or does nothing at its end."""
    reads: set[str] | None = None
    """What a live run has read of the request, as `told_read` has it; None: it is in no sample."""
    inputs: Inputs | None = None
    """What was used besides the request; None where no observer is installed."""

    @property
    @abstractmethod
    def path(self) -> str:
        """The canonical path that is answered, or whose answer will use the function's result."""

    @property
    @abstractmethod
    def own_tags(self) -> tuple[str, ...]:
        """The tags that the answer has by its path; data that it reads is checked against them, too (R6.4)."""

    @property
    @abstractmethod
    def host(self) -> str | None:
        """The host that is answered for, where that is part of the answer's key."""

    @property
    @abstractmethod
    def is_draft(self) -> bool:
        """Whether an editor asks, whom no cache serves (D14)."""

    @property
    @abstractmethod
    def for_build(self) -> bool:
        """Whether what is made here becomes part of a build."""

    @property
    @abstractmethod
    def is_prerender(self) -> bool:
        """Whether reading request data ends the run: the handler of a shared render runs."""

    @property
    def keeps_bare_fetches(self) -> bool:
        """Whether a fetch without options is cached for a build (R5.9)."""
        return self.is_prerender and self.for_build

    @property
    @abstractmethod
    def wants_fresh_data(self) -> bool:
        """Whether reads wait until stale data is refreshed, because what is made of it will be stored (R4.21)."""

    @property
    def takes_stale_data(self) -> bool:
        """Whether reads get stale data where an upstream answers that it has none (RFC 5861 §4)."""
        return True

    @property
    @abstractmethod
    def route_revalidate(self) -> float | None:
        """The lifetime that a fetch inherits, in seconds; None: endless; 0: the answer is one request's (R5.7)."""

    @abstractmethod
    def require_operation(self, api: str) -> OperationScope:
        """This scope, where an operation runs.

        Raises:
            UsageError: a cached function runs.
        """

    def require_answer(self, api: str) -> None:  # noqa: B027 - nearly every run makes an answer
        """An answer is made here, or a part of one, so that `api` can ask for whom.

        Raises:
            UsageError: paths are listed.
        """

    @abstractmethod
    def record_foreign_access(self, api: str) -> None:
        """Data of another run's request is read through `api`: the user's code has kept that request.

        Raises:
            UsageError: in a cached function.
            DynamicAccess: in a shared render.
        """

    @abstractmethod
    def record_effect(self, api: str) -> None:
        """`api` invalidates, or sets the draft cookie, which no run that is repeated for others may do (R3.9, R6.15).

        Raises:
            UsageError: in a cached function.
            DynamicAccess: in a shared render, also under `force-static`.
        """

    @abstractmethod
    def record_uncached(self, api: str) -> None:
        """Data that may not be stored is used: an answer that is made of it may not be stored either.

        Raises:
            DynamicAccess: in a shared render.
        """

    @abstractmethod
    def record_short_lived(self, function: str) -> None:
        """A result of `function` is used that is too short-lived for answers that are rendered at build (R5.38, R5.39).

        Raises:
            DynamicAccess: in a shared render.
        """

    @abstractmethod
    def refuse_in_function(self, api: str) -> None:
        """Request data is read through `api` which any run of an operation may read; a cached function reads none.

        Raises:
            UsageError: in a cached function.
        """

    @abstractmethod
    def end_prerender(self, use: DynamicUse) -> None:
        """The observer of a build reports a use that no answer for everybody may depend on.

        Raises:
            DynamicAccess: in a shared render.
        """

    def learn(self, lifetime: Lifetime, tags: Iterable[str], client_stale: float | None = None) -> None:
        """Data with this lifetime and these tags is used; what is made of it inherits both (R4.17, R6.3).

        Args:
            lifetime: of the data.
            tags: of the data.
            client_stale: seconds for which clients may keep it; None: it doesn't say.
        """
        if self.phase is Phase.HANDLER:
            self.lifetime = self.lifetime.lowered(lifetime)
            self.client_stale = lower(self.client_stale, client_stale)
            self.tags.update(dict.fromkeys(tags))

    def limit(self, lifetime: Lifetime) -> None:
        """Stale data is used: what is made of it lives no longer than this, whatever it says of itself."""
        self.learn(lifetime, ())

    def promise_static(self) -> None:  # noqa: B027 - most runs answer one request, or none
        """What runs here must be static, for a build to succeed."""

    def record_io(self, api: str) -> None:  # noqa: B027 - it matters to prerenders alone
        """What follows `api` is to be done for each request, where the author needs no request (R10.3).

        Raises:
            DynamicAccess: in a shared render, with Cache Components.
        """

    def note(self, read: str | None) -> None:
        """Something of the visitor's own request is read; None: nothing that matters."""
        if self.reads is not None and read is not None:
            self.reads.add(read)

    @contextmanager
    def unnoted(self) -> Iterator[None]:
        """Within the block nothing is noted: all of something is taken, of which the author reads a part."""
        reads, self.reads = self.reads, None
        try:
            yield
        finally:
            self.reads = reads

    def place(self) -> Place | None:
        """The innermost line of the user's own code on the stack."""
        return user_place(sys._getframe(1), self.project)  # noqa: SLF001 - the documented way to a caller's frame


@dataclass(slots=True, kw_only=True, eq=False)
class OperationScope(Scope):
    """A run of one operation of a route."""

    method: str
    target: Target
    after: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """What `after` has collected."""
    has_background: bool = False
    """Whether background tasks follow the answer."""

    @property
    def path(self) -> str:
        return self.target.path

    @property
    def own_tags(self) -> tuple[str, ...]:
        return self.target.own_tags

    @property
    def host(self) -> str | None:
        return self.target.host

    @property
    def has_empty_request(self) -> bool:
        """Whether `force-static` gives GET an empty request, wherever it runs (R3.12 to R3.14; D3)."""
        if self.method != "GET" or not self.segment.forces_static:
            return False
        get = self.target.route.operations["GET"]
        return not get.guards_read and running_guard(get.guards) is None  # guards must see who asks

    def asking_guards(self) -> AbstractContextManager[None]:
        """What is around the operation's handler, so that reads of its guards are known as theirs."""
        if self.method not in ("GET", "QUERY") or not self.segment.needs_guards:
            return nullcontext()
        operation = self.target.route.operations[self.method]
        return asking(operation.guards) if operation.tells_guards else nullcontext()

    @property
    def query_is_key(self) -> bool:
        """Whether the query that is visible here is part of the key, so that reading it is fine."""
        return bool(self.segment.cache_query)

    @property
    def body_is_key(self) -> bool:
        """Whether the body that is visible here is part of the key, with its type."""
        return False

    @property
    def has_keys(self) -> bool:
        """Whether some headers or cookies may be part of the key, so that each read must be looked at."""
        return self.target.variant is not None

    def is_keyed(self, api: str, key: object) -> bool:
        """Whether what is read through `api` is part of the key, so that reading it is fine.

        Args:
            api: what messages call a mapping of the request.
            key: what is read of it.
        """
        variant = self.target.variant
        if variant is None or not isinstance(key, str):
            return False
        return key in variant.cookies if api in _COOKIES else api in _HEADERS and key.lower() in variant.header_names

    @property
    @abstractmethod
    def tracks_request(self) -> bool:
        """Whether reads of the request have consequences, so that they must be seen."""

    @property
    @abstractmethod
    def request(self) -> Request | None:
        """The visitor's request, untracked; None where the run is for everybody."""

    @property
    @abstractmethod
    def visible_cookies(self) -> dict[str, str]:
        """What `cookies()` shows: the request's, with what the handler has set meanwhile."""

    @abstractmethod
    def record_access(self, api: str) -> None:
        """Data of this run's own request is read through `api`.

        Under `force-static` the request is empty, and reading it is fine.

        Raises:
            DynamicAccess: in a shared render.
        """

    def answer_cookies(self, api: str) -> SetCookies:
        """The cookies of the answer, for `api` to add to.

        Raises:
            UsageError: the answer goes to everybody, or is out already.
        """
        if self.phase is Phase.AFTER:
            raise UsageError(f"{api} in an after() callback comes too late: the answer is out; set it in the handler.")
        return self._handlers_cookies(api)

    @abstractmethod
    def _handlers_cookies(self, api: str) -> SetCookies:
        """As `answer_cookies`, while the handler runs."""

    @abstractmethod
    def set_draft(self, api: str, *, enabled: bool) -> None:
        """Turn draft mode on or off, for this run and by a cookie.

        Raises:
            UsageError: as `answer_cookies`.
        """

    @abstractmethod
    def operation_began(self, asgi: Mapping[str, Any]) -> None:
        """All middleware let the request through to the operation; `asgi` is its scope there."""

    @abstractmethod
    def operation_raised(self) -> None:
        """The operation raised an error, which the application's exception handlers will see."""

    @property
    @abstractmethod
    def has_ended(self) -> bool:
        """Whether request data has ended a shared render, so that its answer is thrown away."""

    @abstractmethod
    def add_cookies(self, response: Response) -> None:
        """Add the cookies that the handler has set apart from its response."""

    def require_operation(self, api: str) -> Self:
        del api
        return self

    def require_live(self, api: str) -> None:
        """As `record_access`, for the functions that `dynamic = "error"` refuses also while serving (R2.17).

        Raises:
            StaticOnlyError: in a GET of a route with `dynamic = "error"`.
            DynamicAccess: in a shared render.
        """
        self.record_access(api)
        if self.method == "GET" and self.segment.forbids_dynamic and self.phase is Phase.HANDLER:
            raise StaticOnlyError(refusal(DynamicUse(api, self.place())))
