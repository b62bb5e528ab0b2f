"""`[revalidate_endpoint]` with a preset: what a sender gets, and what its calls do."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastapi import FastAPI
from webhook_examples import EXAMPLES, SECRET, STANDARD_SECRET, Example

from millpond.errors import ConfigError, StoreError
from millpond.stores.memory import MemoryStore
from millpond.testing import SignedWebhook, sign_webhook
from ponds import Project, Running, client_of, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from millpond.policy.webhooks.presets import Preset

pytestmark = pytest.mark.anyio

POSTS = """
    from millpond import cache_tag, cached

    revalidate = 3600

    @cached(tags=["posts", "post", "post:oak-chair"])
    def post():
        return 1

    def generate_static_params():
        return [{"slug": "oak-chair"}]

    def GET(slug: str):
        return post()
"""
PATH = "/posts/oak-chair"
SIMPLE: dict[str, Any] = {"preset": "sanity", "secret": SECRET, "tags": ["post:{slug}"]}


@asynccontextmanager
async def shop(project: Project, *endpoints: dict[str, Any], **config: Any) -> AsyncIterator[Running]:
    project.routes({"/posts/[slug]": POSTS})
    async with project.serving(revalidate_endpoint=list(endpoints), **config) as running:
        yield running


def of(example: Example, project: Project, **options: Any) -> SignedWebhook:
    given = {"headers": example.headers, "now": project.clock(), **options}
    return sign_webhook(example.preset, example.payload, example.secret, **given)


def sanity(project: Project, payload: object, **options: Any) -> SignedWebhook:
    return sign_webhook("sanity", payload, SECRET, **{"now": project.clock(), **options})


async def send(pond: Running, call: SignedWebhook, path: str = "/api/revalidate") -> httpx2.Response:
    return await pond.post(path, headers=call.headers, content=call.content)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.preset)
async def test_a_call_of_each_sender_invalidates_what_the_configuration_maps_it_to(
    project: Project, example: Example
) -> None:
    async with shop(project, example.table) as pond:
        answer = await send(pond, of(example, project))
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        report = answer.json()
        assert "warnings" not in report
        assert report == {
            "tags": len(example.tags),
            "paths": len(example.paths),
            "generation": 1,
            "invalidated": {"tags": example.tags, "paths": example.paths},
        }
        hit = PATH in example.paths or not {"posts", "post", "post:oak-chair"}.isdisjoint(example.tags)
        assert await pond.cache(PATH) == ("MISS" if hit else "HIT")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.preset)
async def test_a_call_that_isnt_the_senders_is_401_and_changes_nothing(project: Project, example: Example) -> None:
    async with shop(project, example.table) as pond:
        call = of(example, project)
        wrong = Example(example.preset, {}, [], secret="whsec_" + "B" * 32 if "whsec" in example.secret else "b" * 64)
        forged = sign_webhook(
            example.preset, example.payload, wrong.secret, headers=example.headers, now=project.clock()
        )
        for refused in (forged, SignedWebhook(example.headers, call.content), SignedWebhook(call.headers, b"[]")):
            answer = await send(pond, refused)
            unsigned = refused.content == b"[]" and example.preset in ("strapi", "payload", "bearer")
            assert answer.status_code == (200 if unsigned else 401), "a token signs no body"
            assert SECRET not in answer.text
        assert await pond.cache(PATH) == "HIT"


async def test_several_senders_have_an_endpoint_each(project: Project) -> None:
    other = {"preset": "strapi", "secret": "b" * 32, "path": "/hooks/strapi", "tags": ["{model}"]}
    plain = {"secret": "c" * 32, "path": "/hooks/plain"}
    async with shop(project, SIMPLE, other, plain) as pond:
        assert (await send(pond, sanity(project, {"slug": "x"}))).status_code == 200
        call = sign_webhook("strapi", {"model": "post"}, "b" * 32)
        assert (await send(pond, call)).status_code == 401, "that is the endpoint of Sanity"
        assert (await send(pond, call, "/hooks/strapi")).json()["invalidated"]["tags"] == ["post"]
        assert await pond.cache(PATH) == "MISS"
        answer = await pond.post("/hooks/plain", headers={"authorization": f"Bearer {'c' * 32}"}, json={"tags": ["t"]})
        assert answer.json() == {"tags": 1, "paths": 0, "generation": 3}


async def test_a_call_that_is_sent_again_is_told_so_and_changes_nothing(project: Project) -> None:
    async with shop(project, SIMPLE) as pond:
        call = sanity(project, {"slug": "oak-chair"})
        assert (await send(pond, call)).json()["generation"] == 1
        assert await pond.cache(PATH) == "MISS"
        again = await send(pond, call)
        assert again.status_code == 200, "or the sender would send it once more"
        assert again.json() == {
            "tags": 0,
            "paths": 0,
            "generation": 1,
            "invalidated": {"tags": [], "paths": []},
            "replayed": True,
            "warnings": ["this delivery was received before"],
        }
        assert await pond.cache(PATH) == "HIT"
        project.clock.move(1)
        assert (await send(pond, sanity(project, {"slug": "oak-chair"}))).json()["generation"] == 2


async def test_workers_that_share_a_store_know_each_others_deliveries(project: Project) -> None:
    project.store = MemoryStore(max_bytes=2**20, clock=project.clock)
    async with shop(project, SIMPLE) as pond, project.started(revalidate_endpoint=[SIMPLE]) as other:
        call = sanity(project, {"slug": "oak-chair"})
        assert "replayed" not in (await send(pond, call)).json()
        assert (await send(other, call)).json()["replayed"] is True


@pytest.mark.parametrize("preset", ["github", "storyblok", "strapi"])
async def test_a_scheme_without_time_and_id_takes_the_same_call_each_time(project: Project, preset: Preset) -> None:
    """Two publications of one story have the same bytes there, and each has to count."""
    async with shop(project, {"preset": preset, "secret": SECRET, "tags": ["t"]}) as pond:
        call = sign_webhook(preset, {"action": "published"}, SECRET)
        assert [(await send(pond, call)).json()["generation"] for _ in range(2)] == [1, 2]


async def test_an_old_call_is_401_and_no_attempt_to_guess(project: Project) -> None:
    async with shop(project, {**SIMPLE, "tolerance": "1m", "per_minute": 1}) as pond:
        call = sanity(project, {"slug": "oak-chair"})
        project.clock.move(61)
        for _ in range(3):
            answer = await send(pond, call)
            assert (answer.status_code, answer.json()["error"]) == (401, "the signature is 61 s old, over 60 s")
        assert await pond.cache(PATH) == "HIT"


async def test_more_wrong_signatures_than_a_minute_allows_are_429_and_right_ones_pass(project: Project) -> None:
    async with shop(project, {**SIMPLE, "per_minute": 2}) as pond:
        wrong = sign_webhook("sanity", {}, "b" * 32, now=project.clock())
        answers = [await send(pond, wrong) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert answers[-1].headers["retry-after"] == "31"
        assert (await send(pond, sanity(project, {"slug": "x"}))).status_code == 200


async def test_an_event_that_nothing_is_mapped_to_is_200_with_a_note(project: Project) -> None:
    endpoint = {**SIMPLE, "when": {"_type": "post"}}
    async with shop(project, endpoint) as pond:
        for payload, note in (
            ({"_type": "page", "slug": "oak-chair"}, "the configuration maps no such event"),
            ({"_type": "post"}, 'there is no value of "slug" in the payload'),
        ):
            answer = await send(pond, sanity(project, payload))
            assert (answer.status_code, answer.json()["tags"]) == (200, 0)
            assert answer.json()["warnings"] == [note]
        assert await pond.cache(PATH) == "HIT"


async def test_options_of_a_mapping_count_for_its_tags_and_paths(project: Project) -> None:
    endpoint = {
        "preset": "bearer",
        "secret": SECRET,
        "map": [
            {"when": {"kind": "soft"}, "tags": ["post:{slug}"], "profile": "max"},
            {"when": {"kind": "all"}, "paths": ["/posts"], "type": "layout"},
        ],
    }
    async with shop(project, endpoint) as pond:
        for kind, cache in (("soft", "STALE"), ("all", "MISS")):
            call = sign_webhook("bearer", {"kind": kind, "slug": "oak-chair"}, SECRET)
            assert (await send(pond, call)).status_code == 200
            assert await pond.cache(PATH) == cache
            await pond.settle()


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        (b"{", 400, "the payload is no JSON"),
        (b"\xff", 400, "the payload is no JSON"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (json.dumps({"slug": list(range(200))}).encode(), 400, "more than 128 values"),
        (json.dumps({"slug": "x" * 300}).encode(), 400, "256"),
        (b" " * (1024 * 1024 + 1), 413, "over 1048576 bytes"),
    ],
)
async def test_a_payload_that_makes_no_sense_is_refused_and_says_why(
    project: Project, content: bytes, status: int, says: str
) -> None:
    async with shop(project, SIMPLE) as pond:
        answer = await send(pond, sanity(project, content))
        assert answer.status_code == status
        assert says in answer.json()["error"]
        assert len(answer.content) < 1000


async def test_a_form_of_github_is_told_which_content_type_to_choose(project: Project) -> None:
    async with shop(project, {"preset": "github", "secret": SECRET, "tags": ["t"]}) as pond:
        form = {"content-type": "application/x-www-form-urlencoded"}
        answer = await send(pond, sign_webhook("github", b"payload=%7B%7D", SECRET, headers=form))
        assert answer.status_code == 400
        assert 'set the webhook\'s content type to "application/json"' in answer.json()["error"]


async def test_a_token_is_looked_at_before_a_body_is_read(project: Project) -> None:
    async with shop(project, {"preset": "strapi", "secret": SECRET, "tags": ["t"], "max_bytes": 10}) as pond:
        answer = await pond.post("/api/revalidate", headers={"authorization": "Bearer x"}, content=b"x" * 100)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_only_post_is_taken(project: Project) -> None:
    async with shop(project, SIMPLE) as pond:
        assert (await pond.get("/api/revalidate")).status_code == 405


class Broken(MemoryStore):
    """Can't be written while `is_full`."""

    is_full = False

    def invalidate(self, tags: Any, *, expire_after: float | None = 0) -> int:
        if self.is_full:
            raise StoreError("the store in /srv/secret-place can't invalidate: the disk is full.")
        return super().invalidate(tags, expire_after=expire_after)

    async def acquire(self, key: str, seconds: float) -> Any:
        return (
            None
            if self.is_full and key.startswith("webhook:") and self.takes_no_lease
            else await super().acquire(key, seconds)
        )

    takes_no_lease = False


@pytest.mark.parametrize("takes_no_lease", [False, True])
async def test_while_the_store_cant_be_written_the_answer_is_503_and_the_next_try_counts(
    project: Project, *, takes_no_lease: bool, caplog: pytest.LogCaptureFixture
) -> None:
    project.store = store = Broken(max_bytes=2**20, clock=project.clock)
    plain = {"secret": SECRET, "path": "/plain"}
    async with shop(project, SIMPLE, plain) as pond:
        store.is_full, store.takes_no_lease = True, takes_no_lease
        call = sanity(project, {"slug": "oak-chair"})
        order = SignedWebhook({"authorization": f"Bearer {SECRET}"}, b'{"tags": ["t"]}')
        for answer in (await send(pond, call), await send(pond, order, "/plain")):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert "secret-place" not in answer.text, "that is for the log"
        assert "secret-place" in caplog.text
        store.is_full = False
        assert (await send(pond, call)).json()["tags"] == 1
        assert await pond.cache(PATH) == "MISS"


async def test_a_secret_is_replaced_without_a_call_being_lost(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = {**SIMPLE, "secret_env": ["HOOK", "HOOK_OLD"]}
    del endpoint["secret"]
    monkeypatch.setenv("HOOK", "n" * 32)
    monkeypatch.setenv("HOOK_OLD", SECRET)
    async with shop(project, endpoint) as pond:
        assert (await send(pond, sanity(project, {"slug": "x"}))).status_code == 200
        new = sign_webhook("sanity", {"slug": "x"}, "n" * 32, now=project.clock())
        assert (await send(pond, new)).status_code == 200
    monkeypatch.delenv("HOOK_OLD")
    async with project.started(revalidate_endpoint=[endpoint]) as pond:
        assert (await send(pond, sanity(project, {"slug": "x"}))).status_code == 401
    monkeypatch.delenv("HOOK")
    with pytest.raises(ConfigError, match="HOOK, which is not set"):
        await start(project.pond(revalidate_endpoint=[endpoint]))


@pytest.mark.parametrize("preset", ["sanity", "contentful"])
async def test_it_works_below_a_base_path_mounted_and_behind_a_proxy_that_strips_a_prefix(
    project: Project, preset: Preset
) -> None:
    endpoint = {"preset": preset, "secret": SECRET, "tags": ["post:{slug}"]}
    async with shop(project, endpoint, base_path="/shop") as pond:
        call = sign_webhook(preset, {"slug": "x"}, SECRET, path="/shop/api/revalidate", now=project.clock())
        assert (await send(pond, call, "/shop/api/revalidate")).status_code == 200
    parent, inner = FastAPI(), project.pond(revalidate_endpoint=endpoint)
    parent.mount("/inner", inner)
    async with inner.lifespan(), client_of(parent) as client:
        call = sign_webhook(preset, {"slug": "y"}, SECRET, path="/inner/api/revalidate", now=project.clock())
        answer = await client.post("/inner/api/revalidate", headers=call.headers, content=call.content)
        assert answer.status_code == 200
    inner = project.pond(revalidate_endpoint=endpoint)
    stripped = httpx2.ASGITransport(app=inner, root_path="/outside")
    async with inner.lifespan(), httpx2.AsyncClient(transport=stripped, base_url="http://shop.example") as client:
        call = sign_webhook(preset, {"slug": "z"}, SECRET, path="/outside/api/revalidate", now=project.clock())
        answer = await client.post("/api/revalidate", headers=call.headers, content=call.content)
        assert answer.status_code == 200


async def test_middleware_sees_calls(project: Project) -> None:
    project.routes({"/posts/[slug]": POSTS})
    seen = []

    pond = project.pond(revalidate_endpoint=SIMPLE)

    @pond.middleware("http")
    async def note(request: Any, call_next: Any) -> Any:
        seen.append(request.url.path)
        return await call_next(request)

    async with pond.lifespan(), client_of(pond) as client:
        call = sanity(project, {"slug": "x"})
        answer = await client.post("/api/revalidate", headers=call.headers, content=call.content)
    assert (answer.status_code, seen) == (200, ["/api/revalidate"])


async def test_development_serves_it_too(project: Project) -> None:
    project.routes({"/posts/[slug]": POSTS})
    async with project.started(development=True, revalidate_endpoint=SIMPLE) as pond:
        assert (await send(pond, sanity(project, {"slug": "x"}))).json()["tags"] == 1


@pytest.mark.parametrize(
    ("endpoint", "says"),
    [
        ({"tags": ["a"]}, '"revalidate_endpoint.tags" is about payloads, so [revalidate_endpoint] needs preset'),
        ({"preset": "sanity"}, "nothing says what its calls invalidate"),
        ({"preset": "sanitiy", "tags": ["a"]}, 'Did you mean "sanity"?'),
        ({"preset": "sanity", "tags": ["{a"]}, '"revalidate_endpoint.tags" has "{a": "{" is alone'),
        ({"preset": "sanity", "paths": ["{a}"]}, "a path begins with a slash"),
        ({"preset": "sanity", "tags": ["{header:cookie}"]}, "may hold a secret"),
        ({"preset": "sanity", "tags": ["a"], "when": {"a b": "c"}}, '"revalidate_endpoint.when": "a b" is no name'),
        ({"preset": "sanity", "tags": ["a"], "when": {"a": []}}, 'lists no value of "a"'),
        ({"preset": "sanity", "tags": ["a"], "type": "layout"}, "is for paths"),
        (
            {"preset": "sanity", "tags": ["a"], "profile": "mix"},
            '"revalidate_endpoint.profile": there is no lifetime "mix"',
        ),
        ({"preset": "sanity", "tags": ["a"], "profile": "max", "expire": 1}, "give one of them"),
        ({"preset": "sanity", "map": [{"when": {"a": "b"}}]}, "has neither tags nor paths"),
        ({"preset": "sanity", "map": [{"tag": ["a"]}]}, 'did you mean "revalidate_endpoint.map[0].tags"'),
        ({"preset": "sanity", "tags": ["a"], "tolerance": 0}, '"revalidate_endpoint.tolerance" is 0'),
        ({"preset": "standard-webhooks", "tags": ["a"]}, 'it must be "whsec_" and 24 bytes or more as base64'),
    ],
)
async def test_what_couldnt_work_is_a_configuration_error(
    project: Project, endpoint: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        project.pond(revalidate_endpoint={"secret": SECRET, **endpoint})
    assert says in str(refused.value)
    assert SECRET not in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_two_endpoints_cant_have_one_path(project: Project) -> None:
    with pytest.raises(ConfigError, match=r'"revalidate_endpoint\[1\].path" is "/api/revalidate", as in'):
        project.pond(revalidate_endpoint=[SIMPLE, SIMPLE])


async def test_a_secret_of_another_scheme_is_told_where_it_is(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "not-a-secret-of-the-scheme")
    endpoint = {"preset": "standard-webhooks", "secret_env": "HOOK", "tags": ["a"]}
    with pytest.raises(ConfigError, match=r'"HOOK" is no secret of preset = "standard-webhooks"') as refused:
        await start(project.pond(revalidate_endpoint=endpoint))
    assert "not-a-secret" not in str(refused.value)
    monkeypatch.setenv("HOOK", STANDARD_SECRET)
    await start(project.pond(revalidate_endpoint=endpoint))
