"""Several processes that render one build, as the one sees them that began it: it renders, too, and waits for the rest.

Each loads the project itself: a copy of this process would lack its threads, its event loop and its connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from millpond.errors import BuildError
from millpond.prerender.sharing.build_part import BuildPart
from millpond.prerender.sharing.crew_member import GO_ON, CannotGoOn, MemberState, run_member
from millpond.prerender.sharing.team import Alone, Team
from millpond.prerender.sharing.worthwhile import Pace, worthwhile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from millpond.cache.observed import ObservedFunctions
    from millpond.prerender.failure import Failure
    from millpond.prerender.route_result import Page
    from millpond.prerender.sharing.build_part import Findings, PartFolder
    from millpond.prerender.sharing.crew_member import PartWork
    from millpond.prerender.sources.opened_files import OpenedFiles
    from millpond.render.target import Target
    from millpond.routes.route_contract import Route

    HowMany = Callable[[Pace, float, int], int]

_SPAWNING = multiprocessing.get_context("spawn")
_LOOK_SECONDS = 0.1
_WAIT_SECONDS = 0.02
_GRACE = 5.0
"""Seconds for a process that has nothing to do to leave the lifespan that it has entered; and for one to exit."""
_NAMED = 3
"""Pages that a message names."""


@dataclass(frozen=True, slots=True)
class BuildProcesses:
    """How a build may start further processes."""

    most: int
    """The most processes that render, the first one included."""
    work: PartWork
    """What each does."""
    start_seconds: Callable[[], float] = time.process_time
    """What it costs to load the project: as much as in this process, where it has done nothing else."""
    how_many: HowMany = worthwhile
    """Decides how many are worth it."""


class Crew(Team):
    """The processes of one build.

    Args:
        processes: how they are started.
        folder: has the files that they share.
        concurrency: how many pages they render at a time, all together.
        routes: the application's.
        build: the id of the build.
        live_paths: by the origin of each closed route, the paths that it lists.
        to_start: seconds that the application took to start, once it was loaded.
    """

    def __init__(
        self,
        processes: BuildProcesses,
        folder: PartFolder,
        concurrency: int,
        routes: Sequence[Route],
        build: str,
        live_paths: Mapping[str, frozenset[str]],
        to_start: float,
    ) -> None:
        self._processes, self._folder, self._concurrency = processes, folder, concurrency
        self._most = min(processes.most, concurrency)
        self._routes, self._build, self._live_paths = routes, build, live_paths
        self._others: list[_Process] = []
        self._targets: Sequence[Target] = ()
        self._team = Alone(0, concurrency, lambda done, total: None)
        self._start_seconds = to_start
        self._began = self._began_cpu = self._looked_at = 0.0
        self._busy, self._ended = set[int](), 0
        self._is_decided = self._most == 1
        self._findings: list[Findings] = []
        self.warnings: list[str] = []
        """About processes that couldn't start."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for process in self._others:
            process.end(_GRACE if kind is None else 0.0)

    def begin(self, targets: Sequence[Target], progress: Callable[[int, int], None]) -> None:
        """These are to be rendered, from now on; `progress` is told how many are done, and of how many."""
        self._targets, self._team = targets, Alone(len(targets), self._concurrency, progress)
        self._start_seconds += self._processes.start_seconds()
        self._began, self._began_cpu = time.perf_counter(), time.process_time()

    def claim(self, place: int) -> int | None:
        """See `Team`. Between two pages it is seen whether further processes are worth it."""
        if place in self._busy:
            self._ended += 1
        self._busy.add(place)
        self._look()
        if not self._is_decided and (processes := self._worthwhile()) > 1:
            self._is_decided = True
            self._start(processes)
        return self._team.claim(place)

    def finished(self, position: int, page: Page | Failure) -> None:
        """See `Team`."""
        self._team.pages[position] = page
        self._look()

    async def first_passes_ended(self) -> None:
        """See `Team`."""
        await self._until(MemberState.FILLED)
        for process in self._others:
            process.go_on()

    async def all_pages(self) -> Mapping[int, Page | Failure]:
        """What became of all targets, by their position, when every process has ended its work.

        Raises:
            BuildError: one has failed.
        """
        await self._until(MemberState.FINISHED)
        for process in self._others:
            pages, findings = self._folder.pages(process.number).read(self._targets)
            self._team.pages.update(pages)
            self._findings.append(findings)
        self._tell()
        return self._team.pages

    def add_findings(self, functions: ObservedFunctions, opened: OpenedFiles) -> None:
        """Add what the other processes have found besides pages to what this one has."""
        for findings in self._findings:
            functions.add(findings.functions)
            opened.read.update(findings.read)
            opened.written.update(findings.written)

    def _worthwhile(self) -> int:
        seconds, cpu_seconds = time.perf_counter() - self._began, time.process_time() - self._began_cpu
        pace = Pace(seconds, cpu_seconds, self._ended, self._team.count - self._team.claims.next)
        return min(self._most, self._processes.how_many(pace, self._start_seconds, self._most))

    def _start(self, processes: int) -> None:
        """Start so many, less this one; without them the build goes on alone."""
        places = max(1, self._concurrency // processes)
        part = BuildPart.of(self._build, self._routes, self._targets, self._live_paths, processes, places)
        try:
            self._folder.write_part(part)
            shared = self._folder.next
            shared.value = self._team.claims.next
            for number in range(1, processes):
                self._others.append(_Process(self._processes.work, self._folder, number))
        except Exception as error:  # noqa: BLE001 - no room for files or processes, parameters that can't be pickled
            self.warnings.append(_couldnt_start(f"{type(error).__name__}: {error}"))
        if self._others:
            self._team.claims.share(shared, processes)
            self._team.concurrency = places

    def _look(self, *, at_once: bool = False) -> None:
        """Hear what the others tell.

        Raises:
            BuildError: one has ended, or failed, that has begun to render.
        """
        now = time.monotonic()
        if now - self._looked_at < _LOOK_SECONDS and not at_once:
            return
        self._looked_at = now
        for process in [*self._others]:
            process.look()
            if process.why is None:
                continue
            if process.has_begun:
                raise BuildError(self._what_happened(process, process.why))
            self.warnings.append(_couldnt_start(process.why))
            self._leave(process)
        self._tell()

    def _tell(self) -> None:
        self._team.tell(min(self._team.count, len(self._team.pages) + sum(process.done for process in self._others)))

    async def _until(self, stage: MemberState) -> None:
        """Wait until all others have come so far; everything is claimed, so those that only load aren't needed."""
        self._look(at_once=True)
        for process in [*self._others]:
            if process.stage is MemberState.LOADING:
                self._leave(process)
        ends = time.monotonic() + _GRACE
        while late := [process for process in self._others if process.stage not in (stage, MemberState.FINISHED)]:
            if time.monotonic() >= ends:
                for process in late:
                    if not process.has_begun:
                        self._leave(process)
            await asyncio.sleep(_WAIT_SECONDS)
            self._look(at_once=True)

    def _leave(self, process: _Process) -> None:
        """Go on without one that has rendered nothing."""
        self._others.remove(process)
        process.end(0.0)

    def _what_happened(self, process: _Process, why: str) -> str:
        under_way = [
            self._targets[position].readable_variant for position in self._folder.pages(process.number).under_way()
        ]
        more = len(under_way) - _NAMED
        named = ", ".join([*under_way[:_NAMED], *([f"{more} more"] if more > 0 else [])])
        during = f" while it rendered {named}" if named else ""
        return f"a process of the build ended{during}: {why}. Nothing was written."


def _couldnt_start(why: str) -> str:
    return (
        f"a further process of the build couldn't start, so the build went on without it: {why.rstrip('.')}. "
        "With [build] workers = 1 none is started."
    )


class _Process:
    """One of the others.

    Raises:
        OSError: the system allows no further process.
    """

    def __init__(self, work: PartWork, folder: PartFolder, number: int) -> None:
        self.number = number
        self.stage = MemberState.LOADING
        self.done = 0
        """How many pages it has rendered."""
        self.why: str | None = None
        """Why it can't go on."""
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = _SPAWNING.Process(target=run_member, args=(work, folder, number, theirs))
        self._process.start()
        theirs.close()  # so that its end is seen

    @property
    def has_begun(self) -> bool:
        """Whether it may have claimed pages."""
        return self.stage not in (MemberState.LOADING, MemberState.ENTERING)

    def look(self) -> None:
        """Hear what it tells."""
        try:
            while self.stage is not MemberState.FINISHED and self.why is None and self._pipe.poll(0):
                self._hear(self._pipe.recv())
        except (EOFError, OSError):
            self._process.join(_GRACE)
            self.why = _described(self._process.exitcode)

    def _hear(self, told: object) -> None:
        if isinstance(told, MemberState):
            self.stage = told
        elif isinstance(told, CannotGoOn):
            self.why = told.why
        elif isinstance(told, int):
            self.done = told

    def go_on(self) -> None:
        """Tell it that the first passes have ended; if it can't be told, it has ended, which is seen next."""
        with contextlib.suppress(OSError):
            self._pipe.send(GO_ON)

    def end(self, seconds: float) -> None:
        """Wait for its end, and end it when that takes longer."""
        self._process.join(seconds)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()


def _described(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"its exit code is {exitcode}"
    return f"it was ended by {signal.Signals(-exitcode).name}"
