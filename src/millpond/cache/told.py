"""What a run of a cached function tells about its data; and its failure, on the way to everybody who waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from millpond.policy.lifetime import Lifetime


class Told(NamedTuple):
    """What a run says of the data that it uses, at its end or so far."""

    lifetime: Lifetime
    tags: tuple[str, ...]
    short_lived: bool


class FunctionFailure(Exception):
    """Carries the error of a function together with what the function had told before.

    Whoever catches the error makes something else instead, of the same data: a 404 because a row is missing, a default
    because a service is down. Invalidating the data must reach that, too.
    """

    def __init__(self, error: BaseException, told: Told) -> None:
        super().__init__(str(error))
        self.error, self.told, self._traceback = error, told, error.__traceback__

    def unwrapped(self) -> BaseException:
        """The error, with the traceback that the function gave it: each caller would make it longer for the next."""
        return self.error.with_traceback(self._traceback)
