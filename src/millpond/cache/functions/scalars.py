"""Values that their text says completely: addresses, paths, URLs. They are plain data beside the built-in kinds."""

from __future__ import annotations

import ipaddress
import pathlib
from fractions import Fraction

import pydantic
from pydantic import networks

_URLS = [getattr(networks, name) for name in networks.__all__ if name.endswith(("Url", "Dsn"))]
_KINDS: list[type] = [
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Interface,
    ipaddress.IPv6Interface,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    type(pathlib.Path()),
    Fraction,
    *(kind for kind in _URLS if isinstance(kind, type)),
]
SCALARS: dict[type, str] = {kind: f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}" for kind in _KINDS}
"""The classes, and what they are called in what is stored."""
_BY_NAME = {name: kind for kind, name in SCALARS.items()}
PATHS = pathlib.PurePath
"""As arguments they are refused: what a function reads there isn't part of a key, and hosts differ in their files."""
SECRETS = (pydantic.SecretStr, pydantic.SecretBytes)


def scalar_from(name: str, text: str) -> object:
    """The value of which `SCALARS` has the class and `str` has made the text."""
    return _BY_NAME[name](text)
