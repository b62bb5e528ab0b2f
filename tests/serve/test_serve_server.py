from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest
from echo_server import SMALL, ask, echo, talk

from millpond.config import ServerConfig
from millpond.errors import AddressError
from millpond.serve.connection.protocol_bounds import ROOM
from millpond.serve.forwarded import Proxies
from millpond.serve.processes.addresses import address_of, bind
from millpond.serve.processes.server import serve

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

LAST = b"GET /last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


def test_a_header_that_does_not_end_is_431_and_the_connection_is_closed() -> None:
    answer = ask(lambda port: talk(port, b"GET / HTTP/1.1\r\nhost: x\r\nx: ", *[b"a" * 1000] * 8))
    first, date, *rest = answer.split("\r\n")
    assert (first, rest) == (
        "HTTP/1.1 431 Request Header Fields Too Large",
        ["content-length: 0", "connection: close", "", ""],
    )
    assert parsedate_to_datetime(date.removeprefix("date: ")).tzinfo is not None


def test_headers_that_do_not_end_are_431() -> None:
    answer = ask(lambda port: talk(port, b"GET / HTTP/1.1\r\nhost: x\r\n", *[b"x: %b\r\n" % (b"a" * 990)] * 8))
    assert answer.startswith("HTTP/1.1 431 ")


def test_a_request_line_that_does_not_end_is_414() -> None:
    answer = ask(lambda port: talk(port, b"GET /", *[b"a" * 1000] * 8))
    assert answer.startswith("HTTP/1.1 414 ")


def test_a_whole_request_with_a_path_that_no_parser_takes_is_414() -> None:
    answer = ask(lambda port: talk(port, b"GET /%b HTTP/1.1\r\nhost: x\r\n\r\n" % (b"a" * 70_000)))
    assert answer.startswith("HTTP/1.1 414 ")


def test_a_path_near_the_bound_is_left_to_the_application() -> None:
    path = b"/" + b"a" * (SMALL.max_path_bytes + ROOM - 100)
    answer = ask(lambda port: talk(port, b"GET %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" % path))
    assert answer.startswith("HTTP/1.1 200 ")


def test_blank_lines_that_do_not_end_are_431() -> None:
    assert ask(lambda port: talk(port, *[b"\r\n" * 500] * 8)).startswith("HTTP/1.1 431 ")


def test_a_malformed_request_is_400() -> None:
    assert ask(lambda port: talk(port, b"GET / HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n")).startswith("HTTP/1.1 400 ")


def test_a_connection_carries_more_requests_than_one_head_may_be_long() -> None:
    request = b"GET /x HTTP/1.1\r\nhost: x\r\nx: %b\r\n\r\n" % (b"a" * 900)
    answer = ask(lambda port: talk(port, *[request] * 20, LAST))
    assert answer.count("http /x 0;") == 20
    assert "http /last 0;" in answer


def test_requests_that_arrive_in_one_piece_are_all_answered() -> None:
    many = b"GET /x HTTP/1.1\r\nhost: x\r\nx: %b\r\n\r\n" % (b"a" * 100) * 100
    answer = ask(lambda port: talk(port, many + LAST[:10], LAST[10:]))
    assert answer.count("http /x 0;") == 100
    assert "http /last 0;" in answer


def test_a_head_that_begins_in_the_last_piece_of_a_long_body_is_counted_from_its_own_first_byte() -> None:
    head = b"POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 20000\r\n\r\n"
    answer = ask(lambda port: talk(port, head, b"a" * 11_000, b"a" * 9_000 + LAST[:10], LAST[10:]))
    assert "http /body 20000;" in answer
    assert "http /last 0;" in answer


def test_a_head_in_many_small_pieces_is_fine_within_the_bounds() -> None:
    assert "http /last 0;" in ask(lambda port: talk(port, *(bytes([byte]) for byte in LAST)))


@pytest.mark.parametrize(
    "bad", [b"GET /" + b"a" * 8000, b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 8000, b"nonsense"]
)
def test_a_refusal_does_not_cut_into_the_answer_before_it(bad: bytes) -> None:
    refused = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"be", "more_body": True})
        await refused.wait()
        await send({"type": "http.response.body", "body": b"fo"})

    async def talking(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        begun = await reader.readuntil(b"be")
        writer.write(bad)
        await asyncio.sleep(0.05)
        refused.set()
        rest = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return begun + rest

    answer = ask(talking, slow)
    assert answer.startswith("HTTP/1.1 200 ")
    assert answer.endswith("befo")
    assert answer.count("HTTP/1.1 ") == 1


def test_a_stop_lets_the_running_request_finish() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        await echo(scope, receive, send)

    async def run() -> bytes:
        sockets = bind("127.0.0.1", 0)
        started = asyncio.Event()
        task = asyncio.create_task(serve(slow, sockets, SMALL, started=started.set))
        port = sockets[0].getsockname()[1]
        await started.wait()
        answer = await talk(port, b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.wait_for(task, 5)
        return answer

    before = signal.getsignal(signal.SIGTERM)
    assert b"http /x 0;" in asyncio.run(run())
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_stop_waits_no_longer_than_the_configuration_says() -> None:
    cancelled = False

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal cancelled
        signal.raise_signal(signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled = True
            raise

    async def run() -> None:
        sockets = bind("127.0.0.1", 0)
        started = asyncio.Event()
        bounds = ServerConfig(shutdown_timeout=0.5)
        task = asyncio.create_task(serve(endless, sockets, bounds, started=started.set))
        port = sockets[0].getsockname()[1]
        await started.wait()
        await asyncio.wait_for(asyncio.gather(task, talk(port, b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n")), 5)

    asyncio.run(run())
    assert cancelled


@pytest.mark.parametrize(("believed", "scheme"), [(False, "http"), (True, "https")])
def test_forwarded_headers_are_believed_only_when_told_to(believed: bool, scheme: str) -> None:
    request = b"GET /x HTTP/1.1\r\nhost: x\r\nx-forwarded-proto: https\r\nconnection: close\r\n\r\n"
    assert f"{scheme} /x 0;" in ask(lambda port: talk(port, request), proxies=Proxies() if believed else None)


def test_the_server_does_not_name_itself() -> None:
    assert "uvicorn" not in ask(lambda port: talk(port, LAST))


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AddressError, match=f"can't listen on 127.0.0.1:{port}: address already in use; .* --port"):
            bind("127.0.0.1", port)


def test_a_host_that_does_not_exist_is_one_sentence() -> None:
    with pytest.raises(AddressError, match=r"there is no address nope\.invalid:80 .*--host"):
        bind("nope.invalid", 80)


def test_all_addresses_of_a_name_share_the_port() -> None:
    sockets = bind("localhost", 0)
    try:
        assert len({each.getsockname()[1] for each in sockets}) == 1
        assert address_of(sockets) in (
            f"http://127.0.0.1:{sockets[0].getsockname()[1]}",
            f"http://[::1]:{sockets[0].getsockname()[1]}",
        )
    finally:
        for each in sockets:
            each.close()


def test_nobody_can_connect_before_the_server_has_started() -> None:
    (bound,) = bind("127.0.0.1", 0)
    with bound, socket.socket() as client:
        assert client.connect_ex(bound.getsockname()) != 0


def test_an_address_of_ipv6_is_served_in_brackets() -> None:
    try:
        (bound,) = bind("::1", 0)
    except AddressError:
        pytest.skip("this machine has no IPv6")
    with bound:
        assert address_of([bound]) == f"http://[::1]:{bound.getsockname()[1]}"
        # Else it would take the port of every address of IPv4, too, which is bound for itself.
        assert bound.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1


def test_a_name_that_cant_be_had_whole_is_let_go_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.2", 0))
        other.listen()
        port = other.getsockname()[1]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.1", "127.0.0.2")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with pytest.raises(AddressError, match="address already in use"):
            bind("pond.example", port)
    with socket.socket() as next_one:
        next_one.bind(("127.0.0.1", port))


def test_a_server_in_a_thread_leaves_signals_to_the_main_thread() -> None:
    async def stopped_at_once() -> None:
        (bound,) = bind("127.0.0.1", 0)
        serving = asyncio.create_task(serve(echo, [bound], SMALL))
        await asyncio.sleep(0)
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        bound.close()

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, stopped_at_once()).result(timeout=10)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
