from body import BODY, HEADERS

from millpond import Response

cache_host = True
dynamic = "force-static"


def GET() -> Response:
    return Response(BODY, headers=HEADERS, media_type="application/json")
