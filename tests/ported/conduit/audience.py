"""Who asks: the answers for members depend on the member, those for visitors are everybody's."""

from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope


class MembersRoute(APIRoute):
    """Matches requests with credentials; the others go on to the next route of the path, the visitors'."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if not any(name == b"authorization" for name, _ in scope.get("headers", ())):
            return Match.NONE, {}
        return super().matches(scope)
