"""What endpoints ask for: repositories on a connection of the pool, and the user, required or optional."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, TypeVar

import aiosqlite
from fastapi import Depends, HTTPException, Path, Query, Request
from fastapi.security import APIKeyHeader

from ported.conduit.database import Pool
from ported.conduit.models import Article
from ported.conduit.repositories.articles import ArticlesRepository
from ported.conduit.repositories.base import Repository
from ported.conduit.repositories.comments import CommentsRepository
from ported.conduit.repositories.users import User, UsersRepository
from ported.conduit.security import InvalidTokenError, read_token
from ported.conduit.settings import Settings

SCHEME = "token "
credentials = APIKeyHeader(name="Authorization", scheme_name="Token", auto_error=False)
AnyRepository = TypeVar("AnyRepository", bound=Repository)


def get_settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def get_pool(request: Request) -> Pool:
    pool: Pool = request.app.state.pool
    return pool


async def get_connection(pool: Annotated[Pool, Depends(get_pool)]) -> AsyncIterator[aiosqlite.Connection]:
    """One for the whole request: if one took a second while all are taken, all could wait for each other."""
    async with pool.acquire() as connection:
        yield connection


# A connection goes back before the answer is sent, as a client may ask again at once.
Connection = Annotated[aiosqlite.Connection, Depends(get_connection, scope="function")]


def get_repository(kind: type[AnyRepository]) -> Callable[..., AnyRepository]:
    def made(connection: Connection) -> AnyRepository:
        return kind(connection)

    return made


Users = Annotated[UsersRepository, Depends(get_repository(UsersRepository))]
Articles = Annotated[ArticlesRepository, Depends(get_repository(ArticlesRepository))]
Comments = Annotated[CommentsRepository, Depends(get_repository(CommentsRepository))]


async def optional_user(
    header: Annotated[str | None, Depends(credentials)],
    settings: Annotated[Settings, Depends(get_settings)],
    users: Users,
) -> User | None:
    if not header:
        return None
    if not header.lower().startswith(SCHEME):
        raise HTTPException(403, "unsupported authorization type")
    try:
        user_id = read_token(header[len(SCHEME) :], settings.secret)
    except InvalidTokenError as error:
        raise HTTPException(403, "could not validate credentials") from error
    user = await users.by_id(user_id)
    if user is None:
        raise HTTPException(403, "could not validate credentials")
    return user


OptionalUser = Annotated[User | None, Depends(optional_user)]


async def required_user(user: OptionalUser) -> User:
    if user is None:
        raise HTTPException(401, "authentication required")
    return user


CurrentUser = Annotated[User, Depends(required_user)]
Slug = Annotated[str, Path(min_length=1)]
Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0)]


async def own_article(slug: Slug, user: CurrentUser, articles: Articles) -> Article:
    """The article of the path, which only its author may change."""
    article = await articles.get(slug, user)
    if article.author.username != user.username:
        raise HTTPException(403, "you are not the author of this article")
    return article


OwnArticle = Annotated[Article, Depends(own_article)]
