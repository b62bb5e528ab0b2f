"""What is sent and received: JSON in camel case, each thing in an envelope of its name."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

Text = Annotated[str, StringConstraints(min_length=1)]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)


class Profile(Camel):
    username: str
    bio: str = ""
    image: str | None = None
    following: bool = False


class Account(Camel):
    email: str
    token: str
    username: str
    bio: str
    image: str | None


class Article(Camel):
    slug: str
    title: str
    description: str
    body: str
    tag_list: list[str]
    created_at: datetime
    updated_at: datetime
    favorited: bool
    favorites_count: int
    author: Profile


class Comment(Camel):
    id: int
    created_at: datetime
    updated_at: datetime
    body: str
    author: Profile


class Registration(Camel):
    username: Text
    email: Email
    password: Text


class Login(Camel):
    email: Email
    password: Text


class AccountChange(Camel):
    username: Text | None = None
    email: Email | None = None
    password: Text | None = None
    bio: str | None = None
    image: str | None = None


class NewArticle(Camel):
    title: Text
    description: Text
    body: Text
    tag_list: list[str] = Field(default_factory=list)


class ArticleChange(Camel):
    title: Text | None = None
    description: Text | None = None
    body: Text | None = None


class NewComment(Camel):
    body: Text


class AccountInResponse(Camel):
    user: Account


class ProfileInResponse(Camel):
    profile: Profile


class ArticleInResponse(Camel):
    article: Article


class ArticlesInResponse(Camel):
    articles: list[Article]
    articles_count: int


class CommentInResponse(Camel):
    comment: Comment


class CommentsInResponse(Camel):
    comments: list[Comment]


class TagsInResponse(Camel):
    tags: list[str]
