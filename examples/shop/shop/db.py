"""The database: a SQLite file, made and filled on first use, so that the shop runs without any set-up."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from shop.catalog import first_stock
from shop.models import Base, Category

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

_engines: dict[Path, Engine] = {}
_opening = Lock()  # sync handlers run in threads, and a build renders several paths at once


def database_file() -> Path:
    """SHOP_DATABASE, or shop.db in the shop's folder."""
    return Path(os.environ.get("SHOP_DATABASE") or Path(__file__).parent.parent / "shop.db")


def open_session() -> Session:
    """A session on the shop's database; use it in a `with`."""
    return Session(_engine(database_file()))


def session() -> Iterator[Session]:
    """The same as a FastAPI dependency: `Annotated[Session, Depends(session)]`."""
    with open_session() as opened:
        yield opened


def close_database() -> None:
    """Close what is open of it; the next session opens it again."""
    with _opening:
        for engine in _engines.values():
            engine.dispose()
        _engines.clear()


def _engine(file: Path) -> Engine:
    with _opening:
        if file not in _engines:
            engine = create_engine(f"sqlite:///{file}")
            Base.metadata.create_all(engine)
            _fill(engine)
            _engines[file] = engine
        return _engines[file]


def _fill(engine: Engine) -> None:
    with Session(engine) as opened, opened.begin():
        if opened.scalar(select(Category).limit(1)) is None:
            opened.add_all(first_stock())
