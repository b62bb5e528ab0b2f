"""QUERY in the OpenAPI document: an operation since OpenAPI 3.2; FastAPI writes it without its body, in any version."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import RouteContext, iter_route_contexts

from millpond.internals import starlette_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from starlette.routing import BaseRoute

_FIRST_WITH_QUERY = (3, 2)
_EXTENSION = "x-query"
"""The name of the operation in earlier versions, whose tools know no other methods: extensions are left alone."""


class DescribedFastAPI(starlette_names.LayeredFastAPI):
    """A FastAPI whose document has the operations with QUERY as a version of OpenAPI allows them."""

    _described: dict[str, Any] | None = None
    """The document that is complete; FastAPI makes another one when there are other routes."""

    def openapi(self) -> dict[str, Any]:
        """As in FastAPI; operations with QUERY have their bodies, and are called `x-query` before OpenAPI 3.2."""
        document = super().openapi()
        if document is not self._described:
            _describe_queries(document, self.routes, self.openapi_version)
            self._described = document
        return document


class _AsPost(RouteContext):
    """A route with QUERY as one with POST, whose body FastAPI describes, at a path of its own."""

    @property
    def methods(self) -> set[str] | None:
        return {"POST"}


def _describe_queries(document: dict[str, Any], routes: Sequence[BaseRoute], version: str) -> None:
    paths: dict[str, dict[str, Any]] = document.get("paths", {})
    queries = {path: item.pop("query") for path, item in paths.items() if "query" in item}
    if not queries:
        return
    name = "query" if _number(version) >= _FIRST_WITH_QUERY else _EXTENSION
    # All routes are described once more, as the names of models depend on those that all have.
    described = get_openapi(title="", version="", routes=list(_as_posts(routes)))["paths"]
    for path, operation in queries.items():
        body = described.get(path, {}).get("post", {}).get("requestBody")
        paths[path][name] = operation if body is None else {"requestBody": body, **operation}


def _as_posts(routes: Sequence[BaseRoute]) -> Iterator[RouteContext]:
    """Those with QUERY last: of one path, what comes later stands in the document."""
    contexts = list(iter_route_contexts(routes))
    yield from (each for each in contexts if "QUERY" not in (each.methods or ()))
    for each in contexts:
        if "QUERY" in (each.methods or ()):
            yield _AsPost(*(getattr(each, field.name) for field in dataclasses.fields(each)))


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
