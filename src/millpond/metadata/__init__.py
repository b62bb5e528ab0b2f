"""Metadata files: what sitemap(), robots() and manifest() return, and the tags that pages have for all of them."""

from __future__ import annotations

from millpond.metadata.links import HeadLinks, head_links, head_links_async
from millpond.metadata.robots import Robots, Rule
from millpond.metadata.sitemap import Alternates, SitemapEntry, SitemapRestriction, SitemapUploader, SitemapVideo
from millpond.metadata.web_manifest import (
    FileHandler,
    LaunchHandler,
    Manifest,
    ManifestImage,
    ProtocolHandler,
    RelatedApplication,
    Screenshot,
    ShareFile,
    ShareParams,
    ShareTarget,
    Shortcut,
)

__all__ = [
    "Alternates",
    "FileHandler",
    "HeadLinks",
    "LaunchHandler",
    "Manifest",
    "ManifestImage",
    "ProtocolHandler",
    "RelatedApplication",
    "Robots",
    "Rule",
    "Screenshot",
    "ShareFile",
    "ShareParams",
    "ShareTarget",
    "Shortcut",
    "SitemapEntry",
    "SitemapRestriction",
    "SitemapUploader",
    "SitemapVideo",
    "head_links",
    "head_links_async",
]
