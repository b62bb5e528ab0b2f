"""Which route answers a path: the one matching that requests, tools and `explain` share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.draft_mode import is_draft
from millpond.render.target import Target
from millpond.routes.path import MalformedPath, canonical, dot_redirect, slash_redirect, split, split_leniently
from millpond.serve.matching.base_path import OUTSIDE, enter_base_path
from millpond.serve.matching.request_path import below_root, refusal, with_right_slashes, without_dots
from millpond.serve.matching.rewriting import rewritten_from

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from starlette.types import Scope

    from millpond.config import Config
    from millpond.prerender.plan import Plan
    from millpond.routes.public.public_file import PublicFile
    from millpond.routes.public.public_folder import PublicFiles
    from millpond.routes.table import Match, Table
    from millpond.serve.matching.rewriting import ClientsPath


class EarlyAnswer(NamedTuple):
    """An answer that needs no route to run."""

    status: int
    location: str | None = None


class Matched(NamedTuple):
    """A route, and what of it the request asks for."""

    plan: Plan
    target: Target
    by_path: bool = True
    """Whether the path alone says so, as no closed route was asked whether it lists it; an editor gets there (D34)."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """Matches requests with the files of `public/` (R1.11), and with the routes of the files.

    What matches none is FastAPI's to answer.
    """

    table: Table[Plan]
    config: Config
    endpoints: Collection[str] = ()
    """The canonical paths of the endpoints that invalidate, which no route may take."""
    public: PublicFiles | None = None
    """The files of `public/`; None where there are none."""
    draft_secret: str = field(default="", repr=False)
    """By which editors are known, for whom closed routes are open; empty: there are none."""

    def match(self, scope: Scope) -> Matched | PublicFile | EarlyAnswer | None:
        """The route or the file of a request; an answer at once; or None: neither has the path.

        414 and 431 are for paths (their bytes, their segments) and headers over their bounds, 400 for bad escapes
        (R1.32), 308 for slashes (R1.47) and dot segments (D42) of paths that have a file or a route.
        """
        raw = self._below(scope)
        query: bytes = scope.get("query_string", b"")
        if raw is None:
            return self._led_inside(scope, query)
        refused = refusal(raw, scope, self.config.server)
        if refused is not None:
            return EarlyAnswer(refused)
        try:
            segments = split(raw)
        except MalformedPath:
            return EarlyAnswer(400) if self._find(split_leniently(raw), query) else None
        if self.endpoints and canonical(segments) in self.endpoints:
            return None
        found = self._file(segments) or self._find(segments, query, scope)
        clients = rewritten_from(scope)
        if clients is not None:
            return self._of_rewritten(raw, found, clients)
        undotted = without_dots(scope)
        if undotted is not None and (found or self._leads_to_a_route(undotted, scope)):
            return _redirect(undotted, query)
        if found is None:
            return None
        target = with_right_slashes(raw, scope, self.config)
        return found if target is None else _redirect(target, query)

    def _of_rewritten(
        self, raw: bytes, found: Matched | PublicFile | None, clients: ClientsPath
    ) -> Matched | PublicFile | EarlyAnswer | None:
        """What a rewritten path leads to. A client is redirected where its own path needs it, too.

        Dot segments that the client hasn't sent lead nowhere.
        """
        if found is None:
            return None
        if dot_redirect(raw) is not None:
            undotted = clients.without_dots()
            return EarlyAnswer(404) if undotted is None else _redirect(undotted, clients.query)
        if slash_redirect(raw, self.config.trailing_slash) is None:
            return found
        target = clients.with_right_slashes(self.config.trailing_slash)
        return found if target is None else _redirect(target, clients.query)

    def declining(self, scope: Scope) -> list[Plan]:
        """The routes that match a path and don't want it, before the one that answers it."""
        raw = self._below(scope)
        try:
            segments = [] if raw is None else split(raw)
        except MalformedPath:
            return []
        found = []
        for match in self.table.match(segments):
            if not match.route.declines(canonical(segments)):
                break
            found.append(match.route)
        return found

    def endpoint_of(self, scope: Scope) -> str | None:
        """Which endpoint that invalidates a request is for that matches no route; None: none."""
        raw = self._below(scope) if self.endpoints else None
        if raw is None:
            return None
        try:
            path = canonical(split(raw))
        except MalformedPath:
            return None
        return path if path in self.endpoints else None

    def _below(self, scope: Scope) -> bytes | None:
        """The path below the application; None outside of it."""
        outside = scope.get(OUTSIDE)
        if outside is None and self.config.base_path:  # a tool asks about a scope that no request has
            scope = dict(scope)
            enter_base_path(scope, scope.get("root_path", ""), self.config.base_path)
            outside = scope[OUTSIDE]
        return None if outside else below_root(scope)

    def _file(self, segments: Sequence[str]) -> PublicFile | None:
        return None if self.public is None else self.public.get(canonical(segments))

    def _find(self, segments: Sequence[str], query: bytes, scope: Scope | None = None) -> Matched | None:
        """The first match that doesn't decline (R1.9, R1.10). For an editor, whom `scope` may tell, none does (D34)."""
        by_path = True
        for match in self.table.match(segments):
            target = _target(match, segments, query)
            if not match.route.declines(target.path):
                return Matched(match.route, target, by_path)
            by_path = False
            if scope is not None and self.draft_secret and is_draft(scope["headers"], self.draft_secret):
                return Matched(match.route, target, by_path)
        return None

    def _led_inside(self, scope: Scope, query: bytes) -> EarlyAnswer | None:
        """The redirect of a path outside of `base_path` whose dot segments lead to a route inside."""
        if rewritten_from(scope) is not None:
            return None
        try:
            undotted = without_dots(scope)
        except MalformedPath:
            return None
        return _redirect(undotted, query) if undotted is not None and self._leads_to_a_route(undotted, scope) else None

    def _leads_to_a_route(self, undotted: str, scope: Scope) -> bool:
        asked = {**scope, "path": undotted, "raw_path": undotted.encode("ascii")}
        if asked.pop(OUTSIDE, None) is False:
            asked["root_path"] = scope["root_path"].removesuffix(self.config.base_path)
        raw = self._below(asked)
        segments = None if raw is None else split(raw)
        return segments is not None and (self._file(segments) or self._find(segments, b"")) is not None


def _target(match: Match[Plan], segments: Sequence[str], query: bytes) -> Target:
    """What a match asks for: the one answer of a file that is given at every value of the folders' parameters."""
    route, fingerprint = match.route.route, match.route.fingerprint
    if match.params and not route.params and route.segments is not None:
        return Target.of(route, [segment.name for segment in route.segments], {}, query, fingerprint)
    return Target.of(route, segments, match.params, query, fingerprint)


def _redirect(target: str, query: bytes) -> EarlyAnswer:
    return EarlyAnswer(308, f"{target}?{query.decode('latin-1')}" if query else target)
