"""The output of a build on disk: whole or not there, portable, and refused when it doesn't belong."""

from __future__ import annotations

import os
import shutil
import threading
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from millpond.config.project.build_output import OUTPUT
from millpond.errors import BuildError
from millpond.prerender.build_manifest import BuildManifest, read_entries, read_manifest, write_build
from millpond.stores.frame import FRAME_VERSION
from ponds import NOON, Project, cache_of, start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from millpond.policy.entry import Entry

pytestmark = pytest.mark.anyio

SHOP = {
    "/": "revalidate = 60\ndef GET(): return 'home'\n",
    "/live": "def GET(request): return dict(request.headers)\n",
    "/items/[id]": "def generate_static_params(): return [{'id': 'é/1'}, {'id': '2'}]\ndef GET(id): return id\n",
    "/closed/[id]": "dynamic_params = False\ndef generate_static_params(): return []\ndef GET(id): return id\n",
}


@pytest.fixture
async def shop(project: Project) -> Project:
    project.routes(SHOP)
    await project.built()
    return project


def manifest_of(project: Project) -> BuildManifest:
    manifest = read_manifest(project.folder)
    assert manifest is not None
    return manifest


def entries_file(project: Project) -> Path:
    (path,) = (project.folder / OUTPUT).glob("entries-*.bin")
    return path


async def test_what_is_read_is_what_was_built(project: Project) -> None:
    project.routes(SHOP)
    built = await project.build()
    assert read_manifest(project.folder) == built.manifest
    entries = list(read_entries(project.folder, built.manifest))
    assert {entry.body for entry in entries} == {b'"home"', '"é/1"'.encode(), b'"2"'}
    assert {entry.build for entry in entries} == {built.manifest.build}
    assert {entry.rendered_at for entry in entries} == {NOON}


async def test_without_a_build_there_is_no_manifest(project: Project) -> None:
    assert read_manifest(project.folder) is None


async def test_the_output_works_in_another_folder_and_names_no_path_of_the_machine(
    shop: Project, tmp_path: Path
) -> None:
    for path in (shop.folder / ".millpond").rglob("*"):
        if path.is_file():
            assert str(tmp_path).encode() not in path.read_bytes(), path
    moved = Project(tmp_path / "elsewhere" / "deeper", shop.clock)
    shutil.copytree(shop.folder, moved.folder)
    shutil.rmtree(shop.folder / ".millpond")
    async with moved.started() as running:
        for url in ("/", "/items/2", "/items/%C3%A9%2F1"):
            assert await running.cache(url) == "HIT"


async def test_a_new_build_replaces_the_former_one_whole(shop: Project) -> None:
    former = manifest_of(shop)
    shop.clock.move(5)
    shop.routes({"/": "revalidate = 60\ndef GET(): return 'new home'\n"})
    await shop.built()
    assert manifest_of(shop).build != former.build
    async with shop.started() as running:
        answer = await running.get("/")
        assert (answer.json(), cache_of(answer), answer.headers["age"]) == ("new home", "HIT", "0")


async def test_a_failed_build_leaves_the_former_one_in_place(shop: Project) -> None:
    former = manifest_of(shop)
    shop.routes({"/": "revalidate = 60\ndef GET(): return 1 / 0\n"})
    await shop.failures()
    assert manifest_of(shop) == former
    assert len(list(read_entries(shop.folder, former))) == 3


async def test_a_reader_during_a_replacement_sees_the_old_build_or_the_new_one(shop: Project) -> None:
    manifest = manifest_of(shop)
    entries: list[Entry] = list(read_entries(shop.folder, manifest))
    seen: list[str] = []
    wrong: list[object] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            try:
                found = read_manifest(shop.folder)
                if found is None:
                    wrong.append("no build")
                else:
                    seen.append(found.build)
                    wrong.extend(entry for entry in read_entries(shop.folder, found) if entry.build != found.build)
            except BuildError as error:
                wrong.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(60):
            build = f"build{number}"
            mine = [msgspec.structs.replace(entry, build=build) for entry in entries]
            write_build(shop.folder, msgspec.structs.replace(manifest, build=build), mine)
    finally:
        over.set()
        reader.join()
    assert wrong == []
    assert len(set(seen)) > 1


async def test_two_builds_at_once_leave_one_of_them_whole(shop: Project) -> None:
    manifest = manifest_of(shop)
    entries: list[Entry] = list(read_entries(shop.folder, manifest))

    def write(name: str) -> None:
        for number in range(20):
            build = f"{name}{number}"
            mine = [msgspec.structs.replace(entry, build=build) for entry in entries]
            write_build(shop.folder, msgspec.structs.replace(manifest, build=build), mine)

    threads = [threading.Thread(target=write, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    final = manifest_of(shop)
    assert final.build in ("a19", "b19")
    assert {entry.build for entry in read_entries(shop.folder, final)} == {final.build}


async def test_what_old_builds_left_behind_goes_in_time(shop: Project) -> None:
    output = shop.folder / OUTPUT
    first = entries_file(shop)
    long_ago = time.time() - 7200
    (output / "manifest.json-killed").write_text("{}")
    os.utime(output / "manifest.json-killed", (long_ago, long_ago))
    os.utime(first, (long_ago, long_ago))
    await shop.built()
    assert first.exists()  # the former build's: somebody may have just read its manifest
    assert not (output / "manifest.json-killed").exists()
    await shop.built()
    assert not first.exists()


async def test_the_output_is_for_its_owner_alone(shop: Project) -> None:
    assert (shop.folder / OUTPUT).stat().st_mode & 0o077 == 0  # the manifest holds the secret of draft mode


async def test_an_output_that_cant_be_written_is_an_error_that_names_it(project: Project) -> None:
    project.routes(SHOP)
    project.write({".millpond": "a file is in the way"})
    with pytest.raises(BuildError, match=r"\.millpond/build can't be written: "):
        await project.build()


async def test_a_build_of_another_version_is_refused(shop: Project) -> None:
    path = shop.folder / OUTPUT / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"millpond": "', b'"millpond": "9.9-', 1))
    with pytest.raises(BuildError, match=r"was made by Millpond 9\.9-.*; run `millpond build` again\."):
        await start(shop.pond())


async def test_a_build_whose_entries_were_written_in_another_way_is_refused(shop: Project) -> None:
    path = shop.folder / OUTPUT / "manifest.json"
    for former in (b'"frames": 2', b'"former": 3'):  # the field came later than manifests did
        content = path.read_bytes()
        path.write_bytes(content.replace(b'"frames": %d' % FRAME_VERSION, former, 1))
        with pytest.raises(BuildError, match=r"\(entries [02]\), and this is .* run `millpond build` again\."):
            await start(shop.pond())
        path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: b"\xff\xfe" + content,
        lambda content: b"[]",
        lambda content: content.replace(b'"routes"', b'"ruotes"'),
        lambda content: content.replace(b'"static": true', b'"static": "yes"'),
    ],
    ids=["empty", "cut short", "not text", "another shape", "a field missing", "a wrong type"],
)
async def test_a_damaged_manifest_is_refused(shop: Project, damage: Callable[[bytes], bytes]) -> None:
    path = shop.folder / OUTPUT / "manifest.json"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BuildError, match="run `millpond build` again"):
        await start(shop.pond())


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content[:20],
        lambda content: content[:4],
        lambda content: content.replace(b"home", b"hame"),
        lambda content: b"\xff" * 8 + content[8:],
        lambda content: content[: 8 + int.from_bytes(content[:8], "big")],
    ],
    ids=["empty", "cut short", "a piece", "half a length", "a wrong byte", "a huge length", "a frame missing"],
)
async def test_damaged_entries_are_refused(shop: Project, damage: Callable[[bytes], bytes]) -> None:
    path = entries_file(shop)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BuildError, match=r"entries-.*\.bin is damaged; run `millpond build` again\."):
        await start(shop.pond())


async def test_missing_entries_are_refused(shop: Project) -> None:
    entries_file(shop).unlink()
    with pytest.raises(BuildError, match=r"can't be read: No such file.*; run `millpond build` again\."):
        await start(shop.pond())


async def test_an_edited_route_is_served_with_a_warning(shop: Project, caplog: pytest.LogCaptureFixture) -> None:
    shop.routes({"/": "revalidate = 60\ndef GET(): return 'edited'\n"})
    async with shop.started() as running:
        assert (await running.get("/")).json() == "home"
    assert "app/route.py was edited after the build; its static answers are from before the edit" in caplog.text


async def test_an_added_or_a_removed_route_is_refused(shop: Project) -> None:
    shop.routes({"/added": "def GET(): return 1\n"})
    with pytest.raises(BuildError, match=r"^app/added/route\.py was added after the build; run `millpond build` again"):
        await start(shop.pond())
    shutil.rmtree(shop.folder / "app/added")
    shutil.rmtree(shop.folder / "app/live")
    with pytest.raises(BuildError, match=r"^app/live/route\.py was removed after the build"):
        await start(shop.pond())


async def test_another_compat_is_refused(shop: Project) -> None:
    with pytest.raises(BuildError, match=r'made with compat = "16", but the configuration now has "15"'):
        await start(shop.pond(compat="15"))


async def test_the_secret_of_draft_mode_is_kept_over_builds_and_damage_costs_only_it(shop: Project) -> None:
    secret = manifest_of(shop).draft_secret
    assert len(secret) >= 32
    await shop.built()
    assert manifest_of(shop).draft_secret == secret
    (shop.folder / OUTPUT / "manifest.json").write_text("{")
    await shop.built()
    assert manifest_of(shop).draft_secret not in ("", secret)


async def test_an_entry_of_another_build_is_never_served(shop: Project) -> None:
    async with shop.started() as running:
        entry = running.entry("/")
        assert entry is not None
        await running.pond.store.remove(entry.key)
        await running.pond.store.commit(msgspec.structs.replace(entry, build="another", body=b"old"))
        answer = await running.get("/")
        assert (answer.json(), cache_of(answer)) == ("home", "MISS")
        assert "detail=other-build" in answer.headers["cache-status"]
