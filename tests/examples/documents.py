"""Documents that are run: the files they show are written, their commands executed, their output compared."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import millpond_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx2

ADDRESS = "http://127.0.0.1:8000"
"""What documents call the server; a free port takes its place."""

_TOOLS = {"pytest": ["-p", "no:cacheprovider", "-W", "error"], "mypy": [], "ruff": []}
"""What a project is checked with, and the options that tests give it."""

_A_PATH = re.compile(r"^[│ ] [├└] ")
_SLOW = re.compile(r" \(\d+ ms\)")
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"# ([\w./\[\]()-]+\.(?:py|toml))\n")


class Block(NamedTuple):
    """A fenced block."""

    line: int
    kind: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that the block says to be, in a comment on its first line."""
        name = _FILE_NAME.match(self.text)
        return name[1] if name and self.kind in ("python", "toml") else None


def blocks(document: Path) -> list[Block]:
    """The fenced blocks of a document."""
    text = document.read_text("utf-8")
    return [Block(text.count("\n", 0, match.start()) + 1, match[1], match[2]) for match in _FENCE.finditer(text)]


class Step(NamedTuple):
    """A command of a console block."""

    command: str
    shown: list[str]
    """The lines that are shown below it."""
    whole: bool
    """Whether those are said to be all that it prints: no line is `…`, which stands for others."""


def steps(console: str) -> Iterator[Step]:
    """The commands of a console block."""
    for step in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, _, output = step.partition("\n")
        lines = [line.rstrip() for line in output.splitlines() if line.strip()]
        yield Step(command, [line for line in lines if line.strip() != "…"], "…" not in map(str.strip, lines))


def unshown_lines(shown: list[str], output: str) -> list[str]:
    """The lines of an output that a document which shows all of it doesn't have."""
    patterns = [_pattern(line) for line in _comparable(shown)]
    lines = _comparable([line for line in output.splitlines() if line.strip()])
    return [line for line in lines if not any(pattern.fullmatch(line) for pattern in patterns)]


def missing_lines(shown: list[str], output: str) -> list[str]:
    """The lines that a document shows and the output doesn't have, in that order; `…` stands for any text.

    How long a slow path took, how wide a column is for that, and which path of a route was the slowest isn't compared.
    """
    rest = iter(_comparable(output.splitlines()))
    return [line for line in _comparable(shown) if not any(_pattern(line).fullmatch(have) for have in rest)]


def _comparable(lines: list[str]) -> list[str]:
    """Without what depends on how busy the machine is: the paths of a route come in the order of their names."""
    plain = [_A_PATH.sub("│ ├ ", re.sub(r"(?<=\S) {2,}", "  ", _SLOW.sub("", line.rstrip()))) for line in lines]
    runs = itertools.groupby(plain, key=lambda line: line.startswith("│ ├ "))
    return [line for are_paths, run in runs for line in (sorted(run) if are_paths else run)]


def _pattern(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in line.split("…")))


class Terminal:
    """Executes the commands that documents show: `millpond …`, `cd`, tools of a project such as `pytest`, and `curl`.

    `NAME=value` in front of a command sets an environment variable for it.
    """

    def __init__(self, project: Path) -> None:
        self.project = project
        self._running = ExitStack()
        self._address: str | None = None
        self._jars: dict[str, httpx2.Cookies] = {}

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def run(self, command: str) -> str:
        """The output of `command`; a server that it starts runs until the next command that isn't for servers."""
        env, (name, *arguments) = _environment(shlex.split(command, comments=True))
        if name == "curl":
            return self._curl(arguments)
        if name == "cd":
            self.project = (self.project / arguments[0]).resolve(strict=True)
            return ""
        if name in _TOOLS:
            return self._tool(name, arguments, env)
        if name == "uvicorn":
            return self._serve((sys.executable, "-m", "uvicorn", *arguments), env)
        assert name == "millpond", f"documents may show millpond, cd, curl, uvicorn and {list(_TOOLS)}, not {name}"
        if arguments[0] != "revalidate":
            self._stop()
        if arguments[0] in ("start", "dev"):
            return self._serve((str(millpond_process.COMMAND), *arguments), env)
        done = millpond_process.run(arguments, self.project, env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _serve(self, command: tuple[str, ...], env: dict[str, str]) -> str:
        self._stop()
        self._address = self._running.enter_context(millpond_process.served(self.project, env, command))
        return ""

    def _tool(self, name: str, arguments: list[str], env: dict[str, str]) -> str:
        done = subprocess.run(
            [sys.executable, "-m", name, *_TOOLS[name], *arguments],
            cwd=self.project,
            env=millpond_process.environment(env),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _stop(self) -> None:
        self._running.close()
        self._address = None

    def _curl(self, arguments: list[str]) -> str:
        options = _curl_options().parse_args(arguments)
        assert self._address is not None, "the document starts no server before this command"
        assert options.url.startswith(ADDRESS)
        headers = dict(header.split(": ", 1) for header in options.header)
        if options.json is not None:
            headers["content-type"] = "application/json"
        with millpond_process.client(self._address) as client:
            client.cookies = self._jars.get(options.cookie) or client.cookies
            answer = client.request(
                options.request or ("GET" if options.json is None else "POST"),
                options.url.removeprefix(ADDRESS),
                headers=headers,
                content=options.json,
            )
            if options.cookie_jar:
                self._jars[options.cookie_jar] = client.cookies
        return f"{_head(answer)}\n\n{answer.text}" if options.include else answer.text


def _environment(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """The variables in front of a command, and the rest."""
    count = next((n for n, word in enumerate(words) if "=" not in word), len(words))
    return dict(word.split("=", 1) for word in words[:count]), words[count:]


def _curl_options() -> ArgumentParser:
    parser = ArgumentParser("curl", exit_on_error=False)
    parser.add_argument("-i", dest="include", action="store_true")
    parser.add_argument("-X", dest="request")
    parser.add_argument("-H", dest="header", action="append", default=[])
    parser.add_argument("-b", dest="cookie")
    parser.add_argument("-c", dest="cookie_jar")
    parser.add_argument("--json")
    parser.add_argument("url")
    return parser


def _head(answer: httpx2.Response) -> str:
    lines = [f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}"]
    return "\n".join([*lines, *(f"{name.lower()}: {value}" for name, value in answer.headers.multi_items())])
