"""Which requests a log tells of, and which paths a file names."""

from __future__ import annotations

import gzip
import io
import time
from datetime import datetime

import pytest

from millpond.errors import CommandError
from millpond.policy.decision import Action, Decision, Reason
from millpond.serve.access.asked import Asked, shown
from millpond.serve.access.line_format import JsonLines, TextLines
from millpond.serve.access.served_request import ServedRequest
from millpond.warm.log_lines import LoggedRequest, logged_request
from millpond.warm.source_file import paths_in

HIT, LIVE = Decision(Action.HIT, Reason.FRESH), Decision(Action.LIVE, Reason.LIVE_ROUTE)
COMBINED = '10.0.0.1 - bob [01/Dec/2026:13:45:38 +0000] "GET {} HTTP/1.1" {} 512 "https://x.example/" "Mozilla/5.0"'


def own(
    path: str, decision: Decision | None = HIT, *, json: bool, agent: str = 'Say "hi"', origin: str | None = None
) -> str:
    asked = Asked("GET", shown(path, 2048), "10.0.0.1", agent, "id-1")
    served = ServedRequest(asked, 200, decision, 0.0123, 512, origin=origin)  # type: ignore[arg-type]
    return (JsonLines({"worker": 7}) if json else TextLines({"worker": 7})).line(time.time(), served)


@pytest.mark.parametrize("json", [True, False])
@pytest.mark.parametrize(
    ("path", "target"),
    [("/items/1", "/items/1"), ("/a b/ü", "/a%20b/%C3%BC"), ('/say "x"', "/say%20%22x%22"), ("/x" * 2000, None)],
)
def test_lines_of_our_own_log_are_read_back(path: str, target: str | None, json: bool) -> None:
    assert logged_request(own(path, json=json)) == LoggedRequest("GET", target, 200)


@pytest.mark.parametrize("json", [True, False])
def test_our_own_log_tells_what_is_live_and_what_was_no_visitors_request(json: bool) -> None:
    assert logged_request(own("/a", LIVE, json=json)) == LoggedRequest("GET", "/a", 200, is_live=True)
    assert logged_request(own("/a", None, json=json)) == LoggedRequest("GET", "/a", 200)
    assert logged_request(own("/a", json=json, agent="millpond-warm/1.0")) is None
    if json:
        assert logged_request(own("/a", json=True, origin="cron")) is None


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (COMBINED.format("/a?b=%20c", 200), LoggedRequest("GET", "/a?b=%20c", 200)),
        (COMBINED.format("/a", 404), LoggedRequest("GET", "/a", 404)),
        (COMBINED.partition(' "https')[0].format("/common", 200), LoggedRequest("GET", "/common", 200)),
        ('::1 - - [x] "GET /old" 200 5', LoggedRequest("GET", "/old", 200)),
        ('10.0.0.1 - - [x] "-" 400 0', None),
        ('10.0.0.1 - - [x] "\\x16\\x03\\x01" 400 0', None),
        (COMBINED.format("/a", 200).replace("Mozilla/5.0", "millpond-warm/1"), None),
        ("{not json", None),
        ('{"time": 1}', None),
        ('{"method": "GET", "path": "/\\ud800", "status": 200}', None),
        ("Traceback (most recent call last):", None),
        ("", None),
    ],
)
def test_lines_of_other_servers_are_read_too(line: str, found: LoggedRequest | None) -> None:
    assert logged_request(line) == found


def paths(content: bytes, limit: int = 10, origins: tuple[str, ...] = (), *, live: bool = False) -> list[str]:
    return paths_in(io.BytesIO(content), "file", limit, origins, live=live).paths


def test_a_log_names_what_was_answered_200_to_a_get_most_often_first() -> None:
    lines = [COMBINED.format(path, status) for path, status in (("/a", 200), ("/b", 200), ("/c", 404), ("/b", 200))]
    lines.append(COMBINED.replace("GET", "POST").format("/d", 200))
    assert paths("\n".join(lines).encode()) == ["/b", "/a"]


def test_a_list_names_its_paths_in_its_order() -> None:
    assert paths(b"\xef\xbb\xbf# popular\r\n/b\r\n\r\n/a\r\n/b") == ["/b", "/a"]
    assert paths(b"/a\n/b\n/c", limit=2) == ["/a", "/b"]


def test_urls_of_a_list_are_taken_from_one_host_only() -> None:
    urls = b"https://shop.example/a\nhttps://evil.example/b\n/c"
    assert paths(urls) == ["/a", "/c"]
    found = paths_in(io.BytesIO(urls), "file", 10, ("http://127.0.0.1:8000",), live=False)
    assert found.paths == ["/c"]
    assert found.notes == ["2 lines of file name no path of this site"]


def test_live_answers_of_a_log_are_taken_where_that_is_asked_for() -> None:
    lines = f"{own('/live', LIVE, json=True)}\n{own('/hit', json=True)}".encode()
    assert paths(lines) == ["/hit"]
    assert paths(lines, live=True) == ["/live", "/hit"]


def test_rotated_and_compressed_logs_are_read_whole() -> None:
    parts = [gzip.compress(COMBINED.format(path, 200).encode() + b"\n") for path in ("/a", "/b", "/b")]
    assert paths(b"".join(parts)) == ["/b", "/a"]


def test_a_damaged_file_is_told() -> None:
    whole = gzip.compress(b"/a\n" * 1000)
    for damaged in (whole[:-9], whole[:20] + b"\xff" * 20 + whole[40:]):
        with pytest.raises(CommandError, match=r"^file can't be used: it (ends before its end|is damaged)"):
            paths(damaged)


def test_a_file_without_paths_is_an_error_and_an_empty_one_names_nothing() -> None:
    with pytest.raises(CommandError, match="file names no path: its 2 lines are neither paths nor of a log"):
        paths(b"hello\nworld")
    assert paths(b"") == []


def test_a_line_without_an_end_takes_no_memory() -> None:
    class Endless(io.RawIOBase):
        left = 2000

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            self.left -= 1
            size = len(buffer) if self.left > 0 else 0
            buffer[:size] = b"x" * size
            return size

    assert paths_in(io.BufferedReader(Endless()), "file", 10, (), live=False).paths == []


def test_many_lines_take_time_by_their_number() -> None:
    hostile = ['"' * 60_000, "[" * 60_000, '] "' * 20_000, "00:00:00 " + " " * 60_000, "{" * 60_000]
    began = datetime.now().timestamp()
    for line in hostile * 5:
        assert logged_request(line) is None
    assert datetime.now().timestamp() - began < 2
