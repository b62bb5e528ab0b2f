"""Tags that users give: those that can be used, and a warning for each other one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.policy.tags import checked_tags

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable


def usable_tags(tags: Iterable[object], where: Callable[[], str], log: logging.Logger) -> tuple[str, ...]:
    """The tags that can be used, each once.

    Args:
        tags: as they were given.
        where: what a warning begins with; called when there is something to warn of.
        log: where warnings go.
    """
    good, problems = checked_tags(tags)
    for problem in problems:
        log.warning("%s: %s", where(), problem)
    return tuple(good)
