"""`[[redirects]]`: paths that have moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from millpond.messages import one_of
from millpond.policy.http.destination import Destination
from millpond.policy.http.moved_paths import MovedPaths
from millpond.policy.http.path_pattern import InvalidPattern, PathPattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STATUSES = (301, 302, 303, 307, 308)
"""Those whose Location a client follows by itself (RFC 9110 §15.4)."""


class RedirectConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One redirect."""

    source: str
    """A path or a pattern such as "/old/[slug]", without `base_path`."""
    destination: str
    """A path such as "/new/[slug]", without `base_path`, or a URL with https:// or http://."""
    status: int = 308
    """301, 302, 303, 307 or 308. Browsers remember 301 and 308."""
    keep_query: bool = True
    """Whether the query of the request is added to the destination."""

    @property
    def pattern(self) -> PathPattern:
        """The paths of `source`."""
        return PathPattern.parse(self.source)

    @property
    def target(self) -> Destination:
        """Where `destination` leads."""
        return Destination.parse(self.destination, self.pattern.parameters)

    def problems(self) -> Iterator[str]:
        """What is wrong with the values."""
        try:
            pattern = PathPattern.parse(self.source)
        except InvalidPattern as error:
            yield f'"redirects.source" is "{self.source}": {error}.'
            return
        try:
            Destination.parse(self.destination, pattern.parameters)
        except InvalidPattern as error:
            yield f'the redirect of {self.source} to "{self.destination}": {error}.'
        if self.status not in STATUSES:
            allowed = one_of(map(str, STATUSES)).replace('"', "")
            yield f'"redirects.status" of {self.source} is {self.status}; it must be {allowed}.'


def redirect_problems(redirects: Sequence[RedirectConfig]) -> Iterator[str]:
    """What is wrong with all of `[[redirects]]`: also those that are never reached, or lead back to themselves."""
    wrong = [problem for redirect in redirects for problem in redirect.problems()]
    yield from wrong
    if wrong:
        return
    moved = MovedPaths((redirect.pattern, redirect.target) for redirect in redirects)
    for number, redirect in enumerate(redirects):
        first = moved.taken_by(number)
        if first is not None:
            yield (
                f"the redirect of {redirect.source} is never reached, as that of {redirects[first].source} comes "
                "before it and takes the same paths; change their order, or delete one."
            )
        if moved.leads_back(number):
            yield f"the redirect of {redirect.source} to {redirect.destination} leads back to itself, again and again."
