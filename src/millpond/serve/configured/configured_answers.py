"""`[[headers]]`, `[[redirects]]` and `[cors]`, as the fast path knows them, which calls no application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond.serve.configured.cors import Cors
from millpond.serve.configured.path_headers import FixedHeaders, PathHeaders
from millpond.serve.configured.redirects import Redirects

if TYPE_CHECKING:
    from starlette.types import Scope

    from millpond.config import Config


@dataclass(frozen=True, slots=True)
class ConfiguredAnswers:
    """The tables of one configuration."""

    fixed: FixedHeaders
    cors: Cors | None
    redirects: Redirects | None

    @classmethod
    def of(cls, config: Config) -> ConfiguredAnswers:
        """Those of a configuration."""
        return cls(
            FixedHeaders(config.headers, config.base_path),
            Cors((), config.cors.options) if config.cors is not None else None,
            Redirects(config) if config.redirects else None,
        )

    def headers_of(self, scope: Scope, recognised: Cors | None) -> PathHeaders | None:
        """What is done to the headers of hits; None if nothing is.

        Args:
            scope: of a request for their path.
            recognised: the CORSMiddleware that is the application's only middleware.
        """
        return PathHeaders.of(self.fixed.of(scope), tuple(each for each in (recognised, self.cors) if each))

    def is_moved(self, scope: Scope) -> bool:
        """Whether the path of a request has a redirect: then it is never a hit."""
        return self.redirects is not None and self.redirects.of({**scope, "query_string": b""}) is not None
