"""Comments of articles."""

from datetime import UTC, datetime

from ported.conduit.errors import MissingEntityError
from ported.conduit.models import Comment, Profile
from ported.conduit.repositories.base import Repository
from ported.conduit.repositories.users import User

SELECT = """
SELECT c.id, c.body, c.created_at, u.username, u.bio, u.image,
    EXISTS (SELECT 1 FROM follows WHERE follower = ? AND followed = c.author) AS following
FROM comments c JOIN users u ON u.id = c.author JOIN articles a ON a.id = c.article
"""


class CommentsRepository(Repository):
    async def of(self, slug: str, viewer: User | None) -> list[Comment]:
        rows = await self.all(f"{SELECT} WHERE a.slug = ? ORDER BY c.id", [viewer and viewer.id, slug])
        return [
            Comment(
                id=row["id"],
                body=row["body"],
                created_at=row["created_at"],
                updated_at=row["created_at"],
                author=Profile(
                    username=row["username"], bio=row["bio"], image=row["image"], following=row["following"]
                ),
            )
            for row in rows
        ]

    async def create(self, slug: str, author: User, body: str) -> Comment:
        statement = (
            "INSERT INTO comments (article, author, body, created_at)"
            " VALUES ((SELECT id FROM articles WHERE slug = ?), ?, ?, ?)"
        )
        comment = await self.write(statement, [slug, author.id, body, datetime.now(UTC).isoformat()])
        return next(each for each in await self.of(slug, author) if each.id == comment)

    async def author_of(self, slug: str, comment: int) -> int:
        statement = "SELECT c.author FROM comments c JOIN articles a ON a.id = c.article WHERE a.slug = ? AND c.id = ?"
        row = await self.one(statement, [slug, comment])
        if row is None:
            raise MissingEntityError(f"comment {comment}")
        return int(row[0])

    async def delete(self, comment: int) -> None:
        await self.write("DELETE FROM comments WHERE id = ?", [comment])
