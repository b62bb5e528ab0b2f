"""Whether a server has the environment of the build: told without the values, which nobody can read off a build."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from millpond.config.project.build_output import OUTPUT
from millpond.prerender.build_manifest import read_manifest
from millpond.prerender.frozen_environment import drift, fingerprint

if TYPE_CHECKING:
    from millpond.prerender.build_manifest import BuildManifest
    from ponds import Project

pytestmark = pytest.mark.anyio

SOURCES = {
    "/users": """
    import os
    dynamic = "force-static"
    def GET():
        os.environ.get("OTHER")
        return os.environ["API_URL"]
    """,
    "/teams": """
    import os
    revalidate = 60
    async def GET():
        return os.environ["API_URL"]
    """,
    "/cached": """
    import os
    from millpond import cached
    dynamic = "force-static"
    @cached
    def base():
        return os.environ["BASE"]
    def GET():
        return base()
    """,
    "/calm": """
    dynamic = "force-static"
    def GET():
        return 1
    """,
}
AT_BUILD = {"API_URL": "https://swordfish.example", "BASE": ""}
REMEDY = "Build with the server's environment, or read it in a live route."


@pytest.fixture
async def manifest(project: Project, monkeypatch: pytest.MonkeyPatch) -> BuildManifest:
    for name in ("OTHER", "API_URL", "BASE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in AT_BUILD.items():
        monkeypatch.setenv(name, value)
    project.routes(SOURCES)
    await project.built()
    found = read_manifest(project.folder)
    assert found is not None
    return found


async def test_what_the_build_had_is_no_drift(project: Project, manifest: BuildManifest) -> None:
    assert list(manifest.environment) == ["API_URL", "BASE", "OTHER"]
    assert drift(project.folder, manifest, AT_BUILD) == []
    assert drift(project.folder, manifest, {**AT_BUILD, "UNREAD": "1"}) == []


async def test_each_variable_that_differs_is_told_with_the_answers_that_hold_it(
    project: Project, manifest: BuildManifest
) -> None:
    assert drift(project.folder, manifest, {"API_URL": "https://else.example", "OTHER": ""}) == [
        "API_URL isn't what it was at build. Until they are rendered again, the build's value is in "
        f"/teams (app/teams/route.py:5), /users (app/users/route.py:6). {REMEDY}",
        "BASE isn't set here, and was at build. Until they are rendered again, the build's value is in "
        f"@cached base() (app/cached/route.py:7, used by /cached). {REMEDY}",
        "OTHER is set here, and wasn't at build. Until they are rendered again, the build's value is in "
        f"/users (app/users/route.py:5). {REMEDY}",
    ]


async def test_the_build_holds_no_value_and_the_manifest_not_even_what_would_tell_a_guess(
    project: Project, manifest: BuildManifest
) -> None:
    [key] = (project.folder / OUTPUT).glob("environment-*.key")
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.name == f"environment-{manifest.build}.key"
    written = msgspec.json.encode(manifest)
    assert b"swordfish" not in written
    assert key.read_bytes() not in written
    assert key.read_bytes().hex().encode() not in written


async def test_two_builds_of_one_environment_cant_be_compared(project: Project, manifest: BuildManifest) -> None:
    seen = {tuple(manifest.environment.values())}
    for _ in range(3):
        await project.built()
        again = read_manifest(project.folder)
        assert again is not None
        seen.add(tuple(again.environment.values()))
    assert len(seen) == 4


async def test_a_lost_key_is_told_and_keeps_nobody_from_serving(project: Project, manifest: BuildManifest) -> None:
    [key] = (project.folder / OUTPUT).glob("environment-*.key")
    key.unlink()
    [sentence] = drift(project.folder, manifest, {})
    assert sentence == (
        f"{key} can't be read (No such file or directory): whether the environment is the build's can't be told."
    )


async def test_a_build_that_reads_no_variable_has_no_key(project: Project) -> None:
    project.routes({"/": SOURCES["/calm"]})
    await project.built()
    found = read_manifest(project.folder)
    assert found is not None
    assert found.environment == {}
    assert list((project.folder / OUTPUT).glob("environment-*")) == []
    assert drift(project.folder, found, {}) == []


async def test_whoever_serves_a_build_is_warned(
    project: Project, manifest: BuildManifest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("BASE", "/else")
    async with project.started() as running:
        assert (await running.get("/users")).json() == AT_BUILD["API_URL"]
    messages = [record.getMessage() for record in caplog.records if record.name == "millpond.environment"]
    assert [message.partition(" ")[0] for message in messages] == ["BASE"]


def test_a_fingerprint_tells_unset_from_empty_and_one_name_from_another() -> None:
    key = b"k" * 32
    assert len({fingerprint(key, "A", None), fingerprint(key, "A", ""), fingerprint(key, "A", "a")}) == 3
    assert fingerprint(key, "A", "a") != fingerprint(key, "B", "a")
    assert fingerprint(key, "A", "B=c") != fingerprint(key, "A=B", "c")
    assert fingerprint(key, "A", "a") == fingerprint(key, "A", "a")
    assert len(fingerprint(key, "A", "a")) == 4
