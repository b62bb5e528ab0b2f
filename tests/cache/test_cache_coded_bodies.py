"""Bodies in content codings are made when a client asks for one, and kept for as long as they fit."""

from __future__ import annotations

import asyncio
import base64
import gc
from hashlib import sha256
from random import Random

import msgspec
import pytest

from millpond.cache.answer import varying
from millpond.cache.coding.coded_bodies import MAX_AT_ONCE, MAX_AWAITED, CodedBodies
from millpond.cache.coding.compression import compress
from millpond.cache.coding.dictionaries import Dictionaries
from millpond.policy.entry import Coding, Entry
from millpond.policy.http.reply import NO_NEGOTIATION, Negotiation, Reply
from millpond.stores.memory import MemoryStore

ALL: tuple[Coding, ...] = ("zstd", "br", "gzip")
TEXT = b"The still water is the cache; it drives the mill only when it must. "
ROOM = 1_000_000


def answer(body: bytes = TEXT * 20, kind: bytes = b"text/plain") -> Entry:
    headers = ((b"content-type", kind), (b"etag", b'"v"'))
    entry = Entry(key="/", status=200, headers=headers, body=body, rendered_at=0.0, revalidate=None, expire=None)
    return varying(entry, ALL)


def accepting(codings: str, held: str | None = None) -> Negotiation:
    conditions = [] if held is None else [(b"if-none-match", held.encode())]
    return Negotiation.of([(b"accept-encoding", codings.encode()), *conditions])


def given(reply: Reply | None) -> Reply:
    assert reply is not None
    return reply


def coding(reply: Reply | None) -> bytes | None:
    return dict(given(reply).headers).get(b"content-encoding")


def test_of_equally_acceptable_codings_the_first_that_is_configured_is_made() -> None:
    browser = accepting("gzip, deflate, br, zstd")
    assert coding(CodedBodies(ALL, ROOM).at_once(answer(), browser)) == b"zstd"
    assert coding(CodedBodies(("gzip", "br"), ROOM).at_once(answer(), browser)) == b"gzip"
    assert coding(CodedBodies(ALL, ROOM).at_once(answer(), accepting("br;q=0.5, gzip"))) == b"gzip"
    assert coding(CodedBodies((), ROOM).at_once(answer(), browser)) is None


def test_a_form_is_made_once_for_an_entry() -> None:
    coded, entry = CodedBodies(ALL, ROOM), answer()
    first, second = (given(coded.at_once(entry, accepting("gzip"))) for _ in range(2))
    assert first.body is second.body
    assert first.body == compress(entry.body, "gzip")
    assert given(coded.at_once(entry, NO_NEGOTIATION)).body is entry.body


def test_a_coding_that_saves_too_little_is_left_out_and_another_is_sent() -> None:
    hardly = Random(1)
    coded, entry = CodedBodies(ALL, ROOM), answer(bytes(hardly.randrange(100) for _ in range(400)))
    worthwhile = {each for each in ALL if compress(entry.body, each)}
    assert worthwhile == {"br"}
    for _ in range(2):
        assert coding(coded.at_once(entry, accepting("gzip"))) is None
        assert coding(coded.at_once(entry, accepting("gzip, zstd, br"))) == b"br"


def test_an_answer_that_does_not_say_that_it_varies_is_sent_as_it_is() -> None:
    entry = msgspec.structs.replace(answer(), headers=((b"content-type", b"text/plain"),))
    assert coding(CodedBodies(ALL, ROOM).at_once(entry, accepting("gzip"))) is None
    image = msgspec.structs.replace(answer(), headers=((b"content-type", b"image/png"), (b"vary", b"accept-encoding")))
    assert coding(CodedBodies(ALL, ROOM).at_once(image, accepting("gzip"))) is None


@pytest.mark.parametrize("held", ['"v"', '"v-gzip"', 'W/"v-zstd"', '"x", "v-br"'])
def test_who_holds_any_form_gets_304_and_none_is_made(held: str) -> None:
    large = answer(TEXT * (MAX_AT_ONCE // len(TEXT) + 1))
    for accepted in ("gzip", "identity"):
        assert given(CodedBodies(ALL, ROOM).at_once(large, accepting(accepted, held))).status == 304


def test_the_forms_that_were_asked_for_least_recently_make_room() -> None:
    coded, entries = CodedBodies(ALL, 1200), [answer(TEXT * 20 + b"%d" % number) for number in range(4)]
    bodies = [given(coded.at_once(entry, accepting("gzip"))).body for entry in entries]
    assert given(coded.at_once(entries[3], accepting("gzip"))).body is bodies[3]
    assert given(coded.at_once(entries[0], accepting("gzip"))).body is not bodies[0]


def test_an_entry_that_is_gone_keeps_none_and_another_in_its_place_does_not_get_its_own() -> None:
    coded = CodedBodies(ALL, ROOM)
    for number in range(50):
        entry = answer(TEXT * 20 + b"%d" % number)
        assert given(coded.at_once(entry, accepting("gzip"))).body == compress(entry.body, "gzip")
        del entry
        gc.collect()
    last = answer()
    coded.at_once(last, accepting("gzip"))
    assert len(coded) == 1


@pytest.mark.anyio
async def test_a_large_body_is_compressed_once_for_all_who_wait_for_it() -> None:
    coded, entry = CodedBodies(ALL, ROOM), answer(TEXT * (MAX_AT_ONCE // len(TEXT) + 1))
    assert coded.at_once(entry, accepting("gzip")) is None
    leaving = asyncio.create_task(coded.reply(entry, accepting("gzip")))
    others = asyncio.gather(*(coded.reply(entry, accepting("gzip")) for _ in range(3)))
    await asyncio.sleep(0)
    assert len(coded.tasks()) == 1
    leaving.cancel()
    replies = await others
    assert {id(reply.body) for reply in replies} == {id(given(coded.at_once(entry, accepting("gzip"))).body)}
    assert replies[0].body == compress(entry.body, "gzip")
    assert coded.tasks() == []


@pytest.mark.anyio
async def test_nobody_waits_for_a_very_large_body() -> None:
    coded, entry = CodedBodies(ALL, ROOM), answer(TEXT * (MAX_AWAITED // len(TEXT) + 1))
    first = await coded.reply(entry, accepting("gzip"))
    assert (coding(first), first.body is entry.body) == (None, True)
    await asyncio.wait(coded.tasks())
    assert coding(await coded.reply(entry, accepting("gzip"))) == b"gzip"


@pytest.mark.anyio
async def test_a_form_that_fits_nowhere_is_sent_all_the_same() -> None:
    coded, entry = CodedBodies(ALL, 10), answer(TEXT * (MAX_AT_ONCE // len(TEXT) + 1))
    assert coding(await coded.reply(entry, accepting("gzip"))) == b"gzip"
    assert coding(await coded.reply(answer(), accepting("gzip"))) == b"gzip"
    assert len(coded) == 0


@pytest.mark.anyio
@pytest.mark.parametrize("size", [400, MAX_AT_ONCE + 1])
async def test_where_nothing_fits_a_body_that_no_coding_shortens_is_sent_as_it_is(size: int) -> None:
    incompressible = Random(1)
    entry = answer(bytes(incompressible.randrange(256) for _ in range(size)))
    reply = await asyncio.wait_for(CodedBodies(ALL, 10).reply(entry, accepting("gzip, br, zstd")), 5)
    assert (coding(reply), reply.body is entry.body) == (None, True)


class SlowDictionaries(Dictionaries):
    """One dictionary, from a store that takes a moment."""

    def __init__(self, body: bytes) -> None:
        super().__init__(MemoryStore(max_bytes=ROOM, clock=lambda: 0.0))
        self._body = body

    async def get(self, digest: bytes, answer: Entry) -> bytes | None:
        await asyncio.sleep(0)
        return self._body if digest == sha256(self._body).digest() else None


def with_dictionary(accepted: str, dictionary: bytes) -> Negotiation:
    digest = base64.b64encode(sha256(dictionary).digest())
    return Negotiation.of([(b"accept-encoding", accepted.encode()), (b"available-dictionary", b":%s:" % digest)])


@pytest.mark.anyio
async def test_a_form_that_two_requests_make_at_once_counts_once() -> None:
    room = 3000
    former, others = TEXT * 20 + b"former", [answer(TEXT * 20 + b"%d" % number) for number in range(4)]
    coded, entry = CodedBodies(ALL, room, dictionaries=SlowDictionaries(former)), answer(TEXT * 20 + b"now")
    entry = msgspec.structs.replace(entry, headers=(*entry.headers, (b"vary", b"available-dictionary")))
    wanted = with_dictionary("gzip, dcz", former)
    replies = await asyncio.gather(*(coded.reply(entry, wanted) for _ in range(100)))
    assert {coding(reply) for reply in replies} == {b"dcz"}
    for other in others:
        coded.at_once(other, accepting("gzip"))
    assert len(coded) == 1 + len(others)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("accepted", "sent"), [("br, dcz;q=0.5", b"br"), ("br;q=0.5, dcz", b"dcz"), ("br, dcz", b"dcz"), ("dcz;q=0", None)]
)
async def test_a_dictionary_is_used_where_the_client_prefers_nothing_else(accepted: str, sent: bytes | None) -> None:
    former = TEXT * 20 + b"former"
    coded, entry = CodedBodies(ALL, ROOM, dictionaries=SlowDictionaries(former)), answer(TEXT * 20 + b"now")
    entry = msgspec.structs.replace(entry, headers=(*entry.headers, (b"vary", b"available-dictionary")))
    wanted = with_dictionary(accepted, former)
    assert coding(await coded.reply(entry, wanted)) == sent
    assert coding(coded.at_once(entry, wanted)) == sent


@pytest.mark.anyio
async def test_while_a_form_cannot_be_made_the_plain_body_is_sent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(body: bytes, coding: Coding) -> bytes:
        raise MemoryError(coding, len(body))

    monkeypatch.setattr("millpond.cache.coding.coded_bodies.compress", fails)
    coded, entry = CodedBodies(ALL, ROOM), answer(TEXT * (MAX_AT_ONCE // len(TEXT) + 1))
    reply = await coded.reply(entry, accepting("gzip"))
    assert (coding(reply), reply.body is entry.body) == (None, True)
    assert [record.message for record in caplog.records] == ["compressing an answer with gzip failed"]
