"""When a cron is due: a schedule in a time zone. cronsim parses it, with the rules of Debian's cron."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from millpond.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

_EXAMPLE = '"0 3 * * *", each night at three'


class Schedule:
    """The moments at which a cron is due, in seconds since the epoch.

    When clocks go forward, a skipped time of day is due at that moment; when they go back, a repeated one is due once.
    Schedules with `*` for minutes or hours follow elapsed time instead.

    Args:
        expression: five fields, or six with seconds first.
        timezone: the name of an IANA time zone.

    Raises:
        ConfigError: it can't be parsed, is never due, or the extra that parses it isn't installed.
    """

    def __init__(self, expression: str, timezone: str = "UTC") -> None:
        self.expression, self.timezone = expression, timezone
        self._zone = _zone(timezone)
        try:
            from cronsim import CronSim, CronSimError
        except ImportError:
            raise ConfigError("a [[cron]] needs an extra: pip install 'millpond[cron]'") from None
        self._simulate = CronSim
        try:
            next(self._from(datetime.now(self._zone)))
        except CronSimError as error:
            message = str(error).lower()
            raise ConfigError(
                f'the schedule "{expression}" can\'t be read: {message}; write one such as {_EXAMPLE}'
            ) from None
        except StopIteration:
            raise ConfigError(
                f'the schedule "{expression}" is never due; write one that is, such as {_EXAMPLE}'
            ) from None

    def after(self, moment: float) -> float:
        """The first due time after `moment`."""
        return next(self._from(datetime.fromtimestamp(moment, self._zone))).timestamp()

    def last(self, moment: float) -> float:
        """The last due time up to and including `moment`."""
        # cronsim works in whole seconds and excludes the start.
        beyond = datetime.fromtimestamp(int(moment), UTC) + timedelta(seconds=1)
        return next(self._from(beyond.astimezone(self._zone), reverse=True)).timestamp()

    def _from(self, start: datetime, *, reverse: bool = False) -> Iterator[datetime]:
        return self._simulate(self.expression, start, reverse=reverse)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name is that of a folder
        raise ConfigError(f'there is no time zone "{name}"; it is a name such as "Europe/Berlin"') from None
