"""What of an entry goes to one client: codings and conditions together (RFC 9110 §8.8.3.3, §13.1)."""

from __future__ import annotations

import msgspec
import pytest

from millpond.policy.entry import Coding, Entry
from millpond.policy.http.reply import NO_NEGOTIATION, Negotiation, Reply, choose, in_coding

KIND = (b"content-type", b"application/json")
VARY = (b"vary", b"accept-encoding")
ENTRY = Entry(
    key="/a",
    status=200,
    headers=(KIND, (b"etag", b'"v"'), VARY),
    body=b"plain",
    rendered_at=0.0,
    revalidate=60,
    expire=None,
)
BODIES: dict[Coding, bytes] = {"br": b"b", "gzip": b"gg"}
BROTLI = ((b"accept-encoding", b"gzip, br"),)


def reply(entry: Entry, negotiation: Negotiation, bodies: dict[Coding, bytes] = BODIES) -> Reply:
    found = choose(entry, negotiation, tuple(bodies))
    return found if isinstance(found, Reply) else in_coding(entry, found, bodies[found])


def holds(*tags: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((b"if-none-match", tag) for tag in tags)


def etag(answer: Reply) -> bytes:
    return dict(answer.headers)[b"etag"]


def test_who_asks_for_nothing_gets_the_plain_body() -> None:
    assert reply(ENTRY, NO_NEGOTIATION) == Reply(200, ENTRY.headers, b"plain")


def test_who_accepts_a_coding_gets_that_body_with_its_own_validator() -> None:
    answer = reply(ENTRY, Negotiation.of(BROTLI))
    assert answer.body == b"b"
    assert answer.headers == (KIND, (b"etag", b'"v-br"'), VARY, (b"content-encoding", b"br"))


def test_several_lines_of_accept_encoding_are_one_list() -> None:
    asked = Negotiation.of(((b"accept-encoding", b"gzip;q=0.5"), (b"host", b"x"), (b"accept-encoding", b"br;q=0.4")))
    assert reply(ENTRY, asked).body == b"gg"


@pytest.mark.parametrize("held", [b'"v"', b'"v-br"', b'"v-gzip"', b'W/"v-gzip"', b'"x", "v"'])
def test_who_holds_any_form_of_the_answer_is_told_so(held: bytes) -> None:
    assert reply(ENTRY, Negotiation.of(BROTLI + holds(held))).status == 304
    assert reply(ENTRY, Negotiation.of(holds(held))).status == 304


def test_a_304_names_the_form_that_the_client_holds() -> None:
    assert etag(reply(ENTRY, Negotiation.of(BROTLI + holds(b'"v"')))) == b'"v"'
    assert etag(reply(ENTRY, Negotiation.of(BROTLI + holds(b'"v-gzip"')))) == b'"v-gzip"'
    assert etag(reply(ENTRY, Negotiation.of(BROTLI + holds(b'"v-gzip"', b'"v-br"')))) == b'"v-br"'
    assert etag(reply(ENTRY, Negotiation.of(BROTLI + holds(b"*")))) == b'"v-br"'


def test_a_304_to_who_holds_the_answer_by_a_dictionary_has_the_weak_validator_of_that() -> None:
    """Its bytes depend on the dictionary; the strong validator is that of the plain body."""
    headers = (KIND, (b"etag", b'"v"'), (b"vary", b"accept-encoding, available-dictionary"))
    varying = msgspec.structs.replace(ENTRY, headers=headers)
    assert etag(reply(varying, Negotiation.of(BROTLI + holds(b'W/"v"')))) == b'W/"v"'
    assert etag(reply(varying, Negotiation.of(BROTLI + holds(b'W/"v"', b'"v"')))) == b'"v"'
    assert etag(reply(varying, Negotiation.of(BROTLI + holds(b'"v"')))) == b'"v"'
    assert etag(reply(ENTRY, Negotiation.of(BROTLI + holds(b'W/"v"')))) == b'"v"'


def test_a_304_has_no_body_and_no_headers_of_one() -> None:
    answer = reply(ENTRY, Negotiation.of(BROTLI + holds(b'"v-br"')))
    assert answer == Reply(304, ((b"etag", b'"v-br"'), VARY), b"")


def test_who_holds_something_else_gets_the_answer() -> None:
    assert reply(ENTRY, Negotiation.of(BROTLI + holds(b'"w"', b'"v-zstd"'))).body == b"b"


def test_an_answer_without_codings_is_sent_as_it_is() -> None:
    assert reply(ENTRY, Negotiation.of(BROTLI), {}) == Reply(200, ENTRY.headers, b"plain")


def test_a_list_of_codings_that_is_too_long_is_as_none() -> None:
    assert Negotiation.of([(b"accept-encoding", b"gzip," * 300)]) == NO_NEGOTIATION
    assert Negotiation.of([(b"accept-encoding", b"gzip")] * 300) == NO_NEGOTIATION
    assert reply(ENTRY, Negotiation.of([(b"accept-encoding", b"gzip," * 300)])).body == b"plain"
