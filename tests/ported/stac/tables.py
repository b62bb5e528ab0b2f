"""Collections and items, and what a commit tells the cache."""

from collections.abc import Iterator
from typing import Any

from fastapi import Request
from sqlalchemy import JSON, Engine, Float, ForeignKey, String, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from millpond import revalidate_tag


class Base(DeclarativeBase):
    pass


class CollectionRow(Base):
    __tablename__ = "collections"
    id: Mapped[str] = mapped_column(String, primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)


class ItemRow(Base):
    __tablename__ = "items"
    id: Mapped[str] = mapped_column(String, primary_key=True)
    collection: Mapped[str] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True)
    datetime: Mapped[str] = mapped_column(String, index=True)
    west: Mapped[float] = mapped_column(Float)
    south: Mapped[float] = mapped_column(Float)
    east: Mapped[float] = mapped_column(Float)
    north: Mapped[float] = mapped_column(Float)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)


class CatalogSession(Session):
    """A session whose commit renders again what showed the changed rows, and whose rollback doesn't."""


def changed(session: Session, *tags: str) -> None:
    session.info.setdefault("changed", []).extend(tags)


@event.listens_for(CatalogSession, "after_commit")
def tell(session: Session) -> None:
    for tag in session.info.pop("changed", ()):
        revalidate_tag(tag)


@event.listens_for(CatalogSession, "after_rollback")
def forget(session: Session) -> None:
    session.info.pop("changed", None)


def session_maker(engine: Engine) -> sessionmaker[CatalogSession]:
    return sessionmaker(engine, class_=CatalogSession, expire_on_commit=False)


def get_session(request: Request) -> Iterator[Session]:
    """A transaction for each request, committed when the endpoint has returned, before the answer is sent."""
    with request.app.state.sessions() as session:
        yield session
        session.commit()


def ids_of_collections(session: Session) -> list[str]:
    return list(session.scalars(select(CollectionRow.id).order_by(CollectionRow.id)))
