"""Millpond: route handlers with a caching model for Python."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.requests import Request as Request
    from starlette.responses import HTMLResponse as HTMLResponse
    from starlette.responses import JSONResponse as JSONResponse
    from starlette.responses import PlainTextResponse as PlainTextResponse
    from starlette.responses import RedirectResponse as RedirectResponse
    from starlette.responses import Response as Response
    from starlette.responses import StreamingResponse as StreamingResponse

    from millpond.app import Millpond as Millpond
    from millpond.cache.fetching.fetch import fetch as fetch
    from millpond.cache.functions.decorator import cached as cached
    from millpond.cache.functions.life import cache_life as cache_life
    from millpond.cache.functions.life import cache_tag as cache_tag
    from millpond.cache.invalidate import purged as purged
    from millpond.cache.invalidate import revalidate_path as revalidate_path
    from millpond.cache.invalidate import revalidate_tag as revalidate_tag
    from millpond.cache.invalidate import update_tag as update_tag
    from millpond.cache.response_life import response_life as response_life
    from millpond.cache.response_life import response_tags as response_tags
    from millpond.errors import AddressError as AddressError
    from millpond.errors import BuildError as BuildError
    from millpond.errors import CancelledCallError as CancelledCallError
    from millpond.errors import CircularWaitError as CircularWaitError
    from millpond.errors import CommandError as CommandError
    from millpond.errors import ConfigError as ConfigError
    from millpond.errors import MetadataError as MetadataError
    from millpond.errors import MillpondError as MillpondError
    from millpond.errors import OverdueError as OverdueError
    from millpond.errors import ProjectError as ProjectError
    from millpond.errors import PurgeError as PurgeError
    from millpond.errors import RenderTimeoutError as RenderTimeoutError
    from millpond.errors import RouteError as RouteError
    from millpond.errors import RouteModuleError as RouteModuleError
    from millpond.errors import StaticOnlyError as StaticOnlyError
    from millpond.errors import StoreError as StoreError
    from millpond.errors import UnexpectedExitError as UnexpectedExitError
    from millpond.errors import UnreachedError as UnreachedError
    from millpond.errors import UnreadBodyError as UnreadBodyError
    from millpond.errors import UnsendableError as UnsendableError
    from millpond.errors import UsageError as UsageError
    from millpond.errors import WatchError as WatchError
    from millpond.metadata.image_response import ImageResponse as ImageResponse
    from millpond.render.after import after as after
    from millpond.render.raised_response import not_found as not_found
    from millpond.render.raised_response import permanent_redirect as permanent_redirect
    from millpond.render.raised_response import redirect as redirect
    from millpond.render.request.request_api import connection as connection
    from millpond.render.request.request_api import cookies as cookies
    from millpond.render.request.request_api import draft_mode as draft_mode
    from millpond.render.request.request_api import headers as headers
    from millpond.render.request.request_api import io as io
    from millpond.render.request.static_promise import ensure_static as ensure_static
    from millpond.routes.endpoints.static import static as static
    from millpond.routes.naming.built_path import path_of as path_of
    from millpond.routes.options.operation_options import operation as operation

_HOMES = {
    "AddressError": "millpond.errors",
    "BuildError": "millpond.errors",
    "CancelledCallError": "millpond.errors",
    "CircularWaitError": "millpond.errors",
    "CommandError": "millpond.errors",
    "ConfigError": "millpond.errors",
    "HTMLResponse": "starlette.responses",
    "ImageResponse": "millpond.metadata.image_response",
    "JSONResponse": "starlette.responses",
    "MetadataError": "millpond.errors",
    "Millpond": "millpond.app",
    "MillpondError": "millpond.errors",
    "OverdueError": "millpond.errors",
    "PlainTextResponse": "starlette.responses",
    "ProjectError": "millpond.errors",
    "PurgeError": "millpond.errors",
    "RedirectResponse": "starlette.responses",
    "RenderTimeoutError": "millpond.errors",
    "Request": "starlette.requests",
    "Response": "starlette.responses",
    "RouteError": "millpond.errors",
    "RouteModuleError": "millpond.errors",
    "StaticOnlyError": "millpond.errors",
    "StoreError": "millpond.errors",
    "StreamingResponse": "starlette.responses",
    "UnexpectedExitError": "millpond.errors",
    "UnreachedError": "millpond.errors",
    "UnreadBodyError": "millpond.errors",
    "UnsendableError": "millpond.errors",
    "UsageError": "millpond.errors",
    "WatchError": "millpond.errors",
    "after": "millpond.render.after",
    "cache_life": "millpond.cache.functions.life",
    "cache_tag": "millpond.cache.functions.life",
    "cached": "millpond.cache.functions.decorator",
    "connection": "millpond.render.request.request_api",
    "cookies": "millpond.render.request.request_api",
    "draft_mode": "millpond.render.request.request_api",
    "ensure_static": "millpond.render.request.static_promise",
    "fetch": "millpond.cache.fetching.fetch",
    "headers": "millpond.render.request.request_api",
    "io": "millpond.render.request.request_api",
    "not_found": "millpond.render.raised_response",
    "operation": "millpond.routes.options.operation_options",
    "path_of": "millpond.routes.naming.built_path",
    "permanent_redirect": "millpond.render.raised_response",
    "purged": "millpond.cache.invalidate",
    "redirect": "millpond.render.raised_response",
    "response_life": "millpond.cache.response_life",
    "response_tags": "millpond.cache.response_life",
    "revalidate_path": "millpond.cache.invalidate",
    "revalidate_tag": "millpond.cache.invalidate",
    "static": "millpond.routes.endpoints.static",
    "update_tag": "millpond.cache.invalidate",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    """Public names are imported where they are first used: `import millpond` alone costs nothing."""
    if name == "__version__":
        from importlib.metadata import version

        return version("millpond")
    if name not in _HOMES:
        raise AttributeError(f"module 'millpond' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
