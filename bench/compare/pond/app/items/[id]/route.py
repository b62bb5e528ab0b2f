from body import BODY, HEADERS

from millpond import Response

revalidate = 600


def generate_static_params() -> list[dict[str, str]]:
    return []


def GET(id: str) -> Response:  # noqa: A002 - the segment's name
    return Response(BODY, headers=HEADERS, media_type="application/json")
