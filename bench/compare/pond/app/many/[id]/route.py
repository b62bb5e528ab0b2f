import os

from body import BODY, HEADERS

from millpond import Response

revalidate = 86_400


def generate_static_params() -> list[dict[str, str]]:
    return [{"id": str(number)} for number in range(int(os.environ.get("BENCH_MANY", "0")))]


def GET(id: str) -> Response:  # noqa: A002 - the segment's name
    return Response(BODY, headers=HEADERS, media_type="application/json")
