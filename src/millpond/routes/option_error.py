"""What is raised at the line of a decorator whose options are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.errors import UsageError

if TYPE_CHECKING:
    from millpond.errors import Place


class OptionError(UsageError):
    """An option that doesn't exist, or with a value that it doesn't take. The attributes hold the parts."""

    def __init__(self, place: Place, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.problem = problem
