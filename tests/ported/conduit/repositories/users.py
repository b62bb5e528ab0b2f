"""Users, and who follows whom."""

from dataclasses import dataclass

from ported.conduit.errors import MissingEntityError
from ported.conduit.models import Profile
from ported.conduit.repositories.base import Repository
from ported.conduit.security import hash_password


@dataclass(frozen=True, slots=True)
class User:
    id: int
    username: str
    email: str
    password: str
    bio: str
    image: str | None


class UsersRepository(Repository):
    async def by_id(self, user_id: int) -> User | None:
        row = await self.one("SELECT * FROM users WHERE id = ?", [user_id])
        return None if row is None else User(**dict(row))

    async def by_email(self, email: str) -> User | None:
        row = await self.one("SELECT * FROM users WHERE email = ?", [email])
        return None if row is None else User(**dict(row))

    async def by_name(self, username: str) -> User:
        row = await self.one("SELECT * FROM users WHERE username = ?", [username])
        if row is None:
            raise MissingEntityError(f"user {username}")
        return User(**dict(row))

    async def taken(self, column: str, value: str) -> bool:
        assert column in {"username", "email"}
        return await self.one(f"SELECT 1 FROM users WHERE {column} = ?", [value]) is not None  # noqa: S608 - of two

    async def create(self, username: str, email: str, password: str) -> User:
        statement = "INSERT INTO users (username, email, password) VALUES (?, ?, ?)"
        user = await self.by_id(await self.write(statement, [username, email, hash_password(password)]))
        assert user is not None
        return user

    async def change(self, user: User, changes: dict[str, str | None]) -> User:
        if changes.get("password"):
            changes = {**changes, "password": hash_password(changes["password"] or "")}
        for column in changes.keys() & {"username", "email", "password", "bio", "image"}:
            await self.write(f"UPDATE users SET {column} = ? WHERE id = ?", [changes[column], user.id])  # noqa: S608
        changed = await self.by_id(user.id)
        assert changed is not None
        return changed

    async def profile(self, username: str, viewer: User | None) -> Profile:
        user = await self.by_name(username)
        following = viewer is not None and await self.follows(viewer, user)
        return Profile(username=user.username, bio=user.bio, image=user.image, following=following)

    async def follows(self, follower: User, followed: User) -> bool:
        statement = "SELECT 1 FROM follows WHERE follower = ? AND followed = ?"
        return await self.one(statement, [follower.id, followed.id]) is not None

    async def follow(self, follower: User, followed: User) -> None:
        await self.write("INSERT OR IGNORE INTO follows VALUES (?, ?)", [follower.id, followed.id])

    async def unfollow(self, follower: User, followed: User) -> None:
        await self.write("DELETE FROM follows WHERE follower = ? AND followed = ?", [follower.id, followed.id])
