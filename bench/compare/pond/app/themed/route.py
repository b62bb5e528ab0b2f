from body import BODY, HEADERS

from millpond import Response

cache_vary = {"accept-language": ["en", "de"], "cookie:theme": ["light", "dark"]}
dynamic = "force-static"


def GET() -> Response:
    return Response(BODY, headers=HEADERS, media_type="application/json")
