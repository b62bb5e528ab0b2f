"""Articles, their tags, and who likes them."""

import re
from datetime import UTC, datetime

import aiosqlite

from ported.conduit.errors import MissingEntityError
from ported.conduit.models import Article, NewArticle, Profile
from ported.conduit.repositories.base import Repository
from ported.conduit.repositories.users import User

SELECT = """
SELECT a.*, u.username, u.bio, u.image,
    (SELECT count(*) FROM favorites WHERE article = a.id) AS favorites_count,
    EXISTS (SELECT 1 FROM favorites WHERE article = a.id AND user = :viewer) AS favorited,
    EXISTS (SELECT 1 FROM follows WHERE follower = :viewer AND followed = a.author) AS following,
    (SELECT group_concat(tag, char(10)) FROM (SELECT tag FROM article_tags WHERE article = a.id ORDER BY tag)) AS tags
FROM articles a JOIN users u ON u.id = a.author
"""
CHOSEN = """
WHERE (:tag IS NULL OR EXISTS (SELECT 1 FROM article_tags WHERE article = a.id AND tag = :tag))
AND (:author IS NULL OR u.username = :author)
AND (:favorited IS NULL OR EXISTS (
    SELECT 1 FROM favorites f JOIN users fan ON fan.id = f.user WHERE f.article = a.id AND fan.username = :favorited))
AND (:feed IS NULL OR EXISTS (SELECT 1 FROM follows WHERE follower = :feed AND followed = a.author))
"""


def slug_of(title: str) -> str:
    return re.sub(r"[^\w]+", "-", title.lower()).strip("-")


class ArticlesRepository(Repository):
    async def get(self, slug: str, viewer: User | None) -> Article:
        values = {"slug": slug, "viewer": viewer and viewer.id}
        async with self._connection.execute(f"{SELECT} WHERE a.slug = :slug", values) as cursor:
            row = await cursor.fetchone()
        if row is None:
            raise MissingEntityError(f"article {slug}")
        return article_of(row)

    async def find(
        self,
        viewer: User | None,
        *,
        tag: str | None = None,
        author: str | None = None,
        favorited: str | None = None,
        feed: bool = False,
        limit: int,
        offset: int,
    ) -> tuple[list[Article], int]:
        values = {
            "viewer": viewer and viewer.id,
            "tag": tag,
            "author": author,
            "favorited": favorited,
            "feed": viewer.id if viewer and feed else None,
            "limit": limit,
            "offset": offset,
        }
        page = f"{SELECT} {CHOSEN} ORDER BY a.created_at DESC, a.id DESC LIMIT :limit OFFSET :offset"
        async with self._connection.execute(page, values) as cursor:
            articles = [article_of(row) for row in await cursor.fetchall()]
        count = f"SELECT count(*) FROM articles a JOIN users u ON u.id = a.author {CHOSEN}"  # noqa: S608 - constants
        async with self._connection.execute(count, values) as cursor:
            counted = await cursor.fetchone()
        assert counted is not None
        return articles, counted[0]

    async def exists(self, slug: str) -> bool:
        return await self.one("SELECT 1 FROM articles WHERE slug = ?", [slug]) is not None

    async def author_of(self, slug: str) -> int:
        row = await self.one("SELECT author FROM articles WHERE slug = ?", [slug])
        if row is None:
            raise MissingEntityError(f"article {slug}")
        return int(row[0])

    async def create(self, author: User, new: NewArticle) -> str:
        slug, now = slug_of(new.title), datetime.now(UTC).isoformat()
        statement = (
            "INSERT INTO articles (slug, title, description, body, author, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        values = [slug, new.title, new.description, new.body, author.id, now, now]
        article = await self.write(statement, values)
        for tag in new.tag_list:
            await self.write("INSERT OR IGNORE INTO article_tags VALUES (?, ?)", [article, tag])
        return slug

    async def change(self, slug: str, changes: dict[str, str]) -> str:
        """Change an article; its new slug, as that follows the title."""
        new_slug = slug_of(changes["title"]) if "title" in changes else slug
        columns = {**changes, "slug": new_slug, "updated_at": datetime.now(UTC).isoformat()}
        for column in columns.keys() & {"title", "description", "body", "updated_at"}:
            await self.write(f"UPDATE articles SET {column} = ? WHERE slug = ?", [columns[column], slug])  # noqa: S608
        await self.write("UPDATE articles SET slug = ? WHERE slug = ?", [new_slug, slug])
        return new_slug

    async def delete(self, slug: str) -> None:
        await self.write("DELETE FROM articles WHERE slug = ?", [slug])

    async def favor(self, slug: str, user: User) -> None:
        statement = "INSERT OR IGNORE INTO favorites SELECT ?, id FROM articles WHERE slug = ?"
        await self.write(statement, [user.id, slug])

    async def disfavor(self, slug: str, user: User) -> None:
        statement = "DELETE FROM favorites WHERE user = ? AND article = (SELECT id FROM articles WHERE slug = ?)"
        await self.write(statement, [user.id, slug])

    async def tags(self) -> list[str]:
        return [row[0] for row in await self.all("SELECT DISTINCT tag FROM article_tags ORDER BY tag")]


def article_of(row: aiosqlite.Row) -> Article:
    author = Profile(username=row["username"], bio=row["bio"], image=row["image"], following=row["following"])
    return Article(
        slug=row["slug"],
        title=row["title"],
        description=row["description"],
        body=row["body"],
        tag_list=row["tags"].split("\n") if row["tags"] else [],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        favorited=row["favorited"],
        favorites_count=row["favorites_count"],
        author=author,
    )
