"""Articles: lists of them, one, and what its author and its readers do with it."""

from typing import Annotated

from fastapi import APIRouter, Body, HTTPException, Response

from millpond import response_tags, revalidate_tag, static
from ported.conduit.audience import MembersRoute
from ported.conduit.dependencies import Articles, CurrentUser, Limit, Offset, OwnArticle, Slug
from ported.conduit.models import Article, ArticleChange, ArticleInResponse, ArticlesInResponse, NewArticle
from ported.conduit.repositories.articles import slug_of

router = APIRouter(prefix="/articles", tags=["articles"])
feeds = APIRouter(prefix="/articles", tags=["articles"])
members = APIRouter(prefix="/articles", route_class=MembersRoute, include_in_schema=False)
PAGE = 20


def say_what_of(*articles: Article) -> None:
    """Tags of an answer that shows these articles, and their authors."""
    response_tags(*(f"article:{each.slug}" for each in articles))
    response_tags(*(f"profile:{each.author.username}" for each in articles))


def changed(*slugs: str) -> None:
    for tag in ("articles", "tags", *(f"article:{slug}" for slug in slugs)):
        revalidate_tag(tag)


def page(found: tuple[list[Article], int]) -> ArticlesInResponse:
    return ArticlesInResponse(articles=found[0], articles_count=found[1])


@feeds.get("/feed")
async def feed(articles: Articles, user: CurrentUser, limit: Limit = PAGE, offset: Offset = 0) -> ArticlesInResponse:
    return page(await articles.find(user, feed=True, limit=limit, offset=offset))


@members.get("")
async def list_for_member(
    articles: Articles,
    user: CurrentUser,
    tag: str | None = None,
    author: str | None = None,
    favorited: str | None = None,
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ArticlesInResponse:
    chosen = await articles.find(user, tag=tag, author=author, favorited=favorited, limit=limit, offset=offset)
    return page(chosen)


@router.get("")
@static(revalidate=60, tags=["articles"], cache_query=("tag", "author", "favorited", "limit", "offset"))
async def list_articles(
    articles: Articles,
    tag: str | None = None,
    author: str | None = None,
    favorited: str | None = None,
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ArticlesInResponse:
    chosen = await articles.find(None, tag=tag, author=author, favorited=favorited, limit=limit, offset=offset)
    say_what_of(*chosen[0])
    return page(chosen)


@members.get("/{slug}")
async def article_for_member(slug: Slug, articles: Articles, user: CurrentUser) -> ArticleInResponse:
    return ArticleInResponse(article=await articles.get(slug, user))


@router.get("/{slug}", name="articles:get")
@static(revalidate=3600)
async def get_article(slug: Slug, articles: Articles) -> ArticleInResponse:
    response_tags(f"article:{slug}")
    article = await articles.get(slug, None)
    say_what_of(article)
    return ArticleInResponse(article=article)


@router.post("", status_code=201)
async def create(
    article: Annotated[NewArticle, Body(embed=True)], articles: Articles, user: CurrentUser, response: Response
) -> ArticleInResponse:
    if await articles.exists(slug_of(article.title)):
        raise HTTPException(422, "an article with this title already exists")
    slug = await articles.create(user, article)
    changed(slug)
    response.headers["location"] = router.url_path_for("articles:get", slug=slug)
    return ArticleInResponse(article=await articles.get(slug, user))


@router.put("/{slug}")
async def change(
    own: OwnArticle, article: Annotated[ArticleChange, Body(embed=True)], articles: Articles, user: CurrentUser
) -> ArticleInResponse:
    slug = await articles.change(own.slug, article.model_dump(exclude_none=True))
    changed(own.slug, slug)
    return ArticleInResponse(article=await articles.get(slug, user))


@router.delete("/{slug}", status_code=204)
async def delete(own: OwnArticle, articles: Articles) -> None:
    await articles.delete(own.slug)
    changed(own.slug)


@router.post("/{slug}/favorite")
async def favor(slug: Slug, articles: Articles, user: CurrentUser) -> ArticleInResponse:
    await articles.favor(slug, user)
    changed(slug)
    return ArticleInResponse(article=await articles.get(slug, user))


@router.delete("/{slug}/favorite")
async def disfavor(slug: Slug, articles: Articles, user: CurrentUser) -> ArticleInResponse:
    await articles.disfavor(slug, user)
    changed(slug)
    return ArticleInResponse(article=await articles.get(slug, user))
