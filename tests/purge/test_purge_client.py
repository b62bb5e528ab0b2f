"""`millpond.client` through a store: it tells caches in front itself, also from an event loop that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cdns import TOKEN, cdn

from millpond.client import AsyncClient, Client
from millpond.errors import ConfigError, PurgeError
from millpond.stores.factory import invalidation_of

if TYPE_CHECKING:
    from cdns import Cdn

    from ponds import Project

pytestmark = pytest.mark.anyio


def write(project: Project, cache: Cdn) -> None:
    from millpond.config import load_config

    project.write(
        {
            ".env": f"CDN_TOKEN={TOKEN}\n",
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
    invalidation_of(project.folder, load_config(project.folder).cache, 5, creates=True).close()


async def test_a_call_ends_when_caches_in_front_have_acknowledged_both_purges(project: Project) -> None:
    async with cdn() as cache:
        write(project, cache)
        reached = await AsyncClient(project.folder).revalidate(tags=["items"], paths=["/a"])
        assert reached.generation == 1
    assert [key for key in cache.keys if key == "items"] == ["items"] * 2
    assert len(cache.keys) == 4


async def test_a_purge_that_is_refused_is_an_error_and_the_invalidation_holds(project: Project) -> None:
    async with cdn() as cache:
        write(project, cache)
        cache.fails = [(403, {})]
        with pytest.raises(PurgeError, match="invalidated here, but not purged at cloudflare"):
            await AsyncClient(project.folder).revalidate_tag("items")
        assert (await AsyncClient(project.folder).revalidate_tag("items")).generation == 2


async def test_a_cache_that_doesnt_answer_is_waited_for_as_long_as_the_call_says(project: Project) -> None:
    async with cdn() as cache:
        write(project, cache)
        cache.fails = [(503, {})] * 100
        with pytest.raises(PurgeError, match=r"not acknowledged within 0\.2 s"):
            await AsyncClient(project.folder, purge_timeout=0.2).revalidate_tag("items")


async def test_without_the_secret_nothing_is_invalidated(project: Project) -> None:
    async with cdn() as cache:
        write(project, cache)
        project.write({".env": ""})
        with pytest.raises(ConfigError, match="CDN_TOKEN, which is not set"):
            Client(project.folder).revalidate_tag("items")
        project.write({".env": f"CDN_TOKEN={TOKEN}\n"})
        assert (await AsyncClient(project.folder).revalidate_tag("items")).generation == 1
