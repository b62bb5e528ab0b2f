"""What manifest() returns, as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from millpond.errors import MetadataError
from millpond.metadata.web_manifest import manifest_json

if TYPE_CHECKING:
    from millpond.metadata import Manifest


def test_a_manifest_is_json_without_spaces_in_the_order_given() -> None:
    manifest: Manifest = {"name": "Wörkshop", "start_url": "/", "icons": [{"src": "/icon.png", "sizes": "any"}]}
    written = manifest_json(manifest)
    assert written.decode() == '{"name":"Wörkshop","start_url":"/","icons":[{"src":"/icon.png","sizes":"any"}]}'
    assert json.loads(written) == manifest


def test_members_that_no_specification_has_yet_go_through() -> None:
    assert json.loads(manifest_json({"tab_strip": {"home_tab": "auto"}})) == {"tab_strip": {"home_tab": "auto"}}


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        ([], "return a dict"),
        ({"name": 3}, '"name" is 3; it must be text'),
        ({"display": "full"}, "it must be 'fullscreen', 'standalone'"),
        ({"icons": [{"src": "/a"}, {}]}, '"icons[1].src" is missing'),
        ({"x": object()}, "what JSON can't hold"),
        ({"x": float("nan")}, "what JSON can't hold"),
        ({"name": "\ud800"}, '"name" holds'),
    ],
)
def test_a_wrong_member_is_named(manifest: object, problem: str) -> None:
    with pytest.raises(MetadataError) as caught:
        manifest_json(manifest)
    assert problem in str(caught.value)
