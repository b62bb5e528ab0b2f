"""Which routes of a build share their answers with other builds, and the keys of the build's own answers then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from millpond.policy.key import origin_in, shared_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from millpond.config import CacheConfig
    from millpond.policy.entry import Entry
    from millpond.prerender.build_manifest import BuildManifest


def shared_fingerprints(manifest: BuildManifest | None, cache: CacheConfig) -> dict[str, str]:
    """The fingerprints of the routes whose answers builds share, by their origins; none unless that is configured."""
    if manifest is None or cache.across_builds != "stale":
        return {}
    return {record.origin: record.fingerprint for record in manifest.routes if record.fingerprint}


def under_shared_keys(entries: Iterable[Entry], fingerprints: Mapping[str, str]) -> Iterator[Entry]:
    """The build's entries under the keys by which a server finds them."""
    for entry in entries:
        fingerprint = fingerprints.get(origin_in(entry.key) or "")
        yield entry if not fingerprint else replace(entry, key=shared_key(entry.key, fingerprint))
