"""What is known of functions by their code: found out once, however often a function is defined anew.

A function that is defined inside a handler is another one at each request, and holds what it closes over. So facts are
kept by code objects, of which there is one for each place in a file.
"""

from __future__ import annotations

import hashlib
import inspect
import threading
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from millpond.cache.functions.code.code_content import code_content
from millpond.cache.functions.code.module_sources import project_digest
from millpond.stores.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")

MOST = 4096
"""Facts of one kind that are kept."""


class _Code:
    """A code object, which equals itself only: equal code may stand in two files, below other annotations."""

    __slots__ = ("code",)

    def __init__(self, code: CodeType) -> None:
        self.code = code

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Code) and self.code is other.code

    def __hash__(self) -> int:
        return id(self.code)


class CodeFacts(Generic[T]):
    """Facts of one kind. They must not hold anything of a single call, as they stay."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: BoundedDict[Hashable, T] = BoundedDict(MOST)

    def of(
        self,
        function: FunctionType,
        beside: tuple[Hashable, ...],
        find: Callable[[], T],
        may_stay: Callable[[], bool] = lambda: True,
    ) -> T:
        """What `find` returns, from an earlier call if there was one.

        Args:
            function: the fact is about its code, and that of the functions that it wraps.
            beside: what else it depends on.
            find: finds it out.
            may_stay: whether all of this may be kept.
        """
        codes = [_Code(layer.__code__) for layer in layers_of(function)]
        place = (function.__module__, function.__qualname__, *beside, *codes)
        found = self._known.get(place)
        if found is None:
            found = find()
            if may_stay():
                with self._lock:
                    self._known.keep(place, found)
        return found


def layers_of(function: FunctionType) -> list[FunctionType]:
    """The function, and the functions that it wraps with functools.wraps; the innermost is last."""
    layers = [function]
    while isinstance(inner := getattr(layers[-1], "__wrapped__", None), FunctionType) and inner not in layers:
        layers.append(inner)
    return layers


_digests: CodeFacts[list[Any]] = CodeFacts()


def name_and_code(function: FunctionType) -> list[Any]:
    """Module, qualified name, and a digest of source, code and modules: they change when any of these is edited.

    The source alone isn't enough: two lambdas in one line, or under two decorators, have the same source. And the
    modules, since they hold what the code refers to by name: helpers, constants, classes.
    """
    return _digests.of(function, (), lambda: _found(function))


def _found(function: FunctionType) -> list[Any]:
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):  # made by exec, or typed into a shell
        source = ""
    layers = layers_of(function)
    codes = [code_content(layer.__code__) for layer in layers]
    modules = [project_digest(layer.__globals__) for layer in layers]
    content = msgspec.msgpack.encode([source.encode("utf-8", "surrogatepass"), codes, modules])
    return [function.__module__, function.__qualname__, hashlib.sha256(content).digest()]
