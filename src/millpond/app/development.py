"""What `millpond dev` wants of every application that its process makes, whichever module makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.config import Config
    from millpond.routes.broken_route import Explain

_adjust: Callable[[Config], Config] | None = None
_explain: Explain | None = None


def begin_development(adjust: Callable[[Config], Config], explain: Explain) -> None:
    """From now on, applications of this process cache no answers.

    Args:
        adjust: returns the configuration that an application has, given the project's.
        explain: makes the answer of a route whose file can't be loaded; the other routes are served.
    """
    global _adjust, _explain
    _adjust, _explain = adjust, explain


def explain() -> Explain | None:
    """What answers in place of a route whose file can't be loaded; None: such a file keeps everything from starting."""
    return _explain


def in_development() -> bool:
    """Whether this process is `millpond dev`'s."""
    return _adjust is not None


def adjusted(config: Config) -> Config:
    """The configuration for an application that is made now."""
    return config if _adjust is None else _adjust(config)
