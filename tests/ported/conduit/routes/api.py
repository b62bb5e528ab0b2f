"""All endpoints. Those of members come first: they decline requests without credentials."""

from fastapi import APIRouter

from ported.conduit.routes import articles, comments, profiles, tags, users

router = APIRouter()
router.include_router(users.router)
router.include_router(articles.feeds)  # before the members' /articles/{slug}
for module in (profiles, articles, comments):
    router.include_router(module.members)
    router.include_router(module.router)
router.include_router(tags.router)
