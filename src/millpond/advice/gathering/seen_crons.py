"""Crons, and why they don't run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from millpond.advice.observation import SeenCron
from millpond.config.schedule import Schedule
from millpond.cron.record import key_of, record_in
from millpond.prerender.review.refused_crons import refused_crons

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from millpond.advice.gathering.quoted_lines import SourceLines
    from millpond.config import CronConfig
    from millpond.policy.entry import Entry
    from millpond.prerender.plan import Plan
    from millpond.telemetry.minutes import Minute

_LATE, _FAR = 120.0, 366 * 86_400.0
"""Seconds after which a run that was due is missing, and until the next one from which it never comes."""


def seen_crons(
    crons: Sequence[CronConfig],
    plans: Sequence[Plan],
    records: Mapping[str, Entry] | None,
    minutes: Sequence[Minute],
    lines: SourceLines,
    now: float,
) -> Iterator[SeenCron]:
    """Each cron.

    Args:
        crons: as they are configured.
        plans: of the routes.
        records: entries with what is remembered of crons, by their keys; None: nobody can tell.
        minutes: in which a server of this host has counted.
        lines: the configuration.
        now: seconds since the epoch.
    """
    for cron in crons:
        place = lines.table("[[cron]]", f'"{cron.path}"')
        refused = next(refused_crons([cron], plans), None)
        problem = "" if refused is None else refused.message.strip()
        if not problem:
            problem = _missing(cron, records, minutes, now)
        route = next((plan.route.pattern for plan in plans if plan.route.pattern == cron.path), "")
        yield SeenCron(cron.path, cron.schedule, place, route, problem)


def _missing(cron: CronConfig, records: Mapping[str, Entry] | None, minutes: Sequence[Minute], now: float) -> str:
    """Why it hasn't run, or won't; "" where nothing is wrong."""
    schedule = Schedule(cron.schedule, cron.timezone)
    following = schedule.after(now)
    if following - now > _FAR:
        return f"that is next on {_day(following)}: no server runs so long. Check the schedule."
    due = schedule.last(now - _LATE)
    was_serving = any(minute.at < due for minute in minutes) and any(minute.at > due + _LATE for minute in minutes)
    if records is None or not was_serving:
        return ""
    if record_in(records.get(key_of(cron))).claimed >= due:
        return ""
    return (
        f"{_day(due)} has passed without a run, while a server of this host was answering. Only `millpond start` runs "
        "crons: start the server with it, or have a scheduler call `millpond cron run`."
    )


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
