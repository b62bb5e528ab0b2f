"""Routes that are asked by the clock, once in a cluster. For handlers: `cron_only` and `is_cron`."""

from millpond.cron.secret import cron_only, is_cron

__all__ = ["cron_only", "is_cron"]
