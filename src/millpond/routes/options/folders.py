"""What the folders above a route say for it: the options of each `router.py`, from the outermost to the innermost."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from millpond.errors import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from millpond.policy.segment import SegmentConfig
    from millpond.routes.options.router_file import RouterModule

_APPENDED = ("tags", "dependencies", "callbacks")
_MERGED = ("responses", "form_limits")
_NEAREST = ("default_response_class", "generate_unique_id_function", "strict_content_type", "max_body_size")


@dataclass(frozen=True, slots=True)
class Folders:
    """The `router.py` files above one route, outermost first."""

    routers: tuple[RouterModule, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)
    """What the configuration says for all routes: values by the names of the segment config."""
    given_by: str = ""
    """The file of the configuration, for messages."""

    @property
    def gives_tags(self) -> bool:
        return any(router.options.get("tags") for router in self.routers)

    def defaults(self) -> Iterator[tuple[str, RouterModule]]:
        """The names of the segment config that they define, each with the file that holds: the innermost."""
        nearest = {name: router for router in self.routers for name in router.defines}
        return iter(nearest.items())

    def config(self, own: SegmentConfig, defined: Mapping[str, object]) -> tuple[SegmentConfig, dict[str, Place]]:
        """The config of a route file, and the places of what it inherits.

        Args:
            own: what the route file says.
            defined: the names that it defines; those hold.
        """
        inherited = [(name, router) for name, router in self.defaults() if name not in defined]
        changes = {name: value for name, value in self.given.items() if name not in defined}
        places = {name: Place(self.given_by) for name in changes}
        changes |= {name: getattr(router.config, name) for name, router in inherited}
        places |= {name: router.place(name) for name, router in inherited}
        return (dataclasses.replace(own, **changes) if changes else own), places

    def digest(self, own: str) -> str:
        """The digest of a route file with these above it, in hex."""
        if not self.routers:
            return own
        return hashlib.sha256(bytes.fromhex(own) + b"".join(router.digest for router in self.routers)).hexdigest()

    def dependency_places(self) -> list[Place]:
        """Where each of their dependencies is written, in the order in which they run."""
        return [router.place("dependencies") for router in self.routers for _ in router.options.get("dependencies", ())]


NO_FOLDERS = Folders()


def router_below(outer: APIRouter, folders: Folders) -> APIRouter:
    """A router with the options of `outer`, and of the folders in it, as `include_router` combines them.

    FastAPI itself combines them where a request is matched, which Millpond does in its own way.
    """
    router = outer
    for folder in folders.routers:
        if folder.options:
            router = _combined(router, folder.options)
    return router


def _combined(outer: APIRouter, inner: Mapping[str, Any]) -> APIRouter:
    options: dict[str, Any] = {name: [*getattr(outer, name), *inner.get(name, ())] for name in _APPENDED}
    options |= {name: {**getattr(outer, name), **inner.get(name, {})} for name in _MERGED}
    options |= {name: inner.get(name, getattr(outer, name)) for name in _NEAREST}
    return APIRouter(
        prefix=outer.prefix,
        deprecated=inner.get("deprecated") or outer.deprecated,
        include_in_schema=outer.include_in_schema and inner.get("include_in_schema", True),
        dependency_overrides_provider=outer.dependency_overrides_provider,
        route_class=outer.route_class,
        **options,
    )
