"""What a fill tells of its data: to whoever uses the result, and to whoever gets an error, or none, in its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.lifetime import FOREVER, Lifetime, lower

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

OWN_ANSWER = "millpond.own_answer"
"""The key of an ASGI scope under which the OwnAnswer is found that hears of the answer."""

INVALIDATED = "millpond.invalidated"
"""The key of an ASGI scope with the tags that its request has invalidated, where caches in front are to hear of them
by its answer: a dict, as copies of a scope share that."""


class Told(NamedTuple):
    """What a fill says of the data that it uses, at its end or so far."""

    lifetime: Lifetime
    tags: tuple[str, ...]
    short_lived: bool = False
    client_stale: float | None = None
    """Seconds for which clients may keep what is made of it."""


def joined(several: Sequence[Told]) -> Told:
    """What several fills say together."""
    lifetime, tags, client_stale = FOREVER, dict[str, None](), None
    for each in several:
        lifetime, client_stale = lifetime.lowered(each.lifetime), lower(client_stale, each.client_stale)
        tags.update(dict.fromkeys(each.tags))
    return Told(lifetime, tuple(tags), any(each.short_lived for each in several), client_stale)


class FillFailure(Exception):
    """Carries the error of a fill together with what was told before.

    Whoever catches the error makes something else instead, of the same data: a 404 because a row is missing, a default
    because a service is down. Invalidating the data must reach that, too.
    """

    def __init__(self, error: BaseException, told: Told) -> None:
        super().__init__(str(error))
        self.error, self.told, self._traceback = error, told, error.__traceback__

    def unwrapped(self) -> BaseException:
        """The error, with the traceback that the fill gave it: each caller would make it longer for the next."""
        return self.error.with_traceback(self._traceback)


@dataclass(slots=True)
class OwnAnswer:
    """What this application's answer to a `fetch` of one of its paths tells of itself, at its end or so far."""

    wants_fresh: bool = False
    """Whether it must not be stale, as what is made of it will be stored (R4.21)."""
    lifetime: Lifetime = FOREVER
    tags: dict[str, None] = field(default_factory=dict)

    def learn(self, lifetime: Lifetime, tags: Iterable[str]) -> None:
        """The answer is made of data with this lifetime and these tags."""
        self.lifetime = self.lifetime.lowered(lifetime)
        self.tags.update(dict.fromkeys(tags))

    def told(self) -> Told:
        """What is known of it now."""
        return Told(self.lifetime, tuple(self.tags))
