"""Reviews: fresh, and refreshed softly. After a POST the old answer is `STALE` once, then the new one is there.

Both handlers are sync: `@cached` and `revalidate_tag` work in threads, too.
"""

from millpond import JSONResponse

from shop.reviews import NewReview, Shown, add_review, latest_reviews

revalidate = 86_400


def GET(slug: str) -> list[Shown]:
    return latest_reviews(slug)


def POST(slug: str, review: NewReview) -> JSONResponse:
    if not add_review(slug, review):
        return JSONResponse({"detail": f"There is no product {slug}."}, status_code=422)
    return JSONResponse({"detail": "Thank you."}, status_code=201)
