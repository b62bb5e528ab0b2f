"""The tags that a page's head has for the metadata files of its path."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.cache.active_application import required_metadata
from millpond.errors import MetadataError, UsageError
from millpond.metadata.image_properties import dimensions, size_of, text_of
from millpond.metadata.listing import Listing, awaits
from millpond.metadata.static_files import MEDIA_TYPES
from millpond.routes.metadata_file import METADATA_ID, MetadataKind
from millpond.routes.module import read
from millpond.routes.path import canonical, slash_redirect, split
from millpond.routes.table import build_segments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from millpond.config import Config
    from millpond.routes.metadata_inventory import FileForPath, MetadataInventory
    from millpond.routes.scan import RouteFile

    Listed = dict[str, dict[str, Mapping[str, Any]]]
    """By the patterns of files that list ids: their items, by the last segments of URLs."""

_HASH = 16  # hex digits of the content's digest: enough that two contents never share a URL
_SOCIAL = {MetadataKind.OPEN_GRAPH: ("property", "og:image"), MetadataKind.TWITTER: ("name", "twitter:image")}
_ICONS = {MetadataKind.FAVICON: "icon", MetadataKind.ICON: "icon", MetadataKind.APPLE_ICON: "apple-touch-icon"}


class HeadLinks(str):
    """Tags, safe to print into a page as they are: Jinja and MarkupSafe don't escape them."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


class _Image(NamedTuple):
    """One image, as its tags need it."""

    href: str
    media_type: str | None
    sizes: str | None
    """ "32x32" or "any"."""
    alt: str | None


def head_links(path: str, *, base_url: str = "") -> HeadLinks:
    """The `<link>` and `<meta>` tags for a page at `path`: icons, manifest, Open Graph and Twitter images.

    The files are those of the nearest folder above the path that has any of their kind; favicon.ico is always there.

    Args:
        path: the page's, without the configuration's base path: "/products/oak-chair".
        base_url: "https://shop.example"; social networks need whole URLs of images.

    Raises:
        UsageError: as `head_links_async`; or a `generate_image_metadata` is a coroutine function: use
            `await head_links_async(path)`.
    """
    inventory, segments = required_metadata("head_links()"), split(path.encode())
    listed = {}
    for found in _with_listing(inventory, segments):
        listing = _listing(found)
        if awaits(listing.function):
            raise UsageError(
                f"{listing.place}: {listing.name} is a coroutine function; write `await head_links_async(path)`."
            )
        listed[found.route.pattern] = listing.checked(listing.function(**listing.wanted(found.params)))
    return _tags(inventory, segments, listed, base_url)


async def head_links_async(path: str, *, base_url: str = "") -> HeadLinks:
    """As `head_links`, where a `generate_image_metadata` is a coroutine function.

    Raises:
        UsageError: no application runs in this process, or several do and no handler says which.
    """
    inventory, segments = required_metadata("head_links_async()"), split(path.encode())
    listed = {
        found.route.pattern: await _listing(found).items(found.params) for found in _with_listing(inventory, segments)
    }
    return _tags(inventory, segments, listed, base_url)


def _with_listing(inventory: MetadataInventory, segments: list[str]) -> Iterator[FileForPath]:
    for kind in MetadataKind:
        if kind.numbered:
            yield from (found for found in inventory.of(kind, segments) if found.route.file.lists_ids)


def _listing(found: FileForPath) -> Listing:
    module, name = found.route.module, "generate_image_metadata"
    return Listing(getattr(module.module, name), module, found.kind, module.place(name))


def _tags(inventory: MetadataInventory, segments: list[str], listed: Listed, base_url: str) -> HeadLinks:
    lines: list[str] = []
    for kind, rel in _ICONS.items():
        images = _images(inventory, kind, segments, listed)
        lines += [_tag("link", rel=rel, href=each.href, type=each.media_type, sizes=each.sizes) for each in images]
    manifests = inventory.of(MetadataKind.MANIFEST, segments)
    lines += [_tag("link", rel="manifest", href=_href(found, inventory.config)) for found in manifests]
    for kind, (attribute, name) in _SOCIAL.items():
        images = list(_images(inventory, kind, segments, listed))
        if images and kind is MetadataKind.TWITTER:
            lines.append(_tag("meta", name="twitter:card", content="summary_large_image"))
        for image in images:
            lines += _social(attribute, name, image, base_url.rstrip("/"))
    return HeadLinks("\n".join(lines))


def _social(attribute: str, name: str, image: _Image, base_url: str) -> Iterator[str]:
    width, _, height = (image.sizes or "").partition("x")
    values = {
        name: base_url + image.href,
        f"{name}:type": image.media_type,
        f"{name}:width": width if height else None,
        f"{name}:height": height or None,
        f"{name}:alt": image.alt,
    }
    yield from (_tag("meta", **{attribute: key, "content": value}) for key, value in values.items() if value)


def _tag(element: str, **attributes: str | None) -> str:
    written = (f'{name}="{escape(value)}"' for name, value in attributes.items() if value is not None)
    return f"<{element} {' '.join(written)}>"


def _images(inventory: MetadataInventory, kind: MetadataKind, segments: list[str], listed: Listed) -> Iterable[_Image]:
    for found in inventory.of(kind, segments):
        if found.route.file.is_answer:
            yield _file_image(found, inventory.config)
        elif found.route.file.lists_ids:
            for segment, item in listed[found.route.pattern].items():
                yield _made_image(found, inventory.config, segment, item)
        else:
            yield _made_image(found, inventory.config)


def _file_image(found: FileForPath, config: Config) -> _Image:
    """An image file. Its URL holds a digest of its content, so that caches don't keep an old one."""
    file = found.route.file
    size = dimensions(read(file))
    extension = file.path.suffix.removeprefix(".")
    return _Image(
        f"{_href(found, config)}?{found.route.module.digest[:_HASH]}",
        MEDIA_TYPES[extension],
        "any" if extension == "svg" else None if size is None else str(size),
        _alt(file),
    )


def _alt(file: RouteFile) -> str | None:
    """The text beside an image file: opengraph-image.alt.txt."""
    path = file.path.with_suffix(".alt.txt")
    try:
        return path.read_text("utf-8").strip() if path.is_file() else None
    except UnicodeDecodeError:
        name = file.file.removesuffix(file.path.suffix)
        raise MetadataError(f"{name}.alt.txt isn't UTF-8; save it as that.") from None


def _made_image(
    found: FileForPath, config: Config, segment: str | None = None, item: Mapping[str, Any] | None = None
) -> _Image:
    """An image that a function makes, by what its module, or the item of its listing, says (R7.18)."""
    module = found.route.module
    size = size_of(module, item)
    return _Image(
        _href(found, config, segment),
        text_of(module, "content_type", item),
        None if size is None else str(size),
        text_of(module, "alt", item),
    )


def _href(found: FileForPath, config: Config, segment: str | None = None) -> str:
    params = found.params if segment is None else {**found.params, METADATA_ID: segment}
    path = canonical(build_segments(found.route.file.segments, params))
    return config.base_path + (slash_redirect(path.encode("ascii"), config.trailing_slash) or path)
