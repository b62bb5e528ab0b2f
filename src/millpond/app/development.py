"""What `millpond dev` wants of every application that its process makes, whichever module makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.config import Config

_adjust: Callable[[Config], Config] | None = None


def begin_development(adjust: Callable[[Config], Config]) -> None:
    """From now on, applications of this process cache no answers, and have the configuration that `adjust` returns."""
    global _adjust
    _adjust = adjust


def in_development() -> bool:
    """Whether this process is `millpond dev`'s."""
    return _adjust is not None


def adjusted(config: Config) -> Config:
    """The configuration for an application that is made now."""
    return config if _adjust is None else _adjust(config)
