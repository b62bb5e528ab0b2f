"""`[[headers]]`: headers of every answer below a path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from millpond.policy.http.fixed_headers import not_fixed
from millpond.policy.http.path_pattern import InvalidPattern, PathPattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class HeaderConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One header, and the paths whose answers have it."""

    source: str
    """A path or a pattern such as "/docs/[[...path]]", without `base_path`."""
    name: str
    value: str

    @property
    def pattern(self) -> PathPattern:
        """The paths of `source`."""
        return PathPattern.parse(self.source)

    def problems(self, *, cors: bool) -> Iterator[str]:
        """What is wrong with the values; `cors`: whether there is a `[cors]` table."""
        try:
            PathPattern.parse(self.source)
        except InvalidPattern as error:
            yield f'"headers.source" is "{self.source}": {error}.'
        reason = not_fixed(self.name, self.value, cors=cors)
        if reason is not None:
            yield f'the header "{self.name}" of {self.source} {reason}.'


def header_problems(headers: Sequence[HeaderConfig], *, cors: bool) -> Iterator[str]:
    """What is wrong with all of `[[headers]]`; `cors`: whether there is a `[cors]` table."""
    seen = set()
    for header in headers:
        wrong = list(header.problems(cors=cors))
        yield from wrong
        if wrong:
            return
        same = (header.pattern.shape, header.name.lower())
        if same in seen:
            yield f'the header "{header.name}" of {header.source} is there twice; only the last one would count.'
        seen.add(same)
