"""Answers that a handler gives by raising: redirect(), permanent_redirect(), not_found()."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from starlette.responses import RedirectResponse, Response

from millpond.errors import UsageError
from millpond.render.scope import Phase, required

if TYPE_CHECKING:
    from starlette.requests import Request

_FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


class Outcome(BaseException):
    """Carries an answer out of a handler; a BaseException, so that `except Exception` doesn't swallow it (R1.38)."""

    keeps_cookies = False
    """Whether cookies set through `cookies()` go with it (R13.2)."""

    def response(self, request: Request | None) -> Response:
        """The answer; `request` is None in a shared render."""
        raise NotImplementedError


class Redirection(Outcome):
    keeps_cookies = True

    def __init__(self, url: str, status: int) -> None:
        super().__init__(f"redirect to {url}")
        self.url, self.status = url, status

    def response(self, request: Request | None) -> Response:
        return RedirectResponse(self.url, 303 if request is not None and _sends_form(request) else self.status)


class Absence(Outcome):
    def __init__(self) -> None:
        super().__init__("not found")

    def response(self, request: Request | None) -> Response:
        del request
        return Response(status_code=404)


def outcome_in(error: BaseException) -> Outcome | None:
    """The answer that `error` carries, by itself or in the group that a TaskGroup makes of it."""
    if isinstance(error, BaseExceptionGroup):
        outcomes, others = error.split(Outcome)
        return outcome_in(outcomes.exceptions[0]) if outcomes is not None and others is None else None
    return error if isinstance(error, Outcome) else None


def _answering(function: str) -> None:
    if required(function).phase is Phase.AFTER:
        raise UsageError(
            f"{function} in an after() callback comes too late: the answer is out; call it in the handler."
        )


def _sends_form(request: Request) -> bool:
    """A browser that posted a form must follow with GET (R1.36)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return request.method == "POST" and kind in _FORM_TYPES


def redirect(url: str) -> NoReturn:
    """Answer 307 with `Location: url` (303 after a posted form), and end the handler (R1.36).

    The URL is sent as given: a `base_path` is not added.

    Raises:
        UsageError: outside of a handler, or in an `after` callback.
    """
    _answering("redirect()")
    raise Redirection(url, 307)


def permanent_redirect(url: str) -> NoReturn:
    """Answer 308 with `Location: url` (303 after a posted form), and end the handler (R1.36).

    Raises:
        UsageError: outside of a handler, or in an `after` callback.
    """
    _answering("permanent_redirect()")
    raise Redirection(url, 308)


def not_found() -> NoReturn:
    """Answer 404 with an empty body, and end the handler (R1.37).

    Raises:
        UsageError: outside of a handler, or in an `after` callback.
    """
    _answering("not_found()")
    raise Absence
