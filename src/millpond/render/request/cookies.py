"""`cookies()`: the cookies of a request, and those that its answer will set (R13.1 to R13.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from starlette.responses import Response

from millpond.render.request.access import refuse_in_function, refuse_in_shared_work

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import datetime

    from millpond.render.scopes.scope import OperationScope
    from millpond.render.scopes.set_cookies import SetCookies


class Cookies(Mapping[str, str]):
    """What `cookies()` returns. Reads see earlier writes of the same request. Awaiting it has no effect."""

    def __init__(self, scope: OperationScope) -> None:
        self._scope = scope

    def __await__(self) -> Generator[None, None, Cookies]:
        return self
        yield

    def _values(self) -> dict[str, str]:
        # Whoever reads may belong to another run than the one that called `cookies()`.
        refuse = refuse_in_function if self._scope.request is None else refuse_in_shared_work
        refuse("cookies()")
        return self._scope.visible_cookies

    def __getitem__(self, name: str) -> str:
        return self._values()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())

    def set(
        self,
        name: str,
        value: str,
        *,
        max_age: int | None = None,
        expires: datetime | str | int | None = None,
        path: str = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: Literal["lax", "strict", "none"] | None = "lax",
        partitioned: bool = False,
    ) -> None:
        """Set a cookie with the answer (R13.2).

        Args:
            name: the cookie's name.
            value: its value.
            max_age: seconds that it lives; a session cookie when neither this nor `expires` is given.
            expires: when it ends, as a date or as seconds from now.
            path: the paths of the site that it is sent to.
            domain: the domain that it is sent to; this host alone when None.
            secure: send it over TLS only.
            httponly: hide it from scripts.
            samesite: whether requests from other sites carry it.
            partitioned: keep a separate one for each embedding site (CHIPS).

        Raises:
            UsageError: in a shared render, whose answer goes to everybody; or in an `after` callback.
        """
        answer = self._answer("cookies().set()")
        carrier = Response()
        carrier.set_cookie(
            name, value, max_age, expires, path, domain, secure, httponly, samesite, partitioned=partitioned
        )
        answer.add(carrier.headers["set-cookie"])
        answer.written[name] = value

    def delete(self, name: str, *, path: str = "/", domain: str | None = None) -> None:
        """Delete a cookie in the browser; `path` and `domain` must be those that it was set with.

        Raises:
            UsageError: as `set`.
        """
        answer = self._answer("cookies().delete()")
        carrier = Response()
        carrier.delete_cookie(name, path, domain)
        answer.add(carrier.headers["set-cookie"])
        answer.written[name] = None

    def _answer(self, api: str) -> SetCookies:
        refuse_in_function(api)
        return self._scope.answer_cookies(api)
