import os

from body import BODY, HEADERS

from millpond import Response, response_tags

revalidate = 86_400


def generate_static_params() -> list[dict[str, str]]:
    return [{"id": str(number)} for number in range(int(os.environ.get("BENCH_STALE", "0")))]


def GET(id: str) -> Response:  # noqa: A002 - the segment's name
    response_tags("ages")
    return Response(BODY, headers=HEADERS, media_type="application/json")
