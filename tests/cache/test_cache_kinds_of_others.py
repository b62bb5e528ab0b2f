"""Results of SQLModel, SQLAlchemy and numpy: as they were, or a sentence that says what to return."""

from __future__ import annotations

from typing import Any

import pytest

from millpond.cache.functions.definition import Definition
from millpond.errors import UsageError

pytest.importorskip("sqlmodel")
numpy: Any = pytest.importorskip("numpy")

HEROES = """
import sqlalchemy
from sqlmodel import Field, Relationship, Session, SQLModel, create_engine, select

class Team(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    heroes: list["Hero"] = Relationship(back_populates="team")

class Hero(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    team_id: int | None = Field(default=None, foreign_key="team.id")
    team: Team | None = Relationship(back_populates="heroes")

class HeroPublic(SQLModel):
    id: int
    name: str

engine = create_engine("sqlite://")
SQLModel.metadata.create_all(engine)
with Session(engine) as session:
    session.add(Hero(name="Deadpond", team=Team(name="Preventers")))
    session.commit()
with Session(engine) as session:
    hero = session.exec(select(Hero)).one()
with Session(engine) as session:
    member = session.exec(select(Hero)).one()
    member.team
with engine.connect() as connection:
    row = connection.execute(sqlalchemy.text("select id, name from hero")).one()
engine.dispose()
"""


@pytest.fixture(scope="module")
def heroes() -> Any:
    names: dict[str, Any] = {"__name__": __name__}
    exec(compile(HEROES, "heroes.py", "exec", dont_inherit=True), names)  # noqa: S102 - classes of a package that may be missing here
    return names


def definition(declared: Any) -> Definition:
    def result() -> None: ...

    result.__annotations__["return"] = declared
    return Definition.of(result, None, (), None, None)


def test_a_sqlmodel_comes_back_as_it_was(heroes: Any) -> None:
    hero, public = heroes["hero"], heroes["HeroPublic"]
    kind: Any = type(hero)
    shown = public.model_validate(hero.model_dump())
    for value, declared in [
        (hero, kind),
        ([hero], list.__class_getitem__(kind)),
        (shown, public),
        (shown, kind | public),
    ]:
        result = definition(declared)
        back = result.codec.decode(result.encode(value))
        assert (back == value, type(back), repr(back)) == (True, type(value), repr(value))


def test_a_relationship_that_would_be_lost_is_named(heroes: Any) -> None:
    with pytest.raises(UsageError, match="with the attribute team, which is no field of it and would be lost"):
        definition(heroes["Hero"]).encode(heroes["member"])


def test_rows_say_what_to_return(heroes: Any) -> None:
    row = heroes["row"]
    for value, message in [
        (row, r"\.engine\.row\.Row; use its \._asdict\(\), or tuple\(…\) of it"),
        ([row], r"\[0\] is of type sqlalchemy.engine.row.Row; use its"),
        (row._mapping, r"RowMapping; use dict\(…\) of it"),
    ]:
        for declared in (Any, list, tuple[int, str]):
            with pytest.raises(UsageError, match=message):
                definition(declared).encode(value)
    for plain in (row._asdict(), tuple(row), dict(row._mapping)):
        result = definition(Any)
        assert result.codec.decode(result.encode(plain)) == plain


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: numpy.int64(1), r"of type numpy.int64; use its \.item\(\)"),
        (lambda: [numpy.float64(1)], r"\[0\] is of type numpy.float64; use its \.item\(\)"),
        (lambda: {"a": numpy.bool_(1)}, r"\['a'\] is .*use its \.item\(\)"),
        (lambda: numpy.array([1]), r"use its \.tolist\(\)"),
    ],
)
def test_numbers_of_numpy_say_what_to_return(make: Any, message: str) -> None:
    for declared in (Any, int, list[float], dict[str, int]):
        with pytest.raises(UsageError, match=message):
            definition(declared).encode(make())
