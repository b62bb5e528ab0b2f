"""The arguments of a call by name, with the defaults. Signatures are found out once for all functions of the same code.

Defaults belong to a function and not to its code, so they aren't part of what is shared.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from millpond.cache.functions.code.code_facts import CodeFacts, layers_of

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from types import FunctionType

_signatures: CodeFacts[inspect.Signature] = CodeFacts()
_EMPTY: dict[Any, Any] = {inspect.Parameter.VAR_POSITIONAL: (), inspect.Parameter.VAR_KEYWORD: {}}


class CallArguments:
    """How one function is called."""

    def __init__(self, function: FunctionType) -> None:
        layers = layers_of(function)
        self._outer = function if len(layers) > 1 else None
        inner = layers[-1]
        if hasattr(inner, "__wrapped__") or any(hasattr(layer, "__signature__") for layer in layers):
            self._signature = inspect.signature(function)
            found = self._signature.parameters.values()
            defaults = {each.name: each.default for each in found if each.default is not each.empty}
        else:
            defaults = dict(defaults_of(inner))
            self._signature = _signatures.of(inner, (*defaults,), lambda: _without_values(inner, defaults))
        parameters = self._signature.parameters.values()
        self._values = [(each.name, defaults.get(each.name, _EMPTY.get(each.kind))) for each in parameters]

    def by_name(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments of a call, and the defaults of what isn't given.

        Raises:
            TypeError: they don't match the function's signature.
        """
        try:
            given = self._signature.bind(*args, **kwargs).arguments
        except TypeError:
            if self._outer is None:
                raise
        else:
            return {name: given.get(name, default) for name, default in self._values}
        # A decorator takes other arguments than the function that it wraps.
        bound = inspect.signature(self._outer, follow_wrapped=False).bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments


def defaults_of(function: FunctionType) -> list[tuple[str, Any]]:
    """The defaults by the names of their parameters."""
    code, values = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount][code.co_argcount - len(values) :]
    return [*zip(names, values, strict=True), *(function.__kwdefaults__ or {}).items()]


def _without_values(function: FunctionType, optional: Container[str]) -> inspect.Signature:
    """The signature without what belongs to this one function: its defaults are None, and it has no annotations."""
    found = inspect.signature(function).parameters.values()
    return inspect.Signature(
        [
            inspect.Parameter(each.name, each.kind, default=None if each.name in optional else each.empty)
            for each in found
        ]
    )
