"""The declared type of a function's results: resolved once for all functions of the same code."""

from __future__ import annotations

import sys
import typing
from typing import TYPE_CHECKING, Any

from millpond.cache.functions.code.code_facts import CodeFacts, layers_of
from millpond.cache.functions.values import Codec

if TYPE_CHECKING:
    from types import FunctionType

_codecs: CodeFacts[Codec] = CodeFacts()


def codec_of(function: FunctionType) -> Codec:
    """Encodes the results of `function` by its return annotation."""
    annotation, namespace = _annotation(function), layers_of(function)[-1].__globals__

    def made() -> Codec:
        declared = _resolved(annotation, namespace)
        return Codec(None if declared in (Any, object) else declared, f"{function.__qualname__}()")

    try:
        hash(annotation)
    except TypeError:
        return made()
    return _codecs.of(function, (annotation, id(namespace)), made, lambda: not _is_of_one_call(annotation))


def _annotation(function: FunctionType) -> Any:
    try:
        return function.__annotations__.get("return", Any)
    except NameError:  # from Python 3.14 on: one of them is imported for type checkers only
        pass
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(function, format=annotationlib.Format.FORWARDREF).get("return", Any)
    return Any


def _is_of_one_call(annotation: object) -> bool:
    """Whether it is, or may hold, a class that a function has made: another one at each call, with what that knows."""
    if isinstance(annotation, type) and "<locals>" in annotation.__qualname__:
        return True
    parts = (*typing.get_args(annotation), *getattr(annotation, "__metadata__", ()))
    return any(_is_of_one_call(part) for part in parts)


def _resolved(annotation: object, namespace: dict[str, Any]) -> Any:
    """The type; Any if it can't be resolved at run time: it is imported for type checkers only, or is no type."""

    def returns() -> None: ...

    returns.__annotations__ = {"return": annotation}
    try:
        return typing.get_type_hints(returns, namespace, include_extras=True)["return"]
    except (NameError, AttributeError, TypeError):
        return Any
