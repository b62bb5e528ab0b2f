"""Where commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

import msgspec

from millpond.errors import MillpondError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console
    from rich.table import Table

_UNLIMITED_WIDTH = 10_000


def replace_unprintable() -> None:
    """Print "?" for characters that the terminal's encoding lacks, such as ●, where Python would raise."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def output() -> Console:
    """The console for a command's results. Without a terminal (and without COLUMNS) no line is wrapped."""
    from rich.console import Console  # imported late: servers print nothing

    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else _UNLIMITED_WIDTH
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)


def notices() -> Console:
    """The console for progress, warnings and errors."""
    from rich.console import Console

    return Console(file=sys.stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)


def print_table(console: Console, table: Table) -> None:
    """Print a table of `route_table` without trailing spaces in its last column; it may be wider than the console."""
    from millpond.prerender.build_table import columns_of

    width, console.width = console.width, max(console.width, columns_of(table))
    with console.capture() as captured:
        console.print(table)
    console.width = width
    for line in captured.get().splitlines():
        console.file.write(f"{line.rstrip()}\n")


def print_labelled(lines: Iterable[tuple[str, str]], width: int) -> None:
    """Print facts on stdout, one per line: the label, padded to `width` columns, then the text."""
    console = output()
    for label, text in lines:
        console.print(f"{label:<{width}} {text}", soft_wrap=True)


def print_json(facts: Any) -> None:
    """Print `facts` as indented JSON on stdout, always in UTF-8."""
    print_bytes(msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n")


def print_json_list(name: str, items: Iterable[Any], facts: dict[str, Any]) -> None:
    """Print an object as `print_json` does: first a list, of which one item at a time is held, then other facts."""
    separator = b""
    print_bytes(b"{\n  %s: [" % msgspec.json.encode(name))
    for item in items:
        text = msgspec.json.format(msgspec.json.encode(item), indent=2)
        print_bytes(separator + b"\n    " + text.replace(b"\n", b"\n    "))
        separator = b","
    rest = msgspec.json.format(msgspec.json.encode(facts), indent=2).removeprefix(b"{")
    print_bytes((b"\n  ]," if separator else b"],") + rest + b"\n")


def print_bytes(content: bytes) -> None:
    """Print bytes on stdout as they are, whatever the terminal's encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def print_error(message: str) -> None:
    """Print one error on stderr."""
    _labelled("error:", "bold red", message)


def print_warning(message: str) -> None:
    """Print one warning on stderr."""
    _labelled("warning:", "yellow", message)


def _labelled(label: str, style: str, message: str) -> None:
    console = notices()
    console.print(label, style=style, end=" ")
    console.print(message)


@contextlib.contextmanager
def errors_as_json(json: bool) -> Iterator[None]:
    """With `--json`, also print an error on stdout, in the format of a failed build."""
    try:
        yield
    except MillpondError as error:
        if json:
            print_json({"errors": [{"file": None, "path": None, "params": {}, "message": str(error)}]})
        raise
