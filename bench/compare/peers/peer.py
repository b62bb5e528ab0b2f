"""One server that is compared, and the folder that it is prepared in."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from process import environment, free_port

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parents[1]
ROOT = HERE.parents[1]
BIN = Path(sys.executable).parent
"""Millpond's own environment: this command runs in it."""
BODY_BYTES = 997


class Missing(Exception):
    """A peer can't be had on this machine; the message says why."""


@dataclass(frozen=True)
class Peer:
    """One server."""

    name: str
    title: str
    command: Callable[[int], list[str]]
    """By the port."""
    cwd: Path
    paths: dict[str, str]
    """By what is measured, the path to ask for."""
    version: str = ""
    warm: float = 1.0
    """Seconds of load before the first measurement."""
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scratch:
    """A folder outside of git, where peers live."""

    folder: Path
    origin: int
    """The port of the server behind the proxies."""

    @property
    def run(self) -> Path:
        """Logs and states of the servers, which the next run removes: an access log is long."""
        return self.folder / "run"

    @property
    def env(self) -> dict[str, str]:
        return {"BENCH_BODY": str(self.folder / "body.json"), "NEXT_TELEMETRY_DISABLED": "1"}

    @classmethod
    def at(cls, folder: Path) -> Scratch:
        folder.mkdir(exist_ok=True)
        shutil.rmtree(folder / "run", ignore_errors=True)
        (folder / "run").mkdir()
        (folder / "body.json").write_bytes(body())
        return cls(folder, free_port())


def body() -> bytes:
    """The kilobyte of JSON that every server returns."""
    facts = {"id": 7, "name": "oak chair", "price": 12900, "text": ""}
    words = ["the", "still", "water", "is", "the", "cache", "and", "it", "drives", "the", "mill", "only", "when"]
    words += ["it", "must"]
    text = " ".join(words[(number * number) % len(words)] for number in range(400))
    return json.dumps({**facts, "text": text[: BODY_BYTES - len(json.dumps(facts))]}).encode()


def filled(template: str, names: dict[str, str], file: Path) -> str:
    """A configuration with its `@name@`s replaced, and written; the path of the file."""
    text = (HERE / template).read_text()
    for name, value in names.items():
        text = text.replace(f"@{name}@", value)
    file.write_text(text)
    return str(file)


def run(command: list[str], cwd: Path, scratch: Scratch, env: dict[str, str] | None = None) -> None:
    """Run what installs or builds a peer.

    Raises:
        Missing: it failed; the message has its last words.
    """
    done = subprocess.run(  # noqa: S603 - installs and builds what is compared
        command,
        cwd=cwd,
        env=environment(scratch.env | (env or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Missing(f"{' '.join(command[:3])} failed: {(done.stdout + done.stderr).strip()[-400:]}")


def output(command: list[str]) -> str:
    """What a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
