"""`millpond revalidate` without a server: it tells caches in front itself, and ends when they know."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from cdns import TOKEN, cdn

from millpond.cli import run

if TYPE_CHECKING:
    from cdns import Cdn

    from ponds import Project

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDN_TOKEN", TOKEN)


async def command(project: Project, cache: Cdn, *arguments: str) -> int:
    project.write(
        {
            "app/route.py": 'dynamic = "force-static"\ndef GET(): return 1\n',
            "millpond.toml": f"""
                [cdn]
                headers = ["cache-tag"]

                [[cdn.purge]]
                kind = "cloudflare"
                zone = "023e105f4ecef8ad9ca31a8372d0c353"
                token_env = "CDN_TOKEN"
                api = "{cache.url}/client/v4"
                again_after = 0.05
            """,
        }
    )
    return await asyncio.to_thread(run, ["revalidate", *arguments, "--dir", str(project.folder)])


async def test_the_command_ends_when_caches_in_front_have_acknowledged_both_purges(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    async with cdn() as cache:
        assert await command(project, cache, "--tag", "items", "--path", "/") == 0
    assert [key for key in cache.keys if key == "items"] == ["items"] * 2
    assert len(cache.keys) == 4
    assert capsys.readouterr().out == "1 tag and 1 path invalidated; the generation is 1\n"


async def test_a_purge_that_is_refused_is_an_error_and_the_invalidation_holds(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    async with cdn() as cache:
        cache.fails = [(403, {})]
        assert await command(project, cache, "--tag", "items") == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert (
            "error: invalidated here, but not purged at cloudflare 023e105f4ecef8ad9ca31a8372d0c353: "
            "it answered 403: no success."
        ) in said.err
        assert await command(project, cache, "--tag", "items") == 0
    assert "the generation is 2" in capsys.readouterr().out


async def test_without_the_secret_nothing_is_invalidated(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with cdn() as cache:
        monkeypatch.delenv("CDN_TOKEN")
        assert await command(project, cache, "--tag", "items") == 1
        assert (
            "CDN_TOKEN, which is not set; set it for the server, and for `millpond revalidate`"
            in capsys.readouterr().err
        )
        monkeypatch.setenv("CDN_TOKEN", TOKEN)
        assert await command(project, cache, "--tag", "items") == 0
    assert "the generation is 1" in capsys.readouterr().out
