"""Handlers whose result is JSON by the time that FastAPI sees it, which would take it apart by itself, and slowly."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from fastapi.sse import ServerSentEvent
from starlette.responses import JSONResponse, Response
from typing_extensions import is_typeddict  # it knows its own as well, which pydantic demands before Python 3.12

from millpond.routes.results.contents import why_not_data
from millpond.routes.results.encoding import json_bytes, refuse_in, simplified
from millpond.routes.results.upstream_answers import is_upstreams, is_upstreams_class

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    import httpx2

    from millpond.errors import Place

Change = Callable[[Any], Any]

_COLLECTIONS = (Collection, Iterator)
"""A string is one, too; it is looked at for nothing."""


class Encoded(str):
    """The result of a handler, encoded. A string, since FastAPI hands strings on as they are."""

    body: bytes


class EncodedResponse(JSONResponse):
    """A JSONResponse that has nothing left to encode."""

    def render(self, content: Any) -> bytes:
        return content.body if isinstance(content, Encoded) else super().render(content)


class StreamKind(Enum):
    """What FastAPI makes of what a generator yields."""

    JSON_LINES = "lines of JSON"
    EVENTS = "server-sent events"
    CHUNKS = "chunks, as they are"


@dataclass(frozen=True, slots=True)
class Results:
    """What becomes of a handler's results before FastAPI sees them."""

    place: Place
    model: Any = None
    """The response model, or what it declares for each item of a stream; None: there is none."""
    encodes: bool = True
    """Whether a result without a model becomes Encoded; else what FastAPI can encode."""

    def of(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` with another result, in a thread of the pool, where that is where it runs.

        It is a Response, or Encoded; where there is a model, what that is to be applied to.
        """
        return _Async(function, self._whole()) if is_async(function) else _Sync(function, self._whole())

    def of_each(self, function: Callable[..., Any], stream: StreamKind) -> Callable[..., Any]:
        """The generator `function`, which yields what FastAPI writes as it is, or by the model."""
        kind = _EachAsync if inspect.isasyncgenfunction(inspect.unwrap(function)) else _Each
        if stream is StreamKind.CHUNKS:
            return kind(function, _unchanged)
        item = self._item()
        return kind(function, item if stream is StreamKind.JSON_LINES else functools.partial(_event, change=item))

    def _whole(self) -> Change:
        if self.model is None:
            return functools.partial(_encoded if self.encodes else _to_be_encoded, place=self.place)
        return functools.partial(_to_be_modelled, place=self.place, check=_lets_through(self.model))

    def _item(self) -> Change:
        if self.model is None:
            return functools.partial(simplified, place=self.place)
        return functools.partial(_checked_item, place=self.place, check=_lets_through(self.model))


def is_async(function: Callable[..., Any]) -> bool:
    """Whether FastAPI awaits the function; it looks through decorators."""
    shown = inspect.unwrap(function, stop=inspect.iscoroutinefunction)
    return inspect.iscoroutinefunction(shown) or inspect.iscoroutinefunction(type(shown).__call__)


def passes_on(annotation: Any) -> bool:
    """Whether a handler is declared to return what `fetch` gave: no response model can be made of that."""
    return any(isinstance(each, type) and is_upstreams_class(each) for each in _leaves(annotation))


def _passed_on(upstreams: httpx2.Response, place: Place) -> Response:
    from millpond.routes.results.passed_on import passed_on  # imported late: it needs httpx2

    return passed_on(upstreams, place)


def _encoded(result: Any, place: Place) -> Response | Encoded:
    if isinstance(result, Response):
        return result
    if is_upstreams(result):
        return _passed_on(result, place)
    encoded = Encoded()
    encoded.body = json_bytes(result, place)
    return encoded


def _to_be_encoded(result: Any, place: Place) -> Any:
    if isinstance(result, Response):
        return result
    return _passed_on(result, place) if is_upstreams(result) else simplified(result, place)


def _to_be_modelled(result: Any, place: Place, *, check: bool) -> Any:
    if isinstance(result, Response):
        return result
    if is_upstreams(result):
        return _passed_on(result, place)
    if check:  # a model that says `Any` or `dict` lets everything through that pydantic can write
        refuse_in(result, place)
    return result


def _checked_item(item: Any, place: Place, *, check: bool) -> Any:
    if check:
        refuse_in(item, place)
    return item


def _unchanged(item: Any) -> Any:
    return item


def _event(item: Any, change: Change) -> Any:
    """An event that the handler makes itself has data without a model."""
    if not isinstance(item, ServerSentEvent):
        return change(item)
    if item.data is not None:
        refuse_in(item.data, change.keywords["place"] if isinstance(change, functools.partial) else None)
    return item


def _lets_through(model: Any) -> bool:
    """Whether what is published depends on the value: the model doesn't name all fields, or names a client's."""
    return any(
        not isinstance(each, type)
        or each in (Any, object)
        or (issubclass(each, _COLLECTIONS) and not is_typeddict(each))
        or why_not_data(each) is not None
        for each in _leaves(model)
    )


def _leaves(annotation: Any) -> Iterator[Any]:
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        yield from _leaves(inner[0])
    elif inner and not isinstance(annotation, type):
        for each in inner:
            yield from _leaves(each)
    else:
        yield annotation


class _Sync:
    """An object and no function: FastAPI's messages name the file of a function, and it would be this one."""

    def __init__(self, function: Callable[..., Any], change: Change) -> None:
        self._function, self._change = function, change
        functools.update_wrapper(self, function)

    def __call__(self, **values: Any) -> Any:
        return self._change(self._function(**values))


class _Async(_Sync):
    async def __call__(self, **values: Any) -> Any:  # awaited by FastAPI
        result = self._function(**values)
        return self._change(await result if inspect.isawaitable(result) else result)


class _Each(_Sync):
    def __call__(self, **values: Any) -> Iterator[Any]:
        return self._items(self._function(**values))

    def _items(self, items: Iterator[Any]) -> Iterator[Any]:
        for item in items:
            yield self._change(item)


class _EachAsync(_Sync):
    def __call__(self, **values: Any) -> AsyncIterator[Any]:
        return self._items(self._function(**values))

    async def _items(self, items: AsyncGenerator[Any]) -> AsyncIterator[Any]:
        async with aclosing(items):
            async for item in items:
                yield self._change(item)
