"""What of a build is exported, under which names and with which headers; and what can't be, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.cache.coding.compression import compress
from millpond.export.export_record import OWN_NAMES, RedirectRecord
from millpond.export.object_names import WantedName, names_of
from millpond.policy.entry import CompressedBody
from millpond.policy.http.coding import compressible, etag_of
from millpond.policy.http.fixed_headers import with_fixed
from millpond.policy.http.headers import cache_control, has
from millpond.policy.key import response_key
from millpond.policy.lifetime import Lifetime
from millpond.prerender.build_manifest import read_entries
from millpond.routes.path import last_slash, split
from millpond.routes.public.public_file import EXTENSIONS
from millpond.serve.configured.path_headers import FixedHeaders
from millpond.serve.public.media_type import media_type
from millpond.serve.public.public_answers import CACHE_CONTROL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from millpond.config import Config
    from millpond.export.object_names import Naming
    from millpond.policy.entry import Coding, Entry, Headers
    from millpond.prerender.build_manifest import BuildManifest, PathRecord, RouteRecord
    from millpond.routes.public.public_folder import PublicListing
    from millpond.routes.route_contract import Route

UNCHANGING = "public, max-age=0, must-revalidate"
"""The Cache-Control of answers that never go stale: caches ask each time, as the next export may have others. While
Millpond serves them it is a year, since it purges what it invalidates."""

_OF_SERVER = frozenset({b"use-as-dictionary", b"content-length", b"set-cookie"})
"""Headers that need a server that knows more than a file."""
_REDIRECTS = (301, 302, 303, 307, 308)
_OK = 200


class LeftOut(NamedTuple):
    """Something that isn't exported."""

    path: str
    """A path, or a route's pattern."""
    reason: str
    place: str | None = None
    """The file, and the line, that is the reason."""

    def facts(self) -> dict[str, str | None]:
        """For JSON."""
        return {"path": self.path, "reason": self.reason, "place": self.place}


class ExportedFile(NamedTuple):
    """One file to write."""

    name: str
    path: str
    content: bytes
    headers: dict[str, str]


@dataclass
class Exported:
    """All of a build that is exported.

    Args:
        project: the project's folder.
        manifest: of the build.
        config: the project's.
        routes: the project's, as the build has them.
        public: the files of `public/`.
    """

    project: Path
    manifest: BuildManifest
    config: Config
    routes: Iterable[Route]
    public: PublicListing
    naming: Naming
    codings: Collection[Coding] = ()
    """In which the compressed forms of answers are exported, too."""
    unchanging: str = UNCHANGING
    is_flat: bool = False
    left_out: list[LeftOut] = field(default_factory=list, init=False)
    fresh: list[tuple[str, float]] = field(default_factory=list, init=False)
    """Paths whose answers go stale, and after how many seconds."""
    redirects: list[RedirectRecord] = field(default_factory=list, init=False)
    names: dict[str, str] = field(default_factory=dict, init=False)
    """By URL, the name of its file."""

    def __post_init__(self) -> None:
        self._fixed = FixedHeaders(self.config.headers, "")
        self._public = {self._url(path): file for path, file in self.public.files.items()}
        records = [(record, path) for record in self.manifest.routes for path in record.paths]
        kept = [(record, path) for record, path in records if self._judge(record, path)]
        wanted = [self._wanted(path) for _, path in kept]
        wanted += [WantedName(url, tuple(split(url.encode())), False, "", is_public=True) for url in self._public]
        self.names.update(names_of(wanted, self.naming, OWN_NAMES, is_flat=self.is_flat))
        self._kept = {response_key(record.origin, path.path): self._wanted(path).path for record, path in kept}
        self._tell_routes()

    def _url(self, path: str) -> str:
        """The path as clients ask for it: below `base_path`, with the slash at its end where one is wanted."""
        if path == "/":
            return self.config.base_path or "/"
        return self.config.base_path + path

    def _wanted(self, path: PathRecord) -> WantedName:
        segments = split(path.path.encode())
        slash = last_slash(segments, self.config.trailing_slash)
        url = self._url(path.path) + slash
        kind = path.headers.get("content-type", "")
        return WantedName(url, tuple(split(url.encode())), bool(slash), kind)

    def _judge(self, record: RouteRecord, path: PathRecord) -> bool:
        url = self._wanted(path).path
        if url in self._public:
            self.left_out.append(LeftOut(url, f"{self._public[url].file} has its path", record.file))
            return False
        location = path.headers.get("location")
        if path.status in _REDIRECTS and location is not None:
            self.redirects.append(RedirectRecord(url, location, path.status))
            return False
        if path.status != _OK:
            self.left_out.append(LeftOut(url, f"its status is {path.status}: a file is answered with 200", record.file))
            return False
        if path.revalidate is not None:
            self.fresh.append((url, path.revalidate))
        return True

    def _tell_routes(self) -> None:
        queries = {route.origin: list(route.cache_query) for route in self.routes}
        for record in self.manifest.routes:
            pattern, place = self._url(record.pattern), record.reason.place
            where = record.file if place is None else str(place)
            if not record.static:
                self.left_out.append(LeftOut(pattern, f"live: {record.why}", where))
            elif record.on_demand:
                reason = "its other paths are rendered when they are asked for"
                self.left_out.append(LeftOut(pattern, reason, where))
            for path in record.live_paths:
                self.left_out.append(LeftOut(self._url(path), "live, as its render has read the request", where))
            if record.static and queries.get(record.origin):
                named = ", ".join(queries[record.origin])
                reason = f"answers for other queries ({named}) are rendered when they are asked for"
                self.left_out.append(LeftOut(pattern, reason, where))

    def files(self) -> Iterator[ExportedFile]:
        """The files, one after the other: a build may have more than fits into the memory.

        Raises:
            BuildError: the build's entries are missing or damaged.
            OSError: a public file can't be read.
        """
        for entry in read_entries(self.project, self.manifest):
            yield from self._answer(entry)
        for url, file in self._public.items():
            headers = [
                (b"content-type", media_type(file.path.name).encode()),
                (b"cache-control", CACHE_CONTROL.encode()),
            ]
            yield ExportedFile(self.names[url], url, file.path.read_bytes(), self._sent(url, headers))

    def _answer(self, entry: Entry) -> Iterator[ExportedFile]:
        url = self._kept.get(entry.key)
        if url is None:
            return
        coded = list(self._coded(entry))
        headers = self._sent(url, self._own(entry, varies=bool(coded)))
        yield ExportedFile(self.names[url], url, entry.body, headers)
        for each in coded:
            name = self.names[url] + EXTENSIONS[each.coding]
            coding: dict[str, str] = {"content-encoding": each.coding}
            if "etag" in headers:
                coding["etag"] = etag_of(headers["etag"].encode("latin-1"), each.coding).decode("latin-1")
            yield ExportedFile(name, url, each.body, {**headers, **coding})

    def _coded(self, entry: Entry) -> Iterator[CompressedBody]:
        """The compressed forms, where they save enough; those that the build has made are taken."""
        made = {each.coding: each.body for each in entry.compressed}
        if compressible(entry.status, entry.headers, len(entry.body)):
            for coding in dict.fromkeys(self.codings):
                body = made.get(coding) or compress(entry.body, coding)
                if body:
                    yield CompressedBody(coding, body)

    def _own(self, entry: Entry, *, varies: bool) -> list[tuple[bytes, bytes]]:
        headers = [pair for pair in entry.headers if pair[0] not in _OF_SERVER and pair[0] != b"vary"]
        others = [
            part.strip()
            for name, value in entry.headers
            if name == b"vary"
            for part in value.split(b",")
            if part.strip().lower() not in (b"accept-encoding", b"available-dictionary")
        ]
        if vary := [*others, *([b"accept-encoding"] if varies else [])]:
            headers.append((b"vary", b", ".join(vary)))
        if not has(headers, b"cache-control"):
            lifetime = Lifetime(entry.revalidate, entry.expire)
            value = self.unchanging.encode("latin-1") if lifetime.revalidate is None else cache_control(lifetime)
            headers.append((b"cache-control", value))
        return headers

    def _sent(self, url: str, headers: Headers | list[tuple[bytes, bytes]]) -> dict[str, str]:
        """The headers with those of `[[headers]]`; of several lines one is made (RFC 9110 §5.3)."""
        below = url.removeprefix(self.config.base_path) or "/"
        scope: dict[str, Any] = {"type": "http", "path": below, "raw_path": below.encode(), "root_path": ""}
        made: dict[str, str] = {}
        for name, value in with_fixed(headers, _OK, self._fixed.of(scope)):
            key, text = name.decode("latin-1"), value.decode("latin-1")
            made[key] = f"{made[key]}, {text}" if key in made else text
        return made
