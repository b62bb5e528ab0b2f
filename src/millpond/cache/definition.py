"""One cached function: its options, its identity, and how its results are written down."""

from __future__ import annotations

import functools
import hashlib
import inspect
import logging
import marshal
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from millpond.cache.values import Codec, NotPlain, encode_identity, identity
from millpond.errors import UsageError
from millpond.policy.key import data_key
from millpond.policy.profiles import InvalidLife, ages_given
from millpond.policy.tags import checked_tags
from millpond.render.scope import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from millpond.render.scope import Scope

log = logging.getLogger("millpond.cache")


@dataclass(frozen=True)
class Definition:
    """What `@cached` was told."""

    function: Callable[..., Any]
    revalidate: float | Literal[False] | None
    tags: tuple[str, ...]
    key: tuple[object, ...] | None
    life: str | None

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        revalidate: float | Literal[False] | None,
        tags: tuple[str, ...],
        key: tuple[object, ...] | None,
        life: str | None,
    ) -> Definition:
        """Checked options.

        Raises:
            UsageError: `function` is a method, or not a function; or an option makes no sense (R5.20).
        """
        if not isinstance(function, FunctionType):
            raise UsageError(f"@cached takes a function, not {type(function).__name__}.")
        where = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}: @cached {function.__qualname__}()"
        if "." in function.__qualname__.rpartition("<locals>.")[2]:
            raise UsageError(
                f"{where}: a method can't be cached, because its object would be part of the key; "
                "make it a function, and give it the values that it needs."
            )
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise UsageError(f"{where}: a generator can't be cached; return a list.")
        if revalidate is not None and life is not None:
            raise UsageError(f"{where}: give revalidate or life, not both.")
        _check_revalidate(revalidate, where)
        good, complaints = checked_tags(tags)
        for complaint in complaints:
            log.warning("%s: %s", where, complaint)
        return cls(function, revalidate, tuple(good), key, life)

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.function.__qualname__}()"

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    def bypasses(self, scope: Scope | None, *, cache_components: bool) -> bool:
        """Whether a call runs the function: for an editor (R5.25), or inside of another one (classic model, R5.24)."""
        if scope is None:
            return False
        return scope.draft.enabled or (scope.purpose is Purpose.FILL and not cache_components)

    def key_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """The key of one call (R5.21, R5.30).

        Raises:
            UsageError: an argument, or something that the function closes over, can't be part of a key.
            TypeError: the arguments don't fit the function.
        """
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return data_key("function", self._identity, self._captured(), self._arguments(bound.arguments))

    @functools.cached_property
    def codec(self) -> Codec:
        """Raises UsageError: results of the declared type can't be read back."""
        declared = self._declared()
        try:
            return Codec(None if declared in (Any, object) else declared, self.name)
        except TypeError as error:
            raise UsageError(f"@cached {self.name}: its return type can't be read back: {error}.") from None

    def encode(self, value: object) -> bytes:
        """Raises UsageError: the result can't be written down (R5.31)."""
        try:
            return self.codec.encode(value)
        except NotPlain as problem:
            raise UsageError(
                f"@cached {self.name}: {problem}: return data (numbers, text, bytes, lists, dicts, dates, dataclasses, "
                "Structs or pydantic models)."
            ) from None

    @functools.cached_property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self.function)

    @functools.cached_property
    def _identity(self) -> bytes:
        """Module, name and source: an edited function has other keys, and nothing of its old results."""
        function = self.function
        try:
            code = inspect.getsource(function).encode("utf-8")
        except OSError:  # made by exec, or typed into a shell
            code = marshal.dumps(_without_place(function.__code__))
        digest = hashlib.sha256(code).hexdigest()
        return encode_identity([function.__module__, function.__qualname__, digest])

    def _captured(self) -> bytes:
        if self.key is not None:
            return self._encoded({"key": self.key}, "of the option")
        names = self.function.__code__.co_freevars
        cells = self.function.__closure__ or ()
        values = {name: _cell(cell) for name, cell in zip(names, cells, strict=True)}
        return self._encoded(values, "closed over", remedy="give @cached(key=[…]) what tells its results apart")

    def _arguments(self, arguments: Mapping[str, Any]) -> bytes:
        return self._encoded(arguments, "the argument")

    def _encoded(self, values: Mapping[str, Any], what: str, remedy: str = "pass plain data, such as an id") -> bytes:
        try:
            return encode_identity([[name, identity(value, f'"{name}"')] for name, value in values.items()])
        except NotPlain as problem:
            raise UsageError(
                f"@cached {self.name}: {what} {problem}, which can't be part of a key; {remedy}."
            ) from None

    def _declared(self) -> Any:
        """The return annotation; Any where there is none, or one that can't be resolved here."""
        try:
            declared = get_type_hints(self.function, include_extras=True).get("return", Any)
        except NameError:  # a name that only type checkers know
            return Any
        return declared


def _check_revalidate(revalidate: float | Literal[False] | None, where: str) -> None:
    if revalidate is None or revalidate is False:
        return
    try:
        ages = ages_given(revalidate=revalidate)
    except InvalidLife as error:
        raise UsageError(f"{where}: {error}") from None
    if ages["revalidate"] == 0:
        raise UsageError(f"{where}: revalidate = 0 keeps nothing; leave @cached out (R5.20).")


def _cell(cell: Any) -> Any:
    """What a closure's cell holds; a function stands for itself by its name."""
    try:
        value = cell.cell_contents
    except ValueError:  # not assigned yet
        return None
    if isinstance(value, FunctionType):
        return ["function", value.__module__, value.__qualname__]
    return value


def _without_place(code: CodeType) -> CodeType:
    """The code without the file and lines that it came from, which differ from machine to machine."""
    constants = tuple(_without_place(part) if isinstance(part, CodeType) else part for part in code.co_consts)
    return code.replace(co_filename="", co_firstlineno=0, co_linetable=b"", co_consts=constants)
