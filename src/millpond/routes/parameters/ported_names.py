"""Parameters that are named as in JavaScript handlers: what they get, or what to write instead.

FastAPI takes a parameter without an annotation for a query parameter, which each request would have to have. Under
these names hardly anybody means one; all others stay FastAPI's.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, NoReturn

from millpond.errors import RouteModuleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from millpond.errors import Place

_REQUESTS = {"request", "req", "nextrequest", "nextreq"}
_UNUSED = {"_", "__", "_r"}
_PARAMS = {"params", "pathparams", "routeparams"}
_CONTEXTS = {"context", "ctx", "props", "routecontext", "routeprops"}
_REMEDIES = {
    "searchparams": 'a query parameter is a parameter of its own, `q: str = ""`, and `request.query_params` has all',
    "queryparams": 'a query parameter is a parameter of its own, `q: str = ""`, and `request.query_params` has all',
    "cookies": "call cookies() of millpond, or read request.cookies",
    "cookiestore": "call cookies() of millpond, or read request.cookies",
    "headers": "call headers() of millpond, or read request.headers",
    "response": "annotate it, `response: Response`, or return a Response",
    "res": "annotate it, `res: Response`, or return a Response",
    "body": "annotate it, `body: dict` or a pydantic model, or read `await request.json()`",
    "formdata": "read `await request.form()`, or declare each field with Form()",
}


def is_bare(parameter: inspect.Parameter) -> bool:
    """Whether its name is all that it says; None as its default says nothing more."""
    return parameter.annotation is inspect.Parameter.empty and (
        parameter.default is inspect.Parameter.empty or parameter.default is None
    )


def is_request(parameter: inspect.Parameter, *, first: bool) -> bool:
    """Whether it gets the request: `request` anywhere, and in the first place also what JavaScript calls it.

    Args:
        parameter: one that no folder of the path fills.
        first: whether it is the handler's first one.
    """
    if not is_bare(parameter):
        return False
    name = parameter.name
    return name == "request" or (first and (name in _UNUSED or _spelling(name) in _REQUESTS))


def is_params(name: str) -> bool:
    """Whether a parameter of this name gets all of the path's parameters."""
    return _spelling(name) in _PARAMS


def same_name(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that differs from `name` only in case and underscores."""
    return next((other for other in names if _spelling(other) == _spelling(name)), None)


def refuse_misread(parameter: inspect.Parameter, path: Sequence[str], place: Place) -> None:
    """Refuse a parameter that would be a query parameter, and by its name is meant to be something else.

    Args:
        parameter: one that no folder of the path fills, and that is neither the request nor the path's parameters.
        path: the names of the path's parameters.
        place: where messages say the handler stands.

    Raises:
        RouteModuleError: its name is one that JavaScript handlers have.
    """
    if parameter.default is not inspect.Parameter.empty or parameter.annotation is not inspect.Parameter.empty:
        return
    name, spelling = parameter.name, _spelling(parameter.name)
    if spelling in _CONTEXTS:
        _refuse(parameter, _instead_of_context(path), place)
    if spelling in _REMEDIES:
        _refuse(parameter, _REMEDIES[spelling], place)
    if spelling in _REQUESTS:
        _refuse(parameter, f"the request comes first, or is annotated: `{name}: Request`", place)
    if name in _UNUSED:
        _refuse(parameter, "nothing but what a handler names is passed: leave it out", place)


def _instead_of_context(path: Sequence[str]) -> str:
    if not path:
        return "this path has no parameters, so there is nothing to pass: leave it out"
    each = ", ".join(f"`{name}`" for name in path)
    return f"handlers get the path's parameters by name: write {each}, or `params` for a dict of all"


def _refuse(parameter: inspect.Parameter, remedy: str, place: Place) -> NoReturn:
    name = parameter.name
    raise RouteModuleError(
        f"{place}: the parameter `{name}` would be a query parameter that each request must have; {remedy}. If you "
        f"mean a query parameter, annotate it: `{name}: str`."
    )


def _spelling(name: str) -> str:
    return name.replace("_", "").lower()
