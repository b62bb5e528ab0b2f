"""Short links for print: static redirects. Only the listed ones exist; any other campaign is a 404."""

from millpond import redirect

dynamic = "force-static"
dynamic_params = False

TARGETS = {"autumn": "/api/products/oak-chair", "desk-week": "/api/products/pine-desk"}


def generate_static_params() -> list[dict[str, str]]:
    return [{"campaign": campaign} for campaign in TARGETS]


def GET(campaign: str) -> None:
    redirect(TARGETS[campaign])
