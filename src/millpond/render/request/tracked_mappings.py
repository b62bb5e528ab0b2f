"""The mappings of a request; each reports every read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.datastructures import Headers, QueryParams, State

from millpond.render.request.access import refuse_in_shared_work

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

OnRead = Callable[[str, object], None]
"""Gets what messages call a mapping, and the key that is read; None where the read isn't about one key."""

_Mapping = TypeVar("_Mapping", bound="type[Any]")


def tracked(mapping: _Mapping) -> _Mapping:
    """Class decorator: each read calls `self.record_access` first, with its key or None."""
    for names, reporting in ((READS_OF_ONE_KEY, _reporting_key), (READS_OF_ALL, _reporting_all)):
        for name in names:
            method = getattr(mapping, name, None)  # a Mapping that can't be reversed has None there
            if method is not None and method is not getattr(Mapping, name, None):  # Mapping's own call the others
                setattr(mapping, name, reporting(method))
    return mapping


def _reporting_key(method: Callable[..., Any]) -> Callable[..., Any]:
    def read(self: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
        self.record_access(key)
        return method(self, key, *args, **kwargs)

    return read


def _reporting_all(method: Callable[..., Any]) -> Callable[..., Any]:
    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.record_access(None)
        return method(self, *args, **kwargs)

    return read


@tracked
class TrackedHeaders(Headers):
    """A subclass of Starlette's, because FastAPI checks the type."""

    on_read: OnRead = staticmethod(refuse_in_shared_work)
    """Called before each read; a tracked request sets its own."""

    def record_access(self, key: object) -> None:
        self.on_read("request.headers", key)

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        self.record_access(None)
        return super().raw


@tracked
class TrackedQuery(QueryParams):
    """A subclass of Starlette's, because FastAPI checks the type."""

    on_read: OnRead = staticmethod(refuse_in_shared_work)

    def record_access(self, key: object) -> None:
        self.on_read("request.query_params", key)


@tracked
class TrackedCookies(dict[str, str]):
    """Starlette's cookies are a plain dict."""

    on_read: OnRead = staticmethod(refuse_in_shared_work)

    def record_access(self, key: object) -> None:
        self.on_read("request.cookies", key)


class TrackedState(State):
    """`request.state`, where middleware keeps who the visitor is, for one."""

    def __init__(self, state: dict[str, Any], on_read: OnRead) -> None:
        super().__init__(state)
        object.__setattr__(self, "_on_read", on_read)

    def __getattr__(self, key: str) -> Any:
        self._on_read("request.state", key)
        return super().__getattr__(key)

    def __getitem__(self, key: str) -> Any:
        self._on_read("request.state", key)
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[str]:
        self._on_read("request.state")
        return super().__iter__()

    def __len__(self) -> int:
        self._on_read("request.state")
        return super().__len__()
