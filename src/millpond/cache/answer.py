"""From a render to an entry: what is stored is what is advertised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.policy.entry import Entry
from millpond.policy.headers import has, strong_etag
from millpond.policy.storing import kept_headers, unshareable
from millpond.render.run import StaticEnded
from millpond.render.scope import DynamicUse

if TYPE_CHECKING:
    from millpond.render.run import Rendered
    from millpond.render.target import Target


def entry_of(rendered: Rendered, target: Target, *, rendered_at: float, generation: int, build: str) -> Entry:
    """The entry of a render, whatever its status.

    Args:
        rendered: the answer.
        target: what it is the answer of.
        rendered_at: seconds since the epoch when the render began.
        generation: the store's generation at that time.
        build: the id of the build that is serving.

    Raises:
        StaticEnded: its headers forbid giving it to everybody (DESIGN D5).
    """
    headers = kept_headers(rendered.headers)
    refusal = unshareable(headers)
    if refusal is not None:
        raise StaticEnded(DynamicUse(refusal, target.route.operations["GET"].place), unshareable=True)
    if 200 <= rendered.status < 300 and not has(headers, b"etag"):
        headers += ((b"etag", strong_etag(rendered.body)),)
    return Entry(
        key=target.key,
        status=rendered.status,
        headers=headers,
        body=rendered.body,
        rendered_at=rendered_at,
        revalidate=rendered.lifetime.revalidate,
        expire=rendered.lifetime.expire,
        tags=(*rendered.tags, *target.own_tags),
        generation=generation,
        build=build,
    )
