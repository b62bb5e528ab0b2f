"""Inputs of an answer besides its key and tags: their kinds, and those that a route file declares as intended."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from millpond.messages import closest, one_of


class InputKind(StrEnum):
    """A kind of input."""

    ENV = "env"
    CLOCK = "clock"
    RANDOM = "randomness"
    FILE = "file"
    NETWORK = "network"
    PROCESS = "process"
    DATABASE = "database"
    WAIT = "a wait"
    THREAD = "thread"
    """A thread that user code starts."""


FREEZABLE = frozenset(InputKind) - {InputKind.WAIT, InputKind.THREAD}
"""Kinds of inputs whose value can end up in the answer."""

_NAMED = (InputKind.ENV, InputKind.FILE)
"""Kinds whose inputs can be declared one by one, by name."""


def is_refreshed(kind: InputKind, revalidate: float | None) -> bool:
    """Whether a stored result reads an input again after some time, so that the input isn't frozen.

    An environment variable always counts as frozen: until its first regeneration, an answer has the value of the
    machine that ran the build, and nothing shows which machine that was.

    Args:
        kind: the kind of the input.
        revalidate: seconds after which the stored result goes stale; None: never.
    """
    return revalidate is not None and kind is not InputKind.ENV


class Allowance(NamedTuple):
    """One entry of `frozen_ok`."""

    kind: InputKind
    name: str | None
    """The name of one variable or file; None: all inputs of the kind."""

    def covers(self, kind: InputKind, name: str) -> bool:
        """Whether this entry declares the input."""
        return kind is self.kind and self.name in (None, name)

    def __str__(self) -> str:
        return self.kind if self.name is None else f"{self.kind}:{self.name}"


class UnknownAllowance(ValueError):
    """An invalid entry of `frozen_ok`; `str(error)` names it and suggests a correction."""

    def __init__(self, text: str, hint: str) -> None:
        super().__init__(f'"{text}" is unknown ({hint})')


def parse_allowance(text: str) -> Allowance:
    """What an entry of `frozen_ok` allows: "clock", "env", "env:APP_NAME", "file:data/rates.json".

    Raises:
        UnknownAllowance: the entry names no kind of input, or gives a name for a kind whose inputs have none.
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
        raise UnknownAllowance(text, f'write "{kind}" for all inputs of that kind')
    return Allowance(kind, name)


def _meant(word: str, colon: str, name: str) -> str:
    guess = closest(word.lower(), sorted(FREEZABLE))
    if guess is not None:
        return f'did you mean "{guess}{colon}{name}"?'
    return f"there are {one_of(kind for kind in InputKind if kind in FREEZABLE)}"
