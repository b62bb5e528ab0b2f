"""What may go onto the wire: RFC 9110 §5.5, §6.4.1, §8.6, RFC 9112 §6, §11.1."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.http.sendable import BODILESS, fault, length_headers, stored_fault, unframed


@pytest.mark.parametrize("status", [200, 204, 205, 299, 304, 404, 599])
def test_a_final_status_can_be_sent(status: int) -> None:
    assert fault(status, ()) is None


@pytest.mark.parametrize("status", [-1, 0, 99, 100, 101, 103, 199, 600, 999, 10**9, "200", None, 200.0])
def test_any_other_status_is_named(status: object) -> None:
    assert repr(status) in (fault(status, ()) or "")


@pytest.mark.parametrize("value", [b"", b"a", b"a\tb", b"\xe9\xff", b'"quoted", a=b; c'])
def test_text_can_be_a_headers_value(value: bytes) -> None:
    assert fault(200, [(b"x-a", value)]) is None


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"a\rb", b"\n", b"a\x00", b"a\x0bb", b"\x7f", b"\x1b[0m"])
def test_a_line_break_or_a_control_character_is_none_and_the_header_is_named(value: bytes) -> None:
    found = fault(200, [(b"content-type", b"text/plain"), (b"X-Slug", value)])
    assert found == 'its header "X-Slug" holds a line break or a control character'


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\nb", b"\xe9", b"a\x00", b'"a"', b"a" * 100 + b"\n"])
def test_a_name_is_a_token(name: bytes) -> None:
    found = fault(200, [(name, b"1")])
    assert found is not None
    assert found.endswith("is not a valid header name")
    assert found.isprintable()
    assert len(found) < 120


def test_what_says_where_an_answer_ends_is_taken_off_its_headers() -> None:
    headers = [(b"x-a", b"1"), (b"transfer-encoding", b"chunked"), (b"content-length", b"5"), (b"content-length", b"6")]
    assert unframed(headers) == ([(b"x-a", b"1")], [b"5", b"6"], 1)


@pytest.mark.parametrize(("status", "length"), [(204, None), (304, None), (205, b"0"), (200, b"5")])
def test_an_answer_without_a_body_says_so(status: int, length: bytes | None) -> None:
    expected = [] if length is None else [(b"content-length", length)]
    assert length_headers(status, b"" if status in BODILESS else b"right") == expected


@pytest.mark.parametrize("name", [b"content-length", b"Content-Length", b"transfer-encoding"])
def test_what_is_stored_does_not_say_where_it_ends(name: bytes) -> None:
    assert fault(200, [(name, b"5")]) is None
    assert name.decode() in (stored_fault(200, [(name, b"5")]) or "")


names = st.sampled_from([b"content-length", b"transfer-encoding", b"x-a"]) | st.binary(min_size=1, max_size=6)
values = st.sampled_from([b"0", b"3", b"chunked", b"3, 3", b"a\r\nb: c"]) | st.binary(max_size=6)


@given(
    status=st.integers(190, 610),
    headers=st.lists(st.tuples(names, values), max_size=4),
    body=st.sampled_from([b"", b"abc", b"HTTP/1.1 200 OK\r\n\r\n"]),
)
def test_whatever_can_be_sent_is_one_answer_to_a_strict_reader(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    if fault(status, headers) is not None:
        return
    body = b"" if status in BODILESS else body
    kept, _, _ = unframed((name.lower(), value) for name, value in headers)
    head = kept + length_headers(status, body)
    wire = b"".join(b"%s: %s\r\n" % pair for pair in head)
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(b"HTTP/1.1 %d x\r\n%s\r\n%sHTTP/1.1 418 next" % (status, wire, body))
    answer, read = client.next_event(), b""
    assert isinstance(answer, h11.Response)
    assert len(answer.headers) == len(head)
    while isinstance(event := client.next_event(), h11.Data):
        read += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert (read, client.trailing_data[0]) == (body, b"HTTP/1.1 418 next")
