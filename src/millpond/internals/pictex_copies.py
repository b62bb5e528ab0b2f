"""The copies that pictex makes of elements: of each, with all that is in it, when it is put into another one."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from millpond.internals.private_name import PrivateName, tell_unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COPY = PrivateName(
    "pictex.builders.container", "deepcopy", "builds with Python 3.11 observe how pictex copies elements", positional=1
)

NAMES = (COPY,)


@contextlib.contextmanager
def copied_within(around: Callable[[], contextlib.AbstractContextManager[None]]) -> Iterator[None]:
    """Within the block, enter what `around` makes around each copy, in projects that have imported pictex before."""
    if "pictex" not in sys.modules:
        yield
        return
    tell_unknown(NAMES)
    if not COPY.is_known:
        yield
        return
    container, copy = sys.modules[COPY.module], COPY.find()

    def copied(element: object, *memo: Any) -> Any:
        with around():
            return copy(element, *memo)

    setattr(container, COPY.name, copied)
    try:
        yield
    finally:
        setattr(container, COPY.name, copy)
