"""The web app manifest: its members, and its JSON (R7.16; W3C Web Application Manifest)."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any, Literal, NotRequired

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from millpond.errors import MetadataError
from millpond.metadata.validation import ANY_TEXT, refuse_shape, shaped, without_absent

_OPEN = ConfigDict(extra="allow", strict=True)
"""Browsers read members that no specification has yet: what isn't known goes through."""

DisplayMode = Literal["fullscreen", "standalone", "minimal-ui", "browser"]


@with_config(_OPEN)
class ManifestImage(TypedDict):
    """An icon."""

    src: str
    sizes: NotRequired[str]
    """ "192x192 512x512", or "any"."""
    type: NotRequired[str]
    purpose: NotRequired[str]
    """ "any", "maskable" or "monochrome", divided by spaces."""


@with_config(_OPEN)
class Screenshot(TypedDict):
    """A picture for the dialogue that asks whether to install."""

    src: str
    sizes: NotRequired[str]
    type: NotRequired[str]
    label: NotRequired[str]
    form_factor: NotRequired[Literal["narrow", "wide"]]
    platform: NotRequired[str]


@with_config(_OPEN)
class Shortcut(TypedDict):
    """An entry of the menu at the app's icon."""

    name: str
    url: str
    short_name: NotRequired[str]
    description: NotRequired[str]
    icons: NotRequired[list[ManifestImage]]


@with_config(_OPEN)
class RelatedApplication(TypedDict):
    """An app in a store."""

    platform: str
    url: NotRequired[str]
    id: NotRequired[str]


@with_config(_OPEN)
class ProtocolHandler(TypedDict):
    """A URL scheme that the app opens; `url` holds "%s"."""

    protocol: str
    url: str


@with_config(_OPEN)
class FileHandler(TypedDict):
    """Files that the app opens: media type -> extensions."""

    action: str
    accept: dict[str, str | list[str]]
    name: NotRequired[str]
    icons: NotRequired[list[ManifestImage]]
    launch_type: NotRequired[Literal["single-client", "multiple-clients"]]


@with_config(_OPEN)
class ShareFile(TypedDict):
    """Files that the app takes from the system's share menu."""

    name: str
    accept: str | list[str]


@with_config(_OPEN)
class ShareParams(TypedDict):
    """The names of the fields in which shared data arrives."""

    title: NotRequired[str]
    text: NotRequired[str]
    url: NotRequired[str]
    files: NotRequired[ShareFile | list[ShareFile]]


@with_config(_OPEN)
class ShareTarget(TypedDict):
    """Where the system's share menu sends to."""

    action: str
    params: ShareParams
    method: NotRequired[Literal["GET", "POST", "get", "post"]]
    enctype: NotRequired[Literal["application/x-www-form-urlencoded", "multipart/form-data"]]


@with_config(_OPEN)
class LaunchHandler(TypedDict):
    """Which window a link opens in."""

    client_mode: str | list[str]


@with_config(_OPEN)
class Manifest(TypedDict):
    """What manifest() returns. Members that aren't here are written as they are."""

    name: NotRequired[str]
    short_name: NotRequired[str]
    description: NotRequired[str]
    id: NotRequired[str]
    start_url: NotRequired[str]
    scope: NotRequired[str]
    lang: NotRequired[str]
    dir: NotRequired[Literal["ltr", "rtl", "auto"]]
    display: NotRequired[DisplayMode]
    display_override: NotRequired[list[str]]
    orientation: NotRequired[
        Literal[
            "any",
            "natural",
            "landscape",
            "landscape-primary",
            "landscape-secondary",
            "portrait",
            "portrait-primary",
            "portrait-secondary",
        ]
    ]
    background_color: NotRequired[str]
    theme_color: NotRequired[str]
    categories: NotRequired[list[str]]
    iarc_rating_id: NotRequired[str]
    icons: NotRequired[list[ManifestImage]]
    screenshots: NotRequired[list[Screenshot]]
    shortcuts: NotRequired[list[Shortcut]]
    related_applications: NotRequired[list[RelatedApplication]]
    prefer_related_applications: NotRequired[bool]
    protocol_handlers: NotRequired[list[ProtocolHandler]]
    file_handlers: NotRequired[list[FileHandler]]
    share_target: NotRequired[ShareTarget]
    launch_handler: NotRequired[LaunchHandler]


@functools.cache
def _shape() -> TypeAdapter[Any]:
    return TypeAdapter(Manifest)


def manifest_json(returned: object) -> bytes:
    """The manifest of what `manifest()` returned: JSON without spaces, and without members that are None.

    Raises:
        MetadataError: it isn't a dict, a member is wrong, or a value has no JSON.
    """
    if not isinstance(returned, Mapping):
        refuse_shape(returned, "manifest", 'a dict: {"name": "…", "start_url": "/"}')
    manifest = without_absent(returned, "manifest()")
    shaped(_shape(), dict(returned), "manifest()", forbidden=ANY_TEXT)
    try:
        text = json.dumps(manifest, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise MetadataError(f"manifest() returned what JSON can't hold: {error}.") from None
    return text.encode()
