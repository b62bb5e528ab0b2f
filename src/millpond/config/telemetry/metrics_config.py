"""`[metrics]`: counters, and where they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from millpond.config.ranges import not_a_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator


class MetricsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[metrics]`: counters, and where they are read."""

    counters: bool = True
    """Whether anything is counted."""
    folder: str = ".millpond/metrics"
    """Where the processes of a host add up what they count, relative to the project; on a local disk."""
    path: str | None = None
    """The path of the metrics for Prometheus, such as "/metrics"; None: they aren't served."""
    secret_env: str | None = None
    """The environment variable with the secret that Prometheus sends as `Authorization: Bearer …`; None: anybody who
    reaches the path may read them."""

    @property
    def notes(self) -> list[str]:
        """What is said when a server starts."""
        if self.path is None or self.secret_env is not None:
            return []
        return [f'anybody who reaches {self.path} can read the metrics; [metrics] secret_env = "…" guards them.']

    def problems(self) -> Iterator[str]:
        """What is wrong with the values."""
        if not self.folder.strip() or "\0" in self.folder:
            yield '"metrics.folder" is empty; it must be a folder, such as ".millpond/metrics".'
        if self.path is not None:
            yield from not_a_prefix("metrics.path", self.path, "/metrics")
            if not self.counters:
                yield '"metrics.path" is where counters are read, and "metrics.counters" turns them off.'
        elif self.secret_env is not None:
            yield '"metrics.secret_env" guards "metrics.path", which is missing; add path = "/metrics".'
