"""The mappings of a request, each of which tells of every look into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.datastructures import Headers, QueryParams, State

from millpond.render.request.reader import refuse_elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator

READS_OF_ONE_KEY = ("__contains__", "__delitem__", "__getitem__", "get", "getlist", "pop", "setdefault")
READS_OF_ALL = (
    "__eq__",
    "__iter__",
    "__len__",
    "__ne__",
    "__or__",
    "__repr__",
    "__reversed__",
    "__ror__",
    "__str__",
    "copy",
    "items",
    "keys",
    "multi_items",
    "mutablecopy",
    "popitem",
    "values",
)

Ask = Callable[[str, object], None]
_Mapping = TypeVar("_Mapping", bound="type[Any]")


def watched(mapping: _Mapping) -> _Mapping:
    """Class decorator: each read calls `self.record_access` with its key, or with None when it isn't about one key."""
    for names, telling in ((READS_OF_ONE_KEY, _telling_of_key), (READS_OF_ALL, _telling_of_all)):
        for name in names:
            method = getattr(mapping, name, None)  # None: a Mapping that can't be reversed says so
            if method is not None and method is not getattr(Mapping, name, None):  # else it goes by way of the others
                setattr(mapping, name, telling(method))
    return mapping


def _telling_of_key(method: Callable[..., Any]) -> Callable[..., Any]:
    def read(self: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
        self.record_access(key)
        return method(self, key, *args, **kwargs)

    return read


def _telling_of_all(method: Callable[..., Any]) -> Callable[..., Any]:
    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.record_access(None)
        return method(self, *args, **kwargs)

    return read


@watched
class TrackedHeaders(Headers):
    """A subclass of Starlette's, because FastAPI asks for the type."""

    ask: Ask = staticmethod(refuse_elsewhere)
    """What is asked before a read; that of the request, where the request is tracked."""

    def record_access(self, key: object) -> None:
        self.ask("request.headers", key)

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        self.record_access(None)
        return super().raw


@watched
class TrackedQuery(QueryParams):
    """A subclass of Starlette's, because FastAPI asks for the type."""

    ask: Ask = staticmethod(refuse_elsewhere)

    def record_access(self, key: object) -> None:
        self.ask("request.query_params", key)


@watched
class TrackedCookies(dict[str, str]):
    """Starlette's cookies are a plain dict."""

    ask: Ask = staticmethod(refuse_elsewhere)

    def record_access(self, key: object) -> None:
        self.ask("request.cookies", key)


class TrackedState(State):
    """`request.state`, in which middleware keeps whom a request is from."""

    def __init__(self, state: dict[str, Any], ask: Ask) -> None:
        super().__init__(state)
        object.__setattr__(self, "_ask", ask)

    def __getattr__(self, key: str) -> Any:
        self._ask("request.state", key)
        return super().__getattr__(key)

    def __getitem__(self, key: str) -> Any:
        self._ask("request.state", key)
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[str]:
        self._ask("request.state")
        return super().__iter__()

    def __len__(self) -> int:
        self._ask("request.state")
        return super().__len__()
