"""Responses that a handler raises: redirect(), permanent_redirect(), not_found()."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NoReturn

from starlette.responses import RedirectResponse, Response

from millpond.errors import UsageError
from millpond.render.scopes.current_scope import required
from millpond.render.scopes.scope import Phase

if TYPE_CHECKING:
    from starlette.requests import Request

_FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


class RaisedResponse(BaseException, ABC):
    """Carries a response out of a handler; a BaseException, so `except Exception` doesn't swallow it (R1.38)."""

    keeps_cookies = False
    """Whether it carries the cookies that were set through `cookies()` (R13.2)."""

    @abstractmethod
    def response(self, request: Request | None) -> Response:
        """The response; `request` is None in a shared render."""


class RaisedRedirect(RaisedResponse):
    keeps_cookies = True

    def __init__(self, url: str, status: int) -> None:
        super().__init__(f"redirect to {url}")
        self.url, self.status = url, status

    def response(self, request: Request | None) -> Response:
        return RedirectResponse(self.url, 303 if request is not None and _sends_form(request) else self.status)


class RaisedNotFound(RaisedResponse):
    def __init__(self) -> None:
        super().__init__("not found")

    def response(self, request: Request | None) -> Response:
        del request
        return Response(status_code=404)


def raised_response_in(error: BaseException) -> RaisedResponse | None:
    """The response that `error` carries, itself or as the only kind of error in the group of a TaskGroup."""
    if isinstance(error, BaseExceptionGroup):
        responses, others = error.split(RaisedResponse)
        return raised_response_in(responses.exceptions[0]) if responses is not None and others is None else None
    return error if isinstance(error, RaisedResponse) else None


def _require_handler(function: str) -> None:
    if required(function).phase is Phase.AFTER:
        raise UsageError(
            f"{function} in an after() callback comes too late: the answer is out; call it in the handler."
        )


def _sends_form(request: Request) -> bool:
    """Whether a browser posted a form: it must follow the redirect with GET (R1.36)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return request.method == "POST" and kind in _FORM_TYPES


def redirect(url: str) -> NoReturn:
    """Answer 307 with `Location: url` (303 after a posted form), and end the handler (R1.36).

    The URL is sent as given: a `base_path` is not added.

    Raises:
        UsageError: outside of a handler, or in an `after` callback.
    """
    _require_handler("redirect()")
    raise RaisedRedirect(url, 307)


def permanent_redirect(url: str) -> NoReturn:
    """Answer 308 with `Location: url` (303 after a posted form), and end the handler (R1.36).

    Raises:
        UsageError: outside of a handler, or in an `after` callback.
    """
    _require_handler("permanent_redirect()")
    raise RaisedRedirect(url, 308)


def not_found() -> NoReturn:
    """Answer 404 with an empty body, and end the handler (R1.37).

    Raises:
        UsageError: outside of a handler, or in an `after` callback.
    """
    _require_handler("not_found()")
    raise RaisedNotFound
