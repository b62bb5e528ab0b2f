"""Whether an answer still holds what the build read is judged by the answer that is stored, and not by its route."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from millpond.config import parse_config
from millpond.prerender.build_manifest import read_entries, read_manifest
from millpond.prerender.frozen_environment import drift
from millpond.prerender.later_renders import rendered_since
from millpond.stores.factory import store_folder
from millpond.stores.lmdb.store import LmdbStore

if TYPE_CHECKING:
    from millpond.policy.entry import Entry
    from millpond.prerender.build_manifest import BuildManifest
    from ponds import Project

pytestmark = pytest.mark.anyio

TEAMS = """
import os
revalidate = 60
def generate_static_params():
    return [{"id": "1"}, {"id": "2"}]
async def GET(id: str):
    return os.environ["API_URL"]
"""
USERS = """
import os
revalidate = 60
async def GET():
    return os.environ["API_URL"]
"""
CACHE = parse_config({"cache": {"store": "lmdb"}}, "millpond.toml").cache


@pytest.fixture
async def manifest(project: Project, monkeypatch: pytest.MonkeyPatch) -> BuildManifest:
    monkeypatch.setenv("API_URL", "https://swordfish.example")
    project.routes({"/teams/[id]": TEAMS, "/users": USERS})
    await project.built()
    found = read_manifest(project.folder)
    assert found is not None
    return found


async def serve(project: Project, manifest: BuildManifest, *again: str) -> None:
    """What a server leaves in the store that has rendered some paths again."""
    store = LmdbStore(store_folder(project.folder, CACHE), max_bytes=2**20, clock=lambda: manifest.built_at + 100)
    await store.open()
    entries: list[Entry] = list(read_entries(project.folder, manifest))
    await store.seed(entries)
    for entry in entries:
        if entry.key.split("\0")[2:3] in ([path] for path in again):
            await store.commit(replace(entry, rendered_at=manifest.built_at + 60))
    await store.close()


def drifted(project: Project, manifest: BuildManifest) -> list[str]:
    again = rendered_since(project.folder, CACHE, manifest)
    return drift(project.folder, manifest, {"API_URL": "https://else.example"}, again)


async def test_without_a_store_all_answers_are_the_builds(project: Project, manifest: BuildManifest) -> None:
    [sentence] = drifted(project, manifest)
    assert "/teams/[id]" in sentence
    assert "/users" in sentence


async def test_a_route_whose_answers_were_all_rendered_again_holds_nothing_of_the_build(
    project: Project, manifest: BuildManifest
) -> None:
    await serve(project, manifest, "/users")
    [sentence] = drifted(project, manifest)
    assert "/teams/[id]" in sentence
    assert "/users" not in sentence
    await serve(project, manifest, "/teams/1")
    assert len(drifted(project, manifest)) == 1
    await serve(project, manifest, "/teams/2")
    assert drifted(project, manifest) == []


async def test_another_build_is_judged_by_its_own_answers(project: Project, manifest: BuildManifest) -> None:
    await serve(project, manifest, "/users", "/teams/1", "/teams/2")
    assert drifted(project, manifest) == []
    await project.built()
    latest = read_manifest(project.folder)
    assert latest is not None
    [sentence] = drifted(project, latest)
    assert "/users" in sentence


async def test_in_a_memory_store_nothing_outlives_a_start(project: Project, manifest: BuildManifest) -> None:
    await serve(project, manifest, "/users", "/teams/1", "/teams/2")
    memory = parse_config({"cache": {"store": "memory"}}, "millpond.toml").cache
    assert rendered_since(project.folder, memory, manifest) == frozenset()
