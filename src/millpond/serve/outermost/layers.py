"""The outermost layer of an application: what the configuration says of every answer, whoever gives it.

From outside to inside: `[[headers]]`, `[cors]`, `[[redirects]]`, the application with the user's middleware and error
handlers. So the answer to a preflight has the headers, a redirect can be followed by pages of other origins, and a 500
has both.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from starlette.middleware.cors import CORSMiddleware

from millpond.serve.configured.path_headers import FixedHeaders
from millpond.serve.configured.redirects import Redirects
from millpond.serve.outermost.headers_app import HeadersApp
from millpond.serve.outermost.redirecting_app import RedirectingApp

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from millpond.config import Config
    from millpond.serve.fronted.telling_caches import TellingCaches

log = logging.getLogger("millpond.serve")


def with_configured_headers(app: ASGIApp, config: Config, caches: TellingCaches | None = None) -> ASGIApp:
    """`app`, wrapped so that every answer to a client has what the configuration says of answers.

    Args:
        app: the whole application, with all of its middleware.
        config: without `[[headers]]`, `[[redirects]]` and `[cors]` the application is returned as it is.
        caches: have redirects tell caches in front what they may do; None: there are none.
    """
    if config.redirects:
        app = RedirectingApp(app, Redirects(config), caches)
    if config.cors is not None:
        if config.cors.trusts_anybody:
            log.warning(
                "[cors] allows any origin with credentials: every site can act and read with the cookies of its "
                "visitors. List the origins that you trust, or leave allow_credentials out."
            )
        app = CORSMiddleware(app, **config.cors.options)
    if config.headers:
        app = HeadersApp(app, FixedHeaders(config.headers, config.base_path))
    return app
