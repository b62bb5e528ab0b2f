"""What somebody can do on the dashboard: refresh, invalidate, purge, run a cron."""
