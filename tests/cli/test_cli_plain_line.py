"""Command lines of `millpond start` that are read without cyclopts: they mean the same as with it."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from millpond.cli import start as command
from millpond.cli.serving.plain_line import plain_start
from millpond.cli.terminal.commands import app

if TYPE_CHECKING:
    from collections.abc import Sequence
    from dataclasses import Field
    from typing import Any

    from millpond.cli.serving.serve_line import StartLine

VALUES = {
    "--app": ["main:app", "shop.main", "none"],
    "--dir": ["shop", ".", "/srv/shop", "~"],
    "--host": ["0.0.0.0", "::1", "localhost", "null", ""],
    "--port": ["0", "8000", "65535", "65536", "-1", "08", "1_0", "0x10", "eight"],
    "--uds": ["run/shop.sock", "none"],
    "--fd": ["3"],
    "--ssl-certfile": ["cert.pem"],
    "--ssl-keyfile": ["key.pem"],
    "--ssl-keyfile-password": ["secret"],
    "--workers": ["1", "2", "1024", "1025", "0", "two"],
    "--log-format": ["text", "json", "TEXT", "xml"],
    "--log-level": ["debug", "info", "warning", "error", "critical", "loud"],
    "--server": ["socket", "asgi", "Socket"],
    "--warm": ["0", "50", "100000", "100001", "many"],
    "--forwarded-allow-ips": ["*", "10.0.0.0/8,127.0.0.1", "none"],
}
FLAGS = ["--access-log", "--no-access-log", "--proxy-headers", "--no-proxy-headers", "--factory", "--help", "--", "-p"]


def by_cyclopts(arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> StartLine | None:
    """What the command reads; None: it refuses the line, or prints something."""
    lines: list[StartLine] = []
    monkeypatch.setattr(command, "serve_line", lines.append)
    try:
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except Exception:  # noqa: BLE001 - whatever is wrong with it
        return None
    return lines[0] if lines else None


def facts(line: StartLine) -> list[object]:
    """What it says, whichever class says it."""
    place: dict[str, Field[Any]] = line.place.__dataclass_fields__
    options = [getattr(line, name) for name in line.__dataclass_fields__ if name != "place"]
    return [*options, *(getattr(line.place, name) for name in sorted(place))]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["main:app"],
        ["--port", "9000"],
        ["--host", "0.0.0.0", "--port", "8000", "--workers", "4"],
        ["--log-level", "warning", "--no-access-log"],
        ["--dir", "shop", "--app", "main:app", "--factory"],
        ["--proxy-headers", "--forwarded-allow-ips", "10.0.0.0/8"],
        ["--uds", "shop.sock", "--log-format", "json"],
        ["--ssl-certfile", "cert.pem", "--ssl-keyfile", "key.pem", "--server", "asgi"],
    ],
)
def test_usual_lines_are_read_as_cyclopts_reads_them(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    line, expected = plain_start(["start", *arguments]), by_cyclopts(["start", *arguments], monkeypatch)
    assert line is not None
    assert expected is not None
    assert facts(line) == facts(expected)


def test_any_line_is_read_as_cyclopts_reads_it_or_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    chance, read = random.Random(11), 0
    for _ in range(400):
        words = ["start"]
        for _ in range(chance.randrange(5)):
            option = chance.choice([*VALUES, *FLAGS, "name", "main:app"])
            words.append(option)
            if option in VALUES and chance.random() < 0.95:
                words.append(chance.choice(VALUES[option]))
        line = plain_start(words)
        if line is not None:
            read += 1
            expected = by_cyclopts(words, monkeypatch)
            assert expected is not None, words
            assert facts(line) == facts(expected), words
    assert read > 60


@pytest.mark.parametrize(
    "arguments",
    [
        ["build"],
        [],
        ["start", "--port=9000"],
        ["start", "--port"],
        ["start", "--port", "1", "--port", "2"],
        ["start", "a:b", "--app", "c:d"],
        ["start", "--help"],
        ["start", "--nothing"],
        ["start", "-h"],
    ],
)
def test_other_lines_are_left_to_cyclopts(arguments: list[str]) -> None:
    assert plain_start(arguments) is None


NEEDLESS = """
import sys
import millpond.cli.serving.plain_line as lines
import millpond.cli.serving.serve_line
import millpond.serve.processes.workers

lines.plain_start(["start", "--workers", "2"])
print([name for name in ("cyclopts", "fastapi", "httpx2", "rich", "uvicorn") if name in sys.modules])
import millpond.cli.serving.served_app

print([name for name in ("cyclopts", "httpx2", "rich") if name in sys.modules])
"""


def test_the_parent_of_workers_and_what_serves_import_no_package_without_need() -> None:
    done = subprocess.run([sys.executable, "-c", NEEDLESS], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"
