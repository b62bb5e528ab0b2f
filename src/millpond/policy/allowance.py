"""What an answer can depend on besides its key and tags: the kinds, and what a route file declares as intended."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from millpond.errors import closest, one_of


class InputKind(StrEnum):
    """What was used."""

    ENV = "env"
    CLOCK = "clock"
    RANDOM = "randomness"
    FILE = "file"
    NETWORK = "network"
    PROCESS = "process"
    DATABASE = "database"
    WAIT = "a wait"
    THREAD = "thread"
    """Of the user's own."""


FREEZABLE = frozenset(InputKind) - {InputKind.WAIT, InputKind.THREAD}
"""Kinds that leave a value in the answer."""

_NAMED = (InputKind.ENV, InputKind.FILE)
"""Kinds of which single ones can be declared."""


def is_refreshed(kind: InputKind, revalidate: float | None) -> bool:
    """Whether an input of something that is stored is read again in time: whether its value isn't frozen.

    The environment always is frozen. Until its first render while serving an answer has the build's, and which
    machine that was nobody can see.

    Args:
        kind: the input's.
        revalidate: seconds after which what is stored goes stale; None: never.
    """
    return revalidate is not None and kind is not InputKind.ENV


class Allowance(NamedTuple):
    """One entry of `frozen_ok`."""

    kind: InputKind
    name: str | None
    """The one variable or file that is meant; None: all of the kind."""

    def covers(self, kind: InputKind, name: str) -> bool:
        """Whether an input is declared by it."""
        return kind is self.kind and self.name in (None, name)

    def __str__(self) -> str:
        return self.kind if self.name is None else f"{self.kind}:{self.name}"


class UnknownAllowance(ValueError):
    """An entry of `frozen_ok` that means nothing; `str(error)` says which, and what was probably meant."""

    def __init__(self, text: str, hint: str) -> None:
        super().__init__(f'"{text}" is none ({hint})')


def parse_allowance(text: str) -> Allowance:
    """What an entry of `frozen_ok` allows: "clock", "env", "env:APP_NAME", "file:data/rates.json".

    Raises:
        UnknownAllowance: it names no kind of input, or a single one of a kind that has no names.
    """
    word, colon, name = text.partition(":")
    kind = next((kind for kind in FREEZABLE if kind == word), None)
    if kind is None:
        raise UnknownAllowance(text, _meant(word, colon, name))
    if not colon:
        return Allowance(kind, None)
    if kind not in _NAMED:
        raise UnknownAllowance(text, f'write "{kind}"')
    if not name:
        raise UnknownAllowance(text, f'write "{kind}" for all of the kind')
    return Allowance(kind, name)


def _meant(word: str, colon: str, name: str) -> str:
    guess = closest(word.lower(), sorted(FREEZABLE))
    if guess is not None:
        return f'did you mean "{guess}{colon}{name}"?'
    return f"there are {one_of(kind for kind in InputKind if kind in FREEZABLE)}"
