"""Sorting tables by links: `?sort=key` and `?sort=-key`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Sorting(NamedTuple):
    """By what a table is sorted."""

    key: str
    descends: bool
    query: Mapping[str, str]
    """What else the URL says, which links keep."""

    @classmethod
    def of(cls, query: Mapping[str, str], keys: Sequence[str], usual: str, kept: Sequence[str] = ()) -> Sorting:
        """The sorting that a URL asks for; the usual one, if there is no such key.

        Args:
            query: of the URL.
            keys: by which the table can be sorted.
            usual: as the URL says it.
            kept: the names of parameters that links keep.
        """
        given = query.get("sort", usual)
        if given.removeprefix("-") not in keys:
            given = usual
        return cls(
            given.removeprefix("-"), given.startswith("-"), {name: query[name] for name in kept if query.get(name)}
        )

    def link(self, key: str) -> str:
        """The query that sorts by a key: the other way round, if it is the one already."""
        sign = "" if key == self.key and self.descends else "-"
        return self.with_query(sort=f"{sign}{key}")

    def with_query(self, **given: str) -> str:
        """A query with other values; "" leaves one out."""
        values = {"sort": f"{'-' if self.descends else ''}{self.key}", **self.query, **given}
        return "?" + urlencode({name: value for name, value in values.items() if value}, errors="replace")

    def aria(self, key: str) -> str:
        """The value of `aria-sort` for a column; "" for others."""
        return "" if key != self.key else "descending" if self.descends else "ascending"
