"""Entries and their frames: what goes in comes out, and what is damaged is a miss."""

from __future__ import annotations

import struct
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.entry import Backoff, Came, Entry, Hop
from millpond.policy.lifetime import Lifetime
from millpond.stores.frame import FRAME_VERSION, decode_frame, encode_frame

times = st.floats(0, 2**40)
durations = st.none() | st.floats(0, 1e9)
hops = st.builds(
    Hop,
    st.text(max_size=5),
    st.text(max_size=20),
    st.integers(300, 399),
    st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), max_size=2).map(tuple),
    times,
)
entries = st.builds(
    Entry,
    key=st.text(max_size=40),
    kind=st.sampled_from(["response", "fetch", "function"]),
    status=st.integers(100, 599),
    headers=st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=5).map(tuple),
    body=st.binary(max_size=200),
    rendered_at=times,
    revalidate=durations,
    expire=durations,
    tags=st.lists(st.text(max_size=10), max_size=5).map(tuple),
    generation=st.integers(0, 2**63 - 1),
    build=st.text(max_size=10),
    client_stale=durations,
    jitter=st.floats(0, 1, exclude_max=True),
    backoff=st.none() | st.builds(Backoff, times, st.floats(0, 30), st.integers(0, 2**63 - 1)),
    came=st.none() | st.builds(Came, times, st.text(max_size=5), st.text(max_size=20), st.lists(hops).map(tuple)),
    label=st.text(max_size=20),
)

ENTRY = Entry(
    key="/a",
    status=200,
    headers=((b"content-type", b"text/plain"),),
    body=b"the body",
    rendered_at=1_000_000.25,
    revalidate=60,
    expire=None,
    tags=("t", "u"),
    generation=3,
    build="b",
    backoff=Backoff(1.0, 3.0, 2),
)
TEXT = b"The still water is the cache; it drives the mill only when it must. " * 20
PACKED = zlib.compress(TEXT, 1, -15)


@given(entry=entries)
def test_an_entry_survives_its_frame(entry: Entry) -> None:
    assert decode_frame(encode_frame(entry)) == entry


def test_what_comes_out_is_as_immutable_as_what_went_in() -> None:
    entry = decode_frame(encode_frame(ENTRY))
    assert entry is not None
    assert isinstance(entry.headers, tuple)
    assert isinstance(entry.tags, tuple)
    assert all(isinstance(pair, tuple) for pair in entry.headers)
    assert isinstance(entry.body, bytes)
    assert hash(entry) == hash(ENTRY)
    with pytest.raises(AttributeError):
        entry.status = 500  # type: ignore[misc]


def test_these_bytes_are_this_entry_until_the_version_changes() -> None:
    frame = (
        b"MLPD\x06\x00\x00\x00\x2d\x00\x00\x00\x00\x00\x00\x00\x00\x6d\xf4\x36\x9e"
        b"\xdc\x00\x11\xa0\xa8response\xcc\xc8\x90\xcb\x00\x00\x00\x00\x00\x00\x00\x00\xc0\xc0\x90\x00\xa0\xc0\xc2"
        b"\xc0\xa0\xcb\x00\x00\x00\x00\x00\x00\x00\x00\xc0\x00"
    )
    entry = Entry(key="", status=200, headers=(), body=b"", rendered_at=0.0, revalidate=None, expire=None)
    assert encode_frame(entry) == frame
    assert decode_frame(frame) == entry


@pytest.mark.parametrize("length", range(len(encode_frame(ENTRY))))
def test_a_frame_that_was_cut_short_is_a_miss(length: int) -> None:
    assert decode_frame(encode_frame(ENTRY)[:length]) is None


def test_a_frame_with_something_behind_it_is_a_miss() -> None:
    assert decode_frame(encode_frame(ENTRY) + b"\0") is None


@pytest.mark.parametrize("position", range(len(encode_frame(ENTRY))))
def test_a_frame_with_one_wrong_byte_is_a_miss(position: int) -> None:
    frame = bytearray(encode_frame(ENTRY))
    frame[position] ^= 0x41
    assert decode_frame(bytes(frame)) is None


@given(noise=st.binary(max_size=300))
def test_noise_is_a_miss(noise: bytes) -> None:
    assert decode_frame(noise) is None
    assert decode_frame(encode_frame(ENTRY)[:5] + noise) is None


def framed(head: bytes, body: bytes = b"", version: int = FRAME_VERSION) -> bytes:
    """A frame whose checksum is right, whatever is in it."""
    prefix = struct.pack(">4sBLQL", b"MLPD", version, len(head), len(body), zlib.crc32(head + body))
    return prefix + head + body


def head_of(entry: Entry) -> list[object]:
    headers = [list(pair) for pair in entry.headers]
    rest = [entry.rendered_at, entry.revalidate, entry.expire, list(entry.tags), entry.generation, entry.build]
    return [
        entry.key,
        entry.kind,
        entry.status,
        headers,
        *rest,
        None,
        entry.short_lived,
        None,
        entry.label,
        entry.jitter,
        entry.client_stale,
        len(entry.body),
    ]


def test_the_layout_of_a_frame_is_what_the_documentation_says() -> None:
    plain = msgspec.structs.replace(ENTRY, backoff=None)
    assert framed(msgspec.msgpack.encode(head_of(plain)), plain.body) == encode_frame(plain)


VARYING = msgspec.structs.replace(ENTRY, body=TEXT, headers=(*ENTRY.headers, (b"vary", b"accept-encoding")))


def version_in(frame: bytes) -> int:
    return frame[4]


def test_a_text_takes_less_room_at_rest_and_comes_back_as_it_was() -> None:
    frame = encode_frame(VARYING)
    assert (version_in(frame), len(frame) < len(TEXT) // 2) == (FRAME_VERSION, True)
    assert decode_frame(frame) == VARYING


@pytest.mark.parametrize(
    "entry",
    [
        msgspec.structs.replace(VARYING, headers=ENTRY.headers),
        msgspec.structs.replace(VARYING, kind="fetch"),
        msgspec.structs.replace(VARYING, body=TEXT[:500]),
        msgspec.structs.replace(VARYING, body=TEXT * 100),
        msgspec.structs.replace(VARYING, body=bytes(value * value % 251 ^ value % 255 for value in range(700))),
    ],
    ids=["not a text", "data", "short", "large", "noise"],
)
def test_what_is_no_text_or_saves_little_is_at_rest_as_it_is(entry: Entry) -> None:
    frame = encode_frame(entry)
    assert (version_in(frame), decode_frame(frame)) == (FRAME_VERSION, entry)
    assert len(frame) > len(entry.body)


@given(body=st.text(max_size=40).map(lambda text: text.encode() * 60))
def test_any_text_survives_its_frame(body: bytes) -> None:
    entry = msgspec.structs.replace(VARYING, body=body)
    assert decode_frame(encode_frame(entry)) == entry


@pytest.mark.parametrize(
    ("size", "body"),
    [
        (len(TEXT), PACKED),
        (len(TEXT), TEXT),
        (len(TEXT) - 1, PACKED),
        (len(TEXT) + 1, PACKED),
        (10**9, PACKED),
        (0, PACKED),
        (len(TEXT), PACKED[:-1]),
        (len(TEXT), PACKED + b"x"),
        (-1, PACKED),
        ("1360", PACKED),
    ],
)
def test_a_body_that_is_another_than_its_head_says_is_a_miss(size: object, body: bytes) -> None:
    head = msgspec.msgpack.encode([*head_of(VARYING)[:-1], size])
    right = size == len(TEXT) and body in (PACKED, TEXT)
    entry = decode_frame(framed(head, body))
    assert entry == (msgspec.structs.replace(VARYING, backoff=None) if right else None)


def test_jitter_survives() -> None:
    spread = msgspec.structs.replace(ENTRY, jitter=0.0625)
    assert decode_frame(encode_frame(spread)) == spread


def test_entries_of_one_route_share_what_is_the_same_in_them() -> None:
    one, other = (
        decode_frame(encode_frame(msgspec.structs.replace(VARYING, key=key, tags=("shared-tag", key))))
        for key in ("/1", "/2")
    )
    assert one is not None
    assert other is not None
    assert one.headers[0] is other.headers[0]
    assert one.tags[0] is other.tags[0]


@pytest.mark.parametrize("version", [0, 1, 2, 3, 4, 5, 6, 255])
def test_a_frame_of_another_version_is_a_miss(version: int) -> None:
    assert decode_frame(framed(msgspec.msgpack.encode(head_of(ENTRY)), version=version)) is None


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, 5),
        (0, b"bytes"),
        (1, "page"),
        (2, "200"),
        (3, [[b"name"]]),
        (3, [["text", "text"]]),
        (4, None),
        (5, "60"),
        (7, [1]),
        (8, -1.5),
        (9, None),
        (10, [1.0]),
        (11, 0),
        (13, 1.0),
        (13, -0.1),
        (14, "60"),
        (15, None),
    ],
)
def test_a_head_with_a_value_of_the_wrong_type_is_a_miss(position: int, value: object) -> None:
    head = head_of(ENTRY)
    head[position] = value
    assert decode_frame(framed(msgspec.msgpack.encode(head))) is None


@pytest.mark.parametrize("head", [b"", b"\xc0", b"\xa1\xff", b"\x9b\xa1\xff", msgspec.msgpack.encode(["/a"]), b"\xc1"])
def test_a_head_that_is_none_is_a_miss(head: bytes) -> None:
    assert decode_frame(framed(head, b"body")) is None


def test_a_key_that_is_not_utf8_is_a_miss() -> None:
    head = msgspec.msgpack.encode(head_of(ENTRY)).replace(b"\xa2/a", b"\xa2\xff\xff")
    assert decode_frame(framed(head)) is None


def test_the_lifetime_of_an_entry_is_its_two_ages() -> None:
    assert msgspec.structs.replace(ENTRY, expire=600).lifetime == Lifetime(60, 600)


def test_the_size_counts_all_that_visitors_and_handlers_can_make_long() -> None:
    size = ENTRY.size
    assert size > len(ENTRY.body)
    longer = msgspec.structs.replace
    assert longer(ENTRY, body=ENTRY.body + b"x" * 100).size == size + 100
    assert longer(ENTRY, key="/a" + "x" * 100).size == size + 100
    assert longer(ENTRY, headers=(*ENTRY.headers, (b"x" * 50, b"y" * 50))).size == size + 100
    assert longer(ENTRY, tags=("t", "u", "x" * 100)).size == size + 100
    hop = Hop("GET", "x" * 40, 302, ((b"x" * 10, b"y" * 10),), 0.1)
    assert longer(ENTRY, came=Came(0.1, "GET", "x" * 40, (hop,))).size == size + 100


def test_a_pause_changes_nothing_else() -> None:
    backoff = Backoff(5.0, 3.0, 9)
    assert ENTRY.with_backoff(backoff) == msgspec.structs.replace(ENTRY, backoff=backoff)
