"""The build's output on disk: what was decided, and the entries that were rendered."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from importlib.metadata import version
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import msgspec

from millpond.config.ownership import READ, whose
from millpond.config.project.build_output import MANIFEST, OUTPUT
from millpond.errors import BuildError, Place
from millpond.policy.variants.variation import Variation
from millpond.prerender.input_records import FunctionRecord, InputRecord
from millpond.prerender.plan import Plan
from millpond.render.candidacy import ModeReason
from millpond.routes.deferred.start_record import StartRecord
from millpond.stores.frame import FRAME_VERSION, decode_frame, encode_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from millpond.policy.entry import Entry
    from millpond.routes.route_contract import Route

VERSION = version("millpond")

_LENGTH = 8  # bytes in front of each frame
_UNDER_WAY_SECONDS = 3600
"""The age from which a file that no manifest names is what a build left behind when it was killed."""


class PathRecord(msgspec.Struct, frozen=True):
    """One path that was rendered."""

    path: str
    """Canonical."""
    readable: str
    status: int
    revalidate: float | None
    expire: float | None
    headers: dict[str, str]
    tags: list[str]
    seconds: float
    """How long the render took."""
    inputs: list[int] = []
    """Which of its route's inputs are its."""
    variant: str = ""
    """The host and the values that are part of its key, as `Variant.text` has them."""


class RouteRecord(msgspec.Struct, frozen=True):
    """One route, and what was decided for it."""

    pattern: str
    origin: str
    """What tells it from the others: its file, or the function and the path that were declared."""
    file: str
    digest: str
    """SHA-256 of the file when it was built."""
    glyph: str
    why: str
    place: tuple[str, int | None] | None
    static: bool
    on_demand: bool
    closed: bool
    revalidate: float | None
    expire: float | None
    paths: list[PathRecord]
    inputs: list[InputRecord] = []
    on_demand_paths: list[str] = []
    """Listed paths with variants that are rendered at their first request."""
    live_paths: list[str] = []
    """Of a closed route: the paths that exist besides, and are live."""
    variation: Variation | None = None
    """What of a request besides its path and query is part of the key."""
    start: StartRecord | None = None
    """Of a file: what a start has to know of it."""
    fingerprint: str = ""
    """Of all that its answers are made of, where builds share them; "": they don't."""

    @property
    def reason(self) -> ModeReason:
        return ModeReason(self.why, Place(*self.place) if self.place is not None else None)


class BuildManifest(msgspec.Struct, frozen=True, weakref=True):
    """All that a server must know of a build."""

    millpond: str
    """The version that made it; another one refuses to serve it."""
    build: str
    """The build's id."""
    built_at: float
    """Seconds since the epoch."""
    compat: str
    draft_secret: str
    """The cookie value that turns draft mode on (R10.1, R11.7)."""
    entries: int
    """How many entries there are: of the routes, and of what was fetched and computed for them."""
    routes: list[RouteRecord]
    functions: list[FunctionRecord] = []
    environment: dict[str, str] = {}
    """By variable that was read: what tells whether a server has another value, with the build's key."""
    sources: dict[str, str] = {}
    """SHA-256 of the other files that it was made of, by their path relative to the project."""
    config: str = ""
    """SHA-256 of the configuration, as far as it is about stored answers."""
    made_with: str = ""
    """The versions of what makes operations of the functions in route files."""
    frames: int = FRAME_VERSION
    """The version of the entries' frames; none of another version can be served."""


class _MadeBy(msgspec.Struct):
    """The fields that say whether the others can be read."""

    millpond: str | None = None
    frames: int = 0


def new_build_id(now: float) -> str:
    """A new id. It begins with the time, so that later builds have greater ones.

    Args:
        now: seconds since the epoch.
    """
    return f"{int(now * 1000):012x}{secrets.token_hex(4)}"


def write_build(project: Path, manifest: BuildManifest, entries: Iterable[Entry], key: bytes = b"") -> Path:
    """Put a build in place of the former one, in one step: a reader finds the old one or the new one.

    `key` is what the manifest's fingerprints of variables were made with. It has a file of its own: whoever sees a
    manifest, in a log say, learns nothing of the values.

    The manifest names its entries and is put in place last. The former build's entries stay, for whoever has just
    read the former manifest.

    Raises:
        BuildError: the folder can't be written.
    """
    output = project / OUTPUT
    former = output / MANIFEST
    fresh = output / f"{MANIFEST}-{manifest.build}"
    try:
        output.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep = {*_names(manifest), *_named_by(former)}
        if manifest.environment:
            (output / key_name(manifest)).touch(mode=0o600)
            (output / key_name(manifest)).write_bytes(key)
        with (output / _entries_name(manifest)).open("wb") as file:
            for entry in entries:
                frame = encode_frame(entry)
                file.write(len(frame).to_bytes(_LENGTH, "big") + frame)
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        fresh.replace(former)
        _sweep(output, keep)
    except OSError as error:
        raise BuildError(f"{output} can't be written: {error.strerror or error}.{whose(output)}") from error
    return output


def _entries_name(manifest: BuildManifest) -> str:
    return f"entries-{manifest.build}.bin"


def key_name(manifest: BuildManifest) -> str:
    """The file that has the key of the manifest's fingerprints."""
    return f"environment-{manifest.build}.key"


def _names(manifest: BuildManifest) -> list[str]:
    """The files that belong to a manifest."""
    return [_entries_name(manifest), key_name(manifest)]


def _named_by(manifest: Path) -> list[str]:
    """Those of the manifest in this file; nothing where there is none, or one of another version."""
    try:
        return _names(msgspec.json.decode(manifest.read_bytes(), type=BuildManifest))
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return []


def _sweep(output: Path, keep: set[str]) -> None:
    """Remove what builds left behind; what is young may be of one that is under way."""
    youngest = time.time() - _UNDER_WAY_SECONDS
    for path in output.iterdir():
        if path.name in keep or path.name == MANIFEST:
            continue
        with contextlib.suppress(FileNotFoundError):  # another build, under way, has just renamed it
            if path.stat().st_mtime < youngest:
                path.unlink()


def read_manifest(project: Path) -> BuildManifest | None:
    """The manifest of the project's build; None when there is none.

    Raises:
        BuildError: it can't be read, or another version of Millpond made it.
    """
    path = project / OUTPUT / MANIFEST
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            known = (str(path), about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)
            present = _present.get(known)
            content = b"" if present is not None else file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BuildError(f"{path} can't be read: {error.strerror}.{_whose(path)}") from error
    if present is None:
        present = _present[known] = _decoded(content, path)
    return present


_present: WeakValueDictionary[tuple[str | int, ...], BuildManifest] = WeakValueDictionary()
"""The manifests that somebody has, by their files: a start asks for one several times, and it may have megabytes."""


def _decoded(content: bytes, path: Path) -> BuildManifest:
    try:
        made_by = msgspec.json.decode(content, type=_MadeBy)
        if (made_by.millpond, made_by.frames) != (VERSION, FRAME_VERSION):
            other = made_by.millpond or "of an unknown version"
            raise BuildError(
                f"the build in {path.parent} was made by Millpond {other} (entries {made_by.frames}), and this is "
                f"{VERSION} (entries {FRAME_VERSION}); run `millpond build` again."
            )
        return msgspec.json.decode(content, type=BuildManifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BuildError(f"{path} is damaged ({error}); run `millpond build` again.") from error


def read_entries(project: Path, manifest: BuildManifest) -> Iterator[Entry]:
    """The entries of the build that `manifest` is of.

    Raises:
        BuildError: the file is missing or damaged.
    """
    path = project / OUTPUT / _entries_name(manifest)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for _ in range(manifest.entries):
                length = int.from_bytes(file.read(_LENGTH), "big")
                entry = decode_frame(file.read(length)) if length <= size else None
                if entry is None:
                    raise BuildError(f"{path} is damaged; run `millpond build` again.")
                yield entry
    except OSError as error:
        owned = _whose(path)
        remedy = f".{owned}" if owned else "; run `millpond build` again."
        raise BuildError(f"{path} can't be read: {error.strerror}{remedy}") from error


def _whose(path: Path) -> str:
    """Why this process may not read a file of the build's, and what to do about it."""
    return whose(path.parent, (path.name,), READ)


def has_entries(project: Path, manifest: BuildManifest) -> bool:
    """Whether the build's answers are beside its manifest; a host whose store has them needs none."""
    return (project / OUTPUT / _entries_name(manifest)).exists()


def plans_of(
    manifest: BuildManifest, routes: Sequence[Route], fingerprints: Mapping[str, str] | None = None
) -> list[Plan]:
    """The plans of a build, for the routes as they are now.

    Args:
        manifest: of the build.
        routes: the application's.
        fingerprints: by the origins of routes whose answers builds share.

    Raises:
        BuildError: a route was added or removed since.
    """
    records: Mapping[str, RouteRecord] = {record.origin: record for record in manifest.routes}
    files = {route.origin for route in routes}
    changed = sorted(files.symmetric_difference(records))
    if changed:
        verb = "was added" if changed[0] in files else "was removed"
        raise BuildError(f"{changed[0]} {verb} after the build; run `millpond build` again.")
    shared = fingerprints or {}
    return [_plan(route, records[route.origin], shared.get(route.origin, "")) for route in routes]


def _plan(route: Route, record: RouteRecord, fingerprint: str) -> Plan:
    return Plan(
        route=route,
        why=record.reason,
        static=record.static,
        on_demand=record.on_demand,
        closed=record.closed,
        listed=frozenset({*(path.path for path in record.paths), *record.on_demand_paths}),
        live_paths=frozenset(record.live_paths),
        fingerprint=fingerprint,
    )


def edited_since(manifest: BuildManifest, routes: Sequence[Route]) -> list[str]:
    """The files of routes whose source is no longer what was built."""
    digests = {record.origin: record.digest for record in manifest.routes}
    return list(dict.fromkeys(route.source for route in routes if digests.get(route.origin) != route.digest))
