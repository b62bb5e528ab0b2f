"""QUERY together with hosts and values in the key: nobody gets another tenant's answer to the same body."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from millpond import revalidate_path
from ponds import cache_of

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

TENANTS = """
    from fastapi import Request
    from pydantic import BaseModel

    revalidate = 60
    cache_query_body = True
    cache_host = True
    hosts = ["a.example", "b.example"]
    cache_vary = {"accept-language": ["en", "de"]}

    class Search(BaseModel):
        term: str

    async def QUERY(request: Request, search: Search):
        return [request.url.hostname, request.headers["accept-language"], search.term]
"""


async def asked(running: Running, host: str, language: str = "en") -> tuple[str | None, list[str]]:
    headers = {"host": host, "accept-language": language, "content-type": "application/json"}
    answer = await running.client.request("QUERY", "/search", content=json.dumps({"term": "oak"}), headers=headers)
    return cache_of(answer), answer.json()


@pytest.mark.parametrize("rounds", [1, 3])
async def test_each_host_and_language_has_its_own_answer_to_a_body(project: Project, rounds: int) -> None:
    project.routes({"/search": TENANTS})
    async with project.serving() as running:
        for number in range(rounds):
            cache = "HIT" if number else "MISS"
            for host in ("a.example", "b.example"):
                for language in ("en", "de"):
                    assert await asked(running, host, language) == (cache, [host, language, "oak"])


async def test_a_host_that_is_not_listed_is_refused(project: Project) -> None:
    project.routes({"/search": TENANTS})
    async with project.serving() as running:
        headers = {"host": "c.example", "content-type": "application/json"}
        answer = await running.client.request("QUERY", "/search", content='{"term": "oak"}', headers=headers)
        assert answer.status_code == 421


async def test_one_hosts_answers_can_be_invalidated(project: Project) -> None:
    project.routes({"/search": TENANTS})
    async with project.serving() as running:
        for host in ("a.example", "b.example"):
            await asked(running, host)
        revalidate_path("/search", host="b.example")
        assert [(await asked(running, host))[0] for host in ("a.example", "b.example")] == ["HIT", "MISS"]
