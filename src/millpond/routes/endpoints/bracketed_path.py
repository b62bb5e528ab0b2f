"""The paths of FastAPI's routes in the spelling of route folders: "/items/{id:int}" is "/items/[id]"."""

from __future__ import annotations

import re

_PARAMETER = re.compile(r"{([^\W\d]\w*)(?::([^\W\d]\w*))?}")


def bracketed(path: str) -> str:
    """A path with its parameters in brackets; "{rest:path}" is "[...rest]"."""
    return _PARAMETER.sub(lambda match: f"[...{match[1]}]" if match[2] == "path" else f"[{match[1]}]", path)


def has_parameters(path: str) -> bool:
    """Whether a path has parameters in braces."""
    return _PARAMETER.search(path) is not None


def spellings(path: str) -> tuple[str, ...]:
    """The patterns that a path may be called by: OpenAPI leaves out what kind of parameter one is."""
    return tuple(dict.fromkeys((bracketed(path), _PARAMETER.sub(lambda match: f"[{match[1]}]", path))))
