"""/time is fresh: static, and rendered again in the background when the answer is older than a minute."""

from datetime import UTC, datetime

revalidate = 60


def GET() -> dict[str, str]:
    return {"rendered": datetime.now(UTC).isoformat(timespec="seconds")}
