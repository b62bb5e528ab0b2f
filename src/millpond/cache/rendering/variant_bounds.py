"""How many answers of one path are kept: those for different queries, hosts and values of `cache_vary`."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millpond.config import CacheConfig
    from millpond.render.target import Target

_MAX_VARIANTS_BYTES = 16 * 1024 * 1024
"""The limit for all paths and keys together, as visitors choose both."""
_VARIANT_OVERHEAD = 300
"""Bytes that a path or key takes in addition to its text."""
_BETWEEN = "\0"


class VariantBounds:
    """The bounds of one running application: each counts the answers of a path that differ in one thing alone.

    Args:
        cache: the configuration.
    """

    def __init__(self, cache: CacheConfig) -> None:
        self._queries = Variants(cache.max_query_variants)
        self._hosts = Variants(cache.max_host_variants)
        self._values = Variants(cache.max_vary_variants)

    def stored(self, target: Target, key: str) -> list[str]:
        """Record that an answer was stored; returns the keys of those to remove for it."""
        surplus = []
        path, query, variant, variation = target.path, target.query, target.variant, target.route.variation
        text = "" if variant is None else variant.text
        if query or target.content is not None:
            surplus += self._queries.stored(_BETWEEN.join((path, text)) if text else path, key)
        if variant is None or variation is None:
            return surplus
        host, values = variant.host or "", text.partition("&")[2] if variant.host else text
        if not variation.is_finite:
            surplus += self._hosts.stored(_BETWEEN.join((path, query, values)), key)
        if variation.offered:
            surplus += self._values.stored(_BETWEEN.join((path, query, host)), key)
        return surplus


class Variants:
    """The variants of each path that this process has stored, least recently rendered first."""

    def __init__(self, most: int, most_bytes: int = _MAX_VARIANTS_BYTES) -> None:
        """Start without any variants.

        Args:
            most: the maximum number of variants per path; up to a thousand times as many paths are remembered.
            most_bytes: the maximum size of all remembered paths and keys, in bytes.
        """
        self._most, self._most_bytes = most, most_bytes
        self._paths: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        self._bytes = 0

    def stored(self, path: str, key: str) -> list[str]:
        """Record that the variant `key` of `path` was stored; returns the keys of the variants to remove for it."""
        if path not in self._paths:
            self._paths[path] = OrderedDict()
            self._bytes += len(path) + _VARIANT_OVERHEAD
        variants = self._paths[path]
        self._paths.move_to_end(path)
        if key not in variants:
            self._bytes += len(key) + _VARIANT_OVERHEAD
        variants[key] = None
        variants.move_to_end(key)
        surplus = [self._forget(variants) for _ in range(len(variants) - self._most)]
        while len(self._paths) > self._most * 1000 or (self._bytes > self._most_bytes and len(self._paths) > 1):
            forgotten, forgotten_variants = self._paths.popitem(last=False)
            self._bytes -= len(forgotten) + _VARIANT_OVERHEAD
            surplus += [self._forget(forgotten_variants) for _ in range(len(forgotten_variants))]
        return surplus

    def _forget(self, variants: OrderedDict[str, None]) -> str:
        key, _ = variants.popitem(last=False)
        self._bytes -= len(key) + _VARIANT_OVERHEAD
        return key
