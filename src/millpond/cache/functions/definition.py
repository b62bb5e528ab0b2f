"""One cached function: its options, its identity, and how its results are encoded."""

from __future__ import annotations

import functools
import inspect
import logging
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal

from millpond.cache.data import checked_soft_timeout
from millpond.cache.functions.code.call_arguments import CallArguments
from millpond.cache.functions.code.code_facts import name_and_code
from millpond.cache.functions.code.module_sources import note_module
from millpond.cache.functions.code.return_types import codec_of
from millpond.cache.functions.identity import (
    CACHE_KEY,
    captured_identity,
    encode_identity,
    held_by_decorators,
    identity,
)
from millpond.cache.functions.plain import NotPlain
from millpond.cache.functions.values import FORMAT
from millpond.cache.given_tags import usable_tags
from millpond.errors import Place, UsageError
from millpond.policy.key import data_key
from millpond.policy.profiles import InvalidLife, ages_given
from millpond.render.scopes.inputs import CachedFunction
from millpond.render.user_code import in_project

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from millpond.cache.functions.values import Codec

log = logging.getLogger("millpond.cache")


@dataclass(frozen=True)
class Definition:
    """A cached function with the options of `@cached`."""

    function: FunctionType
    revalidate: float | Literal[False] | None
    tags: tuple[str, ...]
    key: tuple[object, ...] | None
    life: str | None
    soft_timeout: float | None = None

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        revalidate: float | Literal[False] | None,
        tags: tuple[str, ...],
        key: tuple[object, ...] | None,
        life: str | None,
        soft_timeout: float | None = None,
    ) -> Definition:
        """Validate the options.

        Raises:
            UsageError: `function` is not a function, or an option is invalid (R5.20).
        """
        if isinstance(function, staticmethod | classmethod):
            kind = type(function).__name__
            raise UsageError(f"@cached {function.__qualname__}(): write @{kind} above @cached.")
        if not isinstance(function, FunctionType):
            kind = type(function).__name__
            raise UsageError(f"@cached takes a function, not {kind}: write @cached above a def, which may call it.")
        where = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}: @cached {function.__qualname__}()"
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise UsageError(f"{where}: a generator can't be cached; return a list.")
        if revalidate is not None and life is not None:
            raise UsageError(f"{where}: give revalidate or life, not both.")
        _check_revalidate(revalidate, where)
        checked_soft_timeout(soft_timeout, f"{where}: @cached")
        if soft_timeout is not None and not inspect.iscoroutinefunction(function):
            raise UsageError(
                f"{where}: soft_timeout is for async functions: a sync one runs in the thread that waits for it. "
                "Make it async, or leave soft_timeout out."
            )
        definition = cls(function, revalidate, usable_tags(tags, lambda: where, log), key, life, soft_timeout)
        note_module(function.__globals__)
        definition._held  # noqa: B018 - before the first call changes what decorators hold
        return definition

    @property
    def name(self) -> str:
        """The name used in messages."""
        return f"{self.function.__qualname__}()"

    @property
    def qualified_name(self) -> str:
        """The name in metrics and traces."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    def reported(self, project: Path) -> CachedFunction:
        """The function's name and place, as reports show them."""
        code = self.function.__code__
        file = in_project(code.co_filename, project)
        return CachedFunction(self.name, Place(file or code.co_filename, code.co_firstlineno))

    def key_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """The key of one call (R5.21, R5.30).

        Raises:
            UsageError: an argument, or a variable that the function closes over, can't be part of a key.
            TypeError: the arguments don't match the function's signature.
        """
        arguments = self._arguments(self._call_arguments.by_name(args, kwargs))
        return data_key("function", self._identity, self._captured(), arguments)

    def arguments_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Mapping[str, Any]:
        """The arguments of a call by name, with defaults."""
        return self._call_arguments.by_name(args, kwargs)

    @functools.cached_property
    def codec(self) -> Codec:
        return codec_of(self.function)

    def encode(self, value: object) -> bytes:
        """Encode a result.

        Raises:
            UsageError: the result can't be encoded (R5.31).
        """
        try:
            return self.codec.encode(value)
        except NotPlain as problem:
            raise UsageError(
                f"@cached {self.name}: {problem}: return data (numbers, text, bytes, lists, dicts, dates, dataclasses, "
                "Structs or pydantic models)."
            ) from None
        except RecursionError:
            raise UsageError(f"@cached {self.name}: its result contains itself, or is nested too deeply.") from None

    @functools.cached_property
    def _call_arguments(self) -> CallArguments:
        return CallArguments(self.function)

    @functools.cached_property
    def _identity(self) -> bytes:
        """It changes when the function, or the class of its results, is edited: keys of old results no longer match."""
        return encode_identity([name_and_code(self.function), self.codec.shape, FORMAT])

    @functools.cached_property
    def _held(self) -> Any:
        return held_by_decorators(self.function)

    def _captured(self) -> bytes:
        if self.key is not None:
            return self._encoded({"key": self.key}, "of the option")
        try:
            return encode_identity([captured_identity(self.function), self._held])
        except NotPlain as problem:
            raise self._no_key(
                f"closed over {problem}", "give @cached(key=[…]) the values that distinguish its results"
            ) from None

    def _arguments(self, arguments: Mapping[str, Any]) -> bytes:
        return self._encoded(arguments, "the argument")

    def _encoded(self, values: Mapping[str, Any], what: str) -> bytes:
        try:
            return encode_identity([[name, identity(value, f'"{name}"')] for name, value in values.items()])
        except NotPlain as problem:
            if problem.where == '"self"':
                raise self._no_key(
                    f"it is a method, and {problem}",
                    f"give the class a method {CACHE_KEY}() that returns what tells its objects apart, or make it a "
                    "function, and pass what it needs",
                ) from None
            raise self._no_key(f"{what} {problem}", "pass plain data, such as an id") from None
        except RecursionError:
            raise self._no_key(f"{what} contains itself, or is nested too deeply", "pass plain data") from None

    def _no_key(self, problem: str, remedy: str) -> UsageError:
        return UsageError(f"@cached {self.name}: {problem}, so it can't be part of a key; {remedy}.")


def _check_revalidate(revalidate: float | Literal[False] | None, where: str) -> None:
    if revalidate is None or revalidate is False:
        return
    try:
        ages = ages_given(revalidate=revalidate)
    except InvalidLife as error:
        raise UsageError(f"{where}: {error}") from None
    if ages["revalidate"] == 0:
        raise UsageError(f"{where}: revalidate = 0 caches nothing; remove @cached.")
