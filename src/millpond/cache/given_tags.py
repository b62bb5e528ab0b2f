"""Tags that users pass: validate them, and warn about invalid ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.policy.tags import checked_tags

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable


def usable_tags(tags: Iterable[object], where: Callable[[], str], log: logging.Logger) -> tuple[str, ...]:
    """The valid tags, without duplicates.

    Args:
        tags: the tags as the user passed them.
        where: returns the beginning of a warning; only called for invalid tags.
        log: the logger for warnings.
    """
    good, problems = checked_tags(tags)
    for problem in problems:
        log.warning("%s: %s: left out", where(), problem)
    return tuple(good)
