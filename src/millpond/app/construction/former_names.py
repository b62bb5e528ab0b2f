"""Attributes that an application of former versions had."""

from __future__ import annotations

from typing import NoReturn

_GONE = {
    "fastapi": "the application is a FastAPI itself: use it in place of app.fastapi",
    "add_outer_middleware": "app.add_middleware(cls, **options) is in front of every request, hits included; "
    "app.add_render_middleware(cls, **options) is around renders",
}


def gone(name: str) -> property:
    """An attribute that says what is in its place."""

    def missing(app: object) -> NoReturn:
        raise AttributeError(f"{type(app).__name__!r} object has no attribute {name!r}: {_GONE[name]}")

    return property(missing)
