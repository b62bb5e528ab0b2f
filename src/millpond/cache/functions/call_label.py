"""What people call a function's result: the function, and the arguments it was called with."""

from __future__ import annotations

import os
import re
from reprlib import Repr
from typing import TYPE_CHECKING

from millpond.cache.functions.scalars import SCALARS, SECRETS
from millpond.render.failures.masking import masked

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 300
"""Characters."""
_MOST_ARGUMENTS = 8
_SECRET = re.compile(r"(?i)key|token|secret|passw|auth|session|credential")
_PLAIN = (str, bytes, int, float, bool, type(None), *SCALARS)

_repr = Repr()
_repr.maxstring = _repr.maxother = 60
_repr.maxlist = _repr.maxtuple = _repr.maxdict = _repr.maxset = _repr.maxfrozenset = 4
_repr.maxlevel = 2


def call_label(function: str, arguments: Mapping[str, object]) -> str:
    """The label of a call: `price_range(category='chairs')`.

    What is called a secret, and values of environment variables, are masked. Of objects only the class is told: what
    they say of themselves may hold anything.

    Args:
        function: its name.
        arguments: by the names of the parameters.
    """
    given = [f"{name}={_shown(name, value)}" for name, value in list(arguments.items())[:_MOST_ARGUMENTS]]
    more = ", …" if len(arguments) > _MOST_ARGUMENTS else ""
    text = masked(f"{function.removesuffix('()')}({', '.join(given)}{more})", os.environ)
    text = text.encode("utf-8", "replace").decode("utf-8")  # without lone surrogates
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _shown(name: str, value: object) -> str:
    if _SECRET.search(name) or isinstance(value, SECRETS):
        return "***"
    return _repr.repr(value) if _is_plain(value) else f"<{type(value).__qualname__}>"


def _is_plain(value: object, depth: int = 2) -> bool:
    if type(value) in _PLAIN:
        return True
    if depth and type(value) in (list, tuple, set, frozenset):
        return all(_is_plain(each, depth - 1) for each in value)  # type: ignore[attr-defined]
    if depth and type(value) is dict:
        keys = all(type(key) is str and not _SECRET.search(key) for key in value)
        return keys and all(_is_plain(each, depth - 1) for each in value.values())
    return False
