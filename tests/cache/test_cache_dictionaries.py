"""Answers that clients hold as compression dictionaries (RFC 9842). The decoder is that of the library."""

from __future__ import annotations

import base64
import json
import random
import sys
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from millpond.stores.memory import MemoryStore

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    import httpx2

    from ponds import Project, Running

pytestmark = pytest.mark.anyio

ITEMS = """
from millpond import revalidate_tag, response_tags

compression_dictionary = {chosen}
revalidate = 3600
prices = {{}}


def generate_static_params():
    return [{{"id": "built"}}]


def GET(id: str):
    response_tags("prices")
    price = prices.get(id, 100)
    return {{"id": id, "price": price, "text": [f"{{number}} of {{id}}" * 3 for number in range({count})]}}


def PUT(id: str, price: int):
    prices[id] = price
    revalidate_tag("prices")
"""
ACCEPTED = "gzip, br, zstd, dcb, dcz"


def available(body: bytes) -> str:
    return f":{base64.b64encode(sha256(body).digest()).decode()}:"


def decoded(answer: httpx2.Response, dictionary: bytes) -> bytes:
    """As a client does: the header first, by which the dictionary is known (RFC 9842 §5)."""
    frame = answer.content
    assert frame[:8] == bytes.fromhex("5e2a4d1820000000")
    assert frame[8:40] == sha256(dictionary).digest()
    return zstd.decompress(frame[40:], zstd_dict=zstd.ZstdDict(dictionary, is_raw=True).as_prefix)


async def held(served: Running, path: str) -> bytes:
    """The answer that a client gets, and keeps."""
    answer = await served.get(path, headers={"accept-encoding": "identity"})
    assert answer.headers["use-as-dictionary"]
    return answer.content


async def asked(served: Running, path: str, dictionary: bytes, **headers: str) -> httpx2.Response:
    given = {"accept-encoding": ACCEPTED, "available-dictionary": available(dictionary), **headers}
    return await served.get(path, headers=given)


@pytest.mark.parametrize("path", ["/items/built", "/items/on-demand"])
async def test_a_regenerated_answer_is_sent_as_what_changed(project: Project, path: str) -> None:
    project.routes({"/items/[id]": ITEMS.format(chosen=True, count=20)})
    async with project.serving() as served:
        former = await held(served, path)
        await served.client.put(f"{path}?price=139")
        for decision in ("MISS", "HIT", "HIT"):
            answer = await asked(served, path, former)
            assert (answer.headers["content-encoding"], answer.headers["x-nextjs-cache"]) == ("dcz", decision)
            assert json.loads(decoded(answer, former))["price"] == 139
            assert int(answer.headers["content-length"]) == len(answer.content) < 100


async def test_of_a_large_answer_with_two_fields_changed_less_than_120_bytes_are_sent(project: Project) -> None:
    words = random.Random(3)
    nouns = ["oak", "beech", "ash", "elm", "chair", "table", "shelf", "lamp", "mill", "pond"]
    text = [" ".join(words.choices(nouns, k=30)) for _ in range(140)]
    source = ITEMS.format(chosen=True, count=20).replace(
        '"text": [', f'"changed": price * 2, "long": {text!r}, "text": ['
    )
    project.routes({"/items/[id]": source})
    async with project.serving() as served:
        former = await held(served, "/items/built")
        assert len(former) > 20_000
        await served.client.put("/items/built?price=139")
        by_brotli = await served.get("/items/built", headers={"accept-encoding": "br"})
        answer = await asked(served, "/items/built", former)
        assert len(answer.content) <= 120 < int(by_brotli.headers["content-length"])
        assert json.loads(decoded(answer, former))["changed"] == 278


async def test_caches_are_told_what_it_depends_on(project: Project) -> None:
    project.routes({"/items/[id]": ITEMS.format(chosen=True, count=20)})
    async with project.serving() as served:
        answer = await served.get("/items/built")
        varied = ", ".join(answer.headers.get_list("vary"))
        assert varied == "accept-encoding, available-dictionary"
        assert answer.headers["use-as-dictionary"] == 'match="/items/built"'


async def test_its_validator_is_weak_and_holds_for_every_coding(project: Project) -> None:
    project.routes({"/items/[id]": ITEMS.format(chosen=True, count=20)})
    async with project.serving() as served:
        former = await held(served, "/items/built")
        await served.client.put("/items/built?price=139")
        plain = (await served.get("/items/built", headers={"accept-encoding": "identity"})).headers["etag"]
        answer = await asked(served, "/items/built", former)
        assert answer.headers["etag"] == f"W/{plain}"
        for _ in range(2):
            again = await asked(served, "/items/built", former, **{"if-none-match": answer.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == answer.headers["etag"]


async def test_two_clients_with_two_dictionaries_get_each_their_own(project: Project) -> None:
    project.routes({"/items/[id]": ITEMS.format(chosen=True, count=20)})
    async with project.serving() as served:
        holding = []
        for price in (1, 2, 3):
            await served.client.put(f"/items/built?price={price}")
            holding.append(await held(served, "/items/built"))
        await served.client.put("/items/built?price=4")
        for _ in range(2):
            for dictionary in holding:
                answer = await asked(served, "/items/built", dictionary)
                assert json.loads(decoded(answer, dictionary))["price"] == 4


async def test_one_answer_may_be_the_dictionary_of_many_paths(project: Project) -> None:
    project.routes({"/items/[id]": ITEMS.format(chosen='"/items/*"', count=20)})
    async with project.serving() as served:
        one = await served.get("/items/built", headers={"accept-encoding": "identity"})
        assert one.headers["use-as-dictionary"] == 'match="/items/*"'
        answer = await asked(served, "/items/b", one.content)
        assert json.loads(decoded(answer, one.content))["id"] == "b"


@pytest.mark.parametrize(("staffs", "publics"), [(True, True), (True, '"/items/*"'), ('"/staff/*"', '"/items/*"')])
async def test_who_guesses_an_answer_of_another_route_does_not_learn_that_it_is_right(
    project: Project, staffs: bool | str, publics: bool | str
) -> None:
    project.routes(
        {
            "/staff/[id]": ITEMS.format(chosen=staffs, count=21),
            "/items/[id]": ITEMS.format(chosen=publics, count=20),
        }
    )
    async with project.serving() as served:
        seen_by_staff = await held(served, "/staff/built")
        await served.client.put("/items/built?price=139")
        for _ in range(2):
            answer = await asked(served, "/items/built", seen_by_staff)
            assert answer.headers["content-encoding"] in {"gzip", "br", "zstd"}


async def test_after_a_deploy_the_answers_of_the_former_build_still_serve(project: Project) -> None:
    project.store = MemoryStore(max_bytes=2**22, clock=project.clock)
    project.routes({"/items/[id]": ITEMS.format(chosen=True, count=20)})
    async with project.serving() as served:
        former = await held(served, "/items/built")
    project.routes({"/items/[id]": ITEMS.format(chosen=True, count=20).replace("100)", "150)")})
    async with project.serving() as served:
        answer = await asked(served, "/items/built", former)
        assert json.loads(decoded(answer, former))["price"] == 150


@pytest.mark.parametrize(
    "header",
    [
        "",
        ":AAAA:",
        ":" + "A" * 44 + ":",
        ":" + "A" * 43 + "=",
        "?1",
        ":" + base64.b64encode(b"x" * 33).decode() + ":",
        ":" + base64.b64encode(b"x" * 32).decode() + ":",
        "x" * 5000,
    ],
)
async def test_an_unknown_or_malformed_dictionary_means_an_ordinary_coding(project: Project, header: str) -> None:
    project.routes({"/items/[id]": ITEMS.format(chosen=True, count=20)})
    async with project.serving() as served:
        for _ in range(2):
            answer = await served.get(
                "/items/built", headers={"accept-encoding": "dcz, gzip", "available-dictionary": header}
            )
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.json()["id"] == "built"


@pytest.mark.parametrize("accepted", ["gzip", "gzip, dcz;q=0", "gzip, dcb"])
async def test_who_does_not_accept_the_coding_gets_another(project: Project, accepted: str) -> None:
    project.routes({"/items/[id]": ITEMS.format(chosen=True, count=20)})
    async with project.serving() as served:
        former = await held(served, "/items/built")
        answer = await asked(served, "/items/built", former, **{"accept-encoding": accepted})
        assert answer.headers["content-encoding"] == "gzip"


async def test_routes_that_do_not_ask_for_it_know_nothing_of_dictionaries(project: Project) -> None:
    project.routes({"/items/[id]": ITEMS.format(chosen=False, count=20)})
    async with project.serving() as served:
        answer = await served.get("/items/built", headers={"accept-encoding": "identity"})
        assert "use-as-dictionary" not in answer.headers
        assert answer.headers["vary"] == "accept-encoding"
        assert {entry.kind for entry in served.pond.store.entries()} == {"response"}
        again = await asked(served, "/items/built", answer.content)
        assert again.headers["content-encoding"] in {"gzip", "br", "zstd"}


async def test_a_short_answer_is_no_dictionary_and_none_is_where_codings_are_off(project: Project) -> None:
    project.routes({"/items/[id]": ITEMS.format(chosen=True, count=1)})
    async with project.serving() as served:
        assert "use-as-dictionary" not in (await served.get("/items/built")).headers
    project.routes({"/items/[id]": ITEMS.format(chosen=True, count=20)})
    async with project.serving(cache={"codings": ()}) as served:
        assert "use-as-dictionary" not in (await served.get("/items/built")).headers


async def test_a_large_answer_is_compressed_by_a_large_dictionary(project: Project) -> None:
    project.store = MemoryStore(max_bytes=2**24, clock=project.clock)
    project.routes({"/items/[id]": ITEMS.format(chosen=True, count=20_000)})
    async with project.serving() as served:
        former = await held(served, "/items/built")
        assert len(former) > 600_000
        await served.client.put("/items/built?price=139")
        for _ in range(2):
            answer = await asked(served, "/items/built", former)
            assert len(answer.content) < 1000
            assert json.loads(decoded(answer, former))["price"] == 139


async def test_the_path_in_the_pattern_is_the_clients_and_no_syntax(project: Project) -> None:
    project.routes({"/items/[id]": ITEMS.format(chosen=True, count=20)})
    async with project.serving(base_path="/shop", trailing_slash=True) as served:
        for path, match in [
            ("/shop/items/built/", "/shop/items/built/"),
            ("/shop/items/caf%C3%A9/", "/shop/items/caf%C3%A9/"),
            ("/shop/items/a:b(c)/", r"/shop/items/a\\:b\\(c\\)/"),
        ]:
            answer = await served.get(path)
            assert answer.headers["use-as-dictionary"] == f'match="{match}"', path


async def test_a_base_path_is_in_the_pattern_as_it_is_sent(project: Project) -> None:
    project.routes({"/items/[id]": ITEMS.format(chosen=True, count=20)})
    async with project.serving(base_path="/café x") as served:
        for path in ("/caf%C3%A9%20x/items/built", "/caf%C3%A9%20x/items/b"):
            assert (await served.get(path)).headers["use-as-dictionary"] == f'match="{path}"'
