"""A project whose pages wait until all processes of its build render, and its builds by one process and by two."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict, replace

import millpond.cli.build
from cli_project import Done, call
from millpond.prerender.build_manifest import read_entries, read_manifest
from millpond.prerender.sharing.crew import BuildProcesses

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from millpond.policy.entry import Entry

MEETING = """
    import os, select
    from pathlib import Path

    HERE = Path(__file__).parent

    def meet():
        (HERE / "here" / str(os.getpid())).touch()
        while len(os.listdir(HERE / "here")) < int(os.environ["PROCESSES"]):
            select.select((), (), (), 0.01)  # a wait that no build observes

    def note(what):
        with open(HERE / "noted", "a") as file:
            file.write(what + "\\n")

    def is_second():
        return os.environ["FIRST"] != str(os.getpid())
"""


@dataclass(frozen=True)
class SharedProject:
    """The files of a project; each build has a folder of them to itself."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def write(self, files: dict[str, str]) -> None:
        for name, text in {"meeting.py": MEETING, **files}.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), "utf-8")
        (self.folder / "here").mkdir(exist_ok=True)

    def build(self, processes: int, *options: str) -> SharedBuild:
        """Build with so many processes from the first page on; every page waits until they are there."""
        (self.folder / "noted").write_text("", "utf-8")
        for name in os.listdir(self.folder / "here"):
            (self.folder / "here" / name).unlink()
        self.monkeypatch.setenv("PROCESSES", str(processes))
        self.monkeypatch.setenv("FIRST", str(os.getpid()))
        at_once = partial(BuildProcesses, how_many=lambda *_: processes)
        self.monkeypatch.setattr(millpond.cli.build, "BuildProcesses", at_once)
        arguments = ("build", "--dir", str(self.folder), "--workers", str(processes), "--json", *options)
        done = call(self.folder, self.capsys, *arguments)
        manifest = read_manifest(self.folder) if done.code == 0 else None
        return SharedBuild(
            done,
            {} if manifest is None else _comparable(asdict(manifest)),
            set() if manifest is None else set(manifest.sources),
            [] if manifest is None else [_comparable_entry(entry) for entry in read_entries(self.folder, manifest)],
            sorted((self.folder / "noted").read_text("utf-8").split()),
            len(os.listdir(self.folder / "here")),
        )


@dataclass(frozen=True)
class SharedBuild:
    """What a build has done."""

    done: Done
    manifest: dict[str, Any]
    """Without what differs from build to build, and without `sources`."""
    sources: set[str]
    entries: list[Entry] = field(repr=False)
    noted: list[str]
    rendered_by: int
    """How many processes have rendered."""

    @property
    def report(self) -> Any:
        return _comparable(self.done.facts)


_OF_ONE_BUILD = {"build", "built_at", "environment", "seconds", "sources"}


def _comparable(facts: Any) -> Any:
    if isinstance(facts, dict):
        return {name: _comparable(fact) for name, fact in facts.items() if name not in _OF_ONE_BUILD}
    if isinstance(facts, list):
        return [_comparable(fact) for fact in facts]
    return _comparable(asdict(facts)) if hasattr(facts, "__struct_fields__") else facts


def _comparable_entry(entry: Entry) -> Entry:
    return replace(entry, rendered_at=0.0, build="", came=None)
