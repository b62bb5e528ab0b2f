"""`cookies()`: the cookies of a request, and those that its answer will set (R13.1 to R13.4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from starlette.responses import Response

from millpond.errors import UsageError
from millpond.policy.http.cookie_value import encoded, is_cookie_attribute, is_cookie_name
from millpond.render.request.access import refuse_in_function, refuse_in_shared_work
from millpond.render.scopes.told_read import told_read

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from millpond.render.scopes.scope import OperationScope
    from millpond.render.scopes.set_cookies import SetCookies


_NAME = "n"
"""Stands for the name and, empty, for the value, which Python would quote."""


class Cookies(Mapping[str, str]):
    """What `cookies()` returns. Reads see earlier writes of the same request. Awaiting it has no effect."""

    def __init__(self, scope: OperationScope) -> None:
        self._scope = scope

    def __await__(self) -> Generator[None, None, Cookies]:
        return self
        yield

    def _values(self, name: object = None) -> dict[str, str]:
        # Whoever reads may belong to another run than the one that called `cookies()`.
        refuse = refuse_in_function if self._scope.request is None else refuse_in_shared_work
        with self._scope.unnoted():
            refuse("cookies()")
        self._scope.note(told_read("cookies()", name))
        if self._scope.has_keys and not self._scope.is_keyed("cookies()", name):
            self._scope.require_live("cookies()")
        return self._scope.visible_cookies

    def __getitem__(self, name: str) -> str:
        return self._values(name)[name]

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
            name: the cookie's name: letters, digits and some signs.
            value: its value, any text; it is percent-encoded, and `cookies()` decodes it.
            max_age: seconds that it lives; a session cookie when neither this nor `expires` is given.
            expires: when it ends: a datetime with a time zone, seconds from now, or the text of a date in HTTP.
            path: the paths of the site that it is sent to.
            domain: the domain that it is sent to; this host alone when None.
            secure: send it over TLS only.
            httponly: hide it from scripts.
            samesite: whether requests from other sites carry it.
            partitioned: keep a separate one for each embedding site (CHIPS).

        Raises:
            UsageError: in a shared render, whose answer goes to everybody; in an `after` callback; or no cookie can
                have this name, value or attribute.
        """
        answer = self._answer("cookies().set()")
        where = f"cookies().set({name!a})"
        pair = f"{_named(name, where)}={_valued(value, where)}"
        _check_attributes(where, path, domain, samesite)
        carrier = Response()
        carrier.set_cookie(_NAME, "", max_age, _moment(expires, where), path, domain, secure, httponly, samesite)
        # Before Python 3.14 Starlette can't say it.
        answer.add(_renamed(carrier, pair) + ("; Partitioned" if partitioned else ""))
        answer.written[name] = value

    def delete(self, name: str, *, path: str = "/", domain: str | None = None) -> None:
        """Delete a cookie in the browser; `path` and `domain` must be those that it was set with.

        Raises:
            UsageError: as `set`.
        """
        answer = self._answer("cookies().delete()")
        where = f"cookies().delete({name!a})"
        pair = f'{_named(name, where)}=""'
        _check_attributes(where, path, domain, "lax")
        carrier = Response()
        carrier.delete_cookie(_NAME, path, domain)
        answer.add(_renamed(carrier, pair))
        answer.written[name] = None

    def _answer(self, api: str) -> SetCookies:
        refuse_in_function(api)
        return self._scope.answer_cookies(api)


def _named(name: object, where: str) -> str:
    if not isinstance(name, str) or not is_cookie_name(name):
        raise UsageError(f"{where}: no cookie can have this name; use letters, digits, - and _.")
    return name


def _valued(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{where}: the value is of type {type(value).__name__}; cookies hold text: write str(…).")
    try:
        return encoded(value)
    except ValueError:
        raise UsageError(f"{where}: the value has half of a surrogate pair, which is no text; leave it out.") from None


def _check_attributes(where: str, path: str, domain: str | None, samesite: str | None) -> None:
    for name, value in (("path", path), ("domain", domain)):
        if value is not None and not is_cookie_attribute(value):
            raise UsageError(f"{where}: {name} = {value!a} can't stand in a header; percent-encode what isn't ASCII.")
    if samesite is not None and str(samesite).lower() not in ("lax", "strict", "none"):
        raise UsageError(f'{where}: samesite = {samesite!r}; it must be "lax", "strict", "none" or None.')


def _moment(expires: datetime | str | int | None, where: str) -> datetime | str | int | None:
    """The date in UTC, as HTTP has it."""
    if isinstance(expires, str) and not is_cookie_attribute(expires):
        raise UsageError(f"{where}: expires = {expires!a} can't stand in a header; give it a datetime.")
    if not isinstance(expires, datetime):
        return expires
    if expires.tzinfo is None:
        raise UsageError(f"{where}: expires = {expires} has no time zone; write datetime.now(UTC) + …")
    return expires.astimezone(UTC)


def _renamed(carrier: Response, pair: str) -> str:
    """The carrier's Set-Cookie, of another name and value."""
    _, _, attributes = carrier.headers["set-cookie"].partition(";")
    return f"{pair};{attributes}" if attributes else pair
