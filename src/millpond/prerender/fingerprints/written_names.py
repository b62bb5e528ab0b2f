"""What code mentions by name: files, folders and environment variables whose names are written in it."""

from __future__ import annotations

import os
import re
from types import CodeType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_LONGEST = 300
"""Characters: longer texts are content or documentation."""
_READ_BY_FIELDS = {"dynaconf", "environ", "pydantic_settings"}
"""Packages that derive the names of variables from those of a class's fields."""
_OF_THE_MACHINE = {
    *("HOME", "HOSTNAME", "LANG", "LOGNAME", "MAIL", "OLDPWD", "PATH", "PWD", "PYTHONPATH", "SHELL", "SHLVL", "TERM"),
    *("TMPDIR", "USER", "VIRTUAL_ENV", "_"),
}
"""Variables that differ between machines and say nothing about an application."""
_SUFFIX = re.compile(r"\*?(\.\w+)")


class WrittenNames(NamedTuple):
    """Names and texts of the code of one module."""

    names: frozenset[str] = frozenset()
    """Its identifiers."""
    texts: frozenset[str] = frozenset()
    """Its string constants, but for long ones."""

    @classmethod
    def of(cls, code: CodeType | bytes | None) -> WrittenNames:
        """Those of a module's code; none of what isn't Python code."""
        if not isinstance(code, CodeType):
            return cls()
        names, texts = set[str](), set[str]()
        for part in _parts(code):
            names.update(part.co_names)
            texts.update(text for text in _texts(part.co_consts) if len(text) <= _LONGEST and "\n" not in text)
        return cls(frozenset(names), frozenset(texts))

    def parts_of_paths(self) -> set[str]:
        """What may be the name of a file or folder; a suffix such as ".json" for all files with it."""
        pieces = {piece for text in self.texts for piece in text.split("/")}
        suffixes = (_SUFFIX.fullmatch(piece) for piece in pieces if piece.startswith((".", "*")))
        return pieces.union(found[1] for found in suffixes if found is not None) - {"", ".", ".."}

    def variables(self, environ: Mapping[str, str], *, by_fields: bool) -> set[str]:
        """The environment variables that are set and that it may read.

        Args:
            environ: the environment.
            by_fields: whether a package derives their names from those of fields; see `reads_by_fields`.
        """
        named = environ.keys() & self.texts
        if by_fields:
            fields = {name.lower() for name in self.names | self.texts}
            prefixes = tuple(field for field in fields if field.endswith("_") and field.strip("_"))
            named |= {name for name in environ if name.lower() in fields or name.lower().startswith(prefixes)}
        return named - _OF_THE_MACHINE


def reads_by_fields(packages: Iterable[str]) -> bool:
    """Whether code that imports these packages may read variables without writing their names."""
    return not _READ_BY_FIELDS.isdisjoint(packages)


def _parts(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts(constant)


def _texts(constants: Iterable[object]) -> Iterator[str]:
    for constant in constants:
        if isinstance(constant, str):
            yield constant.replace(os.sep, "/")
        elif isinstance(constant, tuple | frozenset):
            yield from _texts(constant)
