"""`[[cron]]`: routes that are called on a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from millpond.config.ranges import not_a_prefix, not_positive
from millpond.config.values.quantities import Seconds
from millpond.errors import MillpondError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SECONDS = 24 * 3600
"""The largest `timeout`."""


class CronConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One route, and the schedule on which its GET is run."""

    path: str
    """The path of the route, without `base_path`."""
    schedule: str
    """Five fields as in crontab(5), or six with seconds first."""
    timezone: str = "UTC"
    """The name of an IANA time zone; the schedule is in its local time."""
    timeout: Seconds = 300.0
    """Seconds after which a run counts as failed, and is cancelled."""
    catch_up: bool = False
    """Whether one run makes up for those that were missed during a downtime, or during a run that took too long."""

    def problems(self) -> Iterator[str]:
        """What is wrong with the values."""
        if self.path != "/":
            yield from not_a_prefix("cron.path", self.path, "/api/cron/sync")
        yield from not_positive({"cron.timeout": self.timeout})
        if self.timeout > MAX_SECONDS:
            yield f'"cron.timeout" is {self.timeout:g}; at most {MAX_SECONDS} seconds are possible.'
        # Imported late: it needs an extra that only users of crons install.
        from millpond.config.schedule import Schedule

        try:
            Schedule(self.schedule, self.timezone)
        except MillpondError as error:
            yield f"the cron of {self.path}: {error}"
