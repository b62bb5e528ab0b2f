"""What the processes of one build tell each other, in files of a folder that they share."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from millpond.cache.observed import ObservedFunctions
from millpond.errors import BuildError
from millpond.prerender.failure import Failure
from millpond.prerender.route_result import Page
from millpond.prerender.sharing.claims import NumberFile
from millpond.render.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from io import FileIO

    from millpond.cache.answer import LostBody
    from millpond.policy.entry import Entry
    from millpond.policy.variants.variant import Variant
    from millpond.render.scopes.dynamic_use import DynamicUse
    from millpond.render.scopes.inputs import Inputs
    from millpond.routes.route_contract import Params, Route


class TargetName(NamedTuple):
    """A target, for a process that has loaded the same routes."""

    origin: str
    segments: tuple[str, ...]
    params: Params
    variant: Variant | None


@dataclass(frozen=True, slots=True)
class BuildPart:
    """What a further process must know to take part in a build."""

    build: str
    """The id that the entries carry."""
    targets: Sequence[TargetName]
    """All that are to be rendered."""
    digests: Mapping[str, str]
    """By the origin of each route: SHA-256 of its source."""
    live_paths: Mapping[str, frozenset[str]]
    """By the origin of each closed route: the paths that it lists."""
    processes: int
    """How many there are."""
    places: int
    """How many pages each renders at a time."""

    @classmethod
    def of(
        cls,
        build: str,
        routes: Sequence[Route],
        targets: Sequence[Target],
        live_paths: Mapping[str, frozenset[str]],
        processes: int,
        places: int,
    ) -> BuildPart:
        """One for the routes and targets that this process has found."""
        names = [TargetName(each.route.origin, each.segments, each.params, each.variant) for each in targets]
        return cls(build, names, {route.origin: route.digest for route in routes}, live_paths, processes, places)

    def targets_of(self, routes: Sequence[Route]) -> list[Target]:
        """The targets, for the routes as this process has loaded them.

        Raises:
            BuildError: they are others.
        """
        by_origin = {route.origin: route for route in routes}
        found = {origin: route.digest for origin, route in by_origin.items()}
        other = next((origin for origin, digest in self.digests.items() if found.get(origin) != digest), None)
        if other is not None:
            raise BuildError(f"{other} isn't what it was when the build began.")
        return [
            Target(by_origin[name.origin], name.segments, name.params, variant=name.variant) for name in self.targets
        ]


class _SentPage(NamedTuple):
    """A page without its target, which the other process has itself."""

    entry: Entry | None
    use: DynamicUse | None
    seconds: float
    inputs: Inputs | None
    lost: LostBody | None


@dataclass(frozen=True, slots=True)
class Findings:
    """What a process has found out besides its pages."""

    functions: ObservedFunctions = field(default_factory=ObservedFunctions)
    read: frozenset[str] = frozenset()
    """The files that were opened for reading, and the modules that were loaded; absolute paths."""
    written: frozenset[str] = frozenset()
    """The files that were opened for writing."""


_Rendered: TypeAlias = "tuple[int, _SentPage | Failure]"
Write: TypeAlias = "Callable[[bytes], object]"


@dataclass(frozen=True, slots=True)
class PartFolder:
    """The files of one build's processes. Only this user may read them."""

    path: Path

    @property
    def store(self) -> Path:
        """The folder of the store that they have in common."""
        return self.path / "store"

    @property
    def next(self) -> NumberFile:
        """The next position to claim."""
        return NumberFile(self.path / "next")

    def write_part(self, part: BuildPart) -> None:
        """Write what the further processes must know."""
        self._part.write_bytes(pickle.dumps(part))

    def read_part(self) -> BuildPart:
        """What `write_part` has written."""
        part: BuildPart = pickle.loads(self._part.read_bytes())  # noqa: S301 - this build has written it
        return part

    def pages(self, number: int) -> PageFile:
        """The file in which a process writes what it has rendered."""
        return PageFile(self.path / f"pages-{number}.pickle", self.path / f"claimed-{number}")

    @property
    def _part(self) -> Path:
        return self.path / "part.pickle"


class PageFile:
    """What one process has rendered, in the order in which it was done, and then its findings."""

    def __init__(self, path: Path, claimed: Path) -> None:
        self._path, self._claimed = path, claimed

    @contextmanager
    def open(self) -> Iterator[PageWriter]:
        """For the process that renders."""
        with self._path.open("wb", buffering=0) as pages, self._claimed.open("wb", buffering=0) as claimed:
            yield PageWriter(partial(_write_all, pages), partial(_write_all, claimed))

    def read(self, targets: Sequence[Target]) -> tuple[dict[int, Page | Failure], Findings]:
        """What has been written: pages by position, and what was found besides; of a file that is complete."""
        pages, findings = dict[int, Page | Failure](), Findings()
        for record in self._records():
            if isinstance(record, Findings):
                findings = record
            else:
                position, page = record
                pages[position] = page if isinstance(page, Failure) else Page(targets[position], *page)
        return pages, findings

    def under_way(self) -> list[int]:
        """The positions that were claimed, and aren't rendered."""
        content = self._claimed.read_bytes() if self._claimed.exists() else b""
        positions = [int.from_bytes(content[at : at + _DIGITS], "big") for at in range(0, len(content), _DIGITS)]
        done = {record[0] for record in self._records() if not isinstance(record, Findings)}
        return [position for position in positions if position not in done]

    def _records(self) -> Iterator[_Rendered | Findings]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            while True:
                try:
                    yield pickle.load(file)  # noqa: S301 - a process of this build has written it
                except (EOFError, pickle.UnpicklingError):  # the end, or where a process was ended while it wrote
                    return


_DIGITS = 8
"""Bytes of one position."""


def _write_all(file: FileIO, content: bytes) -> None:
    """Write all of it, or raise OSError: one write takes 2 GiB at most, and on a full disk less."""
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


class PageWriter(NamedTuple):
    """Writes what a process does, at once: it may be ended at any time."""

    write_page: Write
    write_claim: Write

    def claimed(self, position: int) -> None:
        """It begins to render a page."""
        self.write_claim(position.to_bytes(_DIGITS, "big"))

    def rendered(self, position: int, page: Page | Failure) -> None:
        """It has rendered one."""
        sent: _SentPage | Failure = page if isinstance(page, Failure) else _sent(page)
        self.write_page(pickle.dumps((position, sent)))

    def found(self, findings: Findings) -> None:
        """It has rendered all."""
        self.write_page(pickle.dumps(findings))


def _sent(page: Page) -> _SentPage:
    inputs = None if page.inputs is None else replace(page.inputs, calls=set())  # ids of this process's objects
    return _SentPage(page.entry, page.use, page.seconds, inputs, page.lost)


_PREFIX = "millpond-build-"
_OWNER = "owner"
"""The file that the first process of a build holds as long as it lives."""


@contextmanager
def part_folder() -> Iterator[PartFolder]:
    """A folder for one build, on this machine's own disk; removed after the block. If the process is killed in it, the
    next build removes the folder.

    Raises:
        BuildError: it can't be made.
    """
    _remove_abandoned(Path(tempfile.gettempdir()))
    try:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
    except OSError as error:
        raise BuildError(
            f"no folder for temporary files ({error}); set TMPDIR, or [build] workers = 1, which needs none."
        ) from error
    try:
        with NumberFile(path / "new-owner").held():
            (path / "new-owner").rename(path / _OWNER)  # whoever finds it, finds it held
            yield PartFolder(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Remove the folders of this user's builds whose first process has been killed."""
    for path in folder.glob(f"{_PREFIX}*"):
        try:
            is_ours = path.lstat().st_uid == os.getuid() and (path / _OWNER).exists()
            is_abandoned = is_ours and not NumberFile(path / _OWNER).is_held
        except OSError:  # its build has just removed it
            continue
        if is_abandoned:
            shutil.rmtree(path, ignore_errors=True)
