"""How often something may happen in a minute."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millpond.policy.freshness import Clock


@dataclass(slots=True)
class TokenBucket:
    """A token bucket that holds the tokens of one minute."""

    per_minute: int
    clock: Clock
    _tokens: float = field(init=False)
    _since: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens, self._since = float(self.per_minute), self.clock()

    def take(self) -> float:
        """Take a token; returns 0, or the seconds until there is one."""
        now = self.clock()
        passed, self._since = max(0.0, now - self._since), now
        self._tokens = min(self.per_minute, self._tokens + passed * self.per_minute / 60)
        if self._tokens < 1:
            return (1 - self._tokens) * 60 / self.per_minute
        self._tokens -= 1
        return 0
