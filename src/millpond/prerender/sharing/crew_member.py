"""A further process of a build, as it sees itself: it takes what is next, and writes down what it has found."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import shutil
import signal
import threading
import time
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Protocol

from millpond.errors import MillpondError
from millpond.prerender.sharing.build_part import Findings
from millpond.prerender.sharing.claims import Claims
from millpond.prerender.sharing.team import Team

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from millpond.cache.observed import ObservedFunctions
    from millpond.prerender.failure import Failure
    from millpond.prerender.route_result import Page
    from millpond.prerender.sharing.build_part import BuildPart, PageWriter, PartFolder
    from millpond.prerender.sources.opened_files import OpenedFiles

_LOOK_SECONDS = 0.01
_TELL_SECONDS = 0.2


class MemberState(Enum):
    """How far a process has come. It tells each, in this order."""

    LOADING = "loading"
    """It imports the project."""
    ENTERING = "entering"
    """It enters the application's lifespan."""
    RENDERING = "rendering"
    FILLED = "filled"
    """With Cache Components: its first passes have ended."""
    FINISHED = "finished"


class CannotGoOn(NamedTuple):
    """Told by a process that has failed."""

    why: str


GO_ON = "go on"
"""Told to all when the first passes have ended."""


class PartWork(Protocol):
    """The work of a further process. It is pickled, and called there."""

    def __call__(self, member: Member) -> None:
        """Load the project, and have its Builder `take_part`."""
        ...

    def exit(self) -> NoReturn:
        """Exit the process, even if threads of the project still run."""
        ...


class Member(Team):
    """This process, one of several.

    Args:
        folder: has the files that they share.
        number: tells it from the others.
        pipe: to the process that began the build.
    """

    def __init__(self, folder: PartFolder, number: int, pipe: Connection) -> None:
        self.folder, self._number, self._pipe = folder, number, pipe
        self.part: BuildPart = folder.read_part()
        self._claims = Claims(len(self.part.targets))
        self._claims.share(folder.next, self.part.processes)
        self._writing: PageWriter
        """Set while it runs."""
        self._done, self._told_at = 0, 0.0

    def run(self, work: PartWork) -> None:
        """Do the work, and tell how it ended."""
        logging.disable(logging.WARNING)  # while it starts: the first process has logged the same
        try:
            with self.folder.pages(self._number).open() as self._writing:
                work(self)
            self._tell_done()
            self._pipe.send(MemberState.FINISHED)
        except BaseException as error:  # noqa: BLE001 - the first process reports it
            said = str(error) if isinstance(error, MillpondError) else f"{type(error).__name__}: {error}"
            self._pipe.send(CannotGoOn(said))

    def enters(self) -> bool:
        """Tell that the lifespan is entered next; False: there is nothing left to do, so it needn't be."""
        self._pipe.send(MemberState.ENTERING)
        return self._claims.next < len(self.part.targets)

    def renders(self) -> None:
        """Tell that pages are claimed from now on."""
        if logging.root.manager.disable == logging.WARNING:  # else the project itself has said what it wants
            logging.disable(logging.NOTSET)
        self._pipe.send(MemberState.RENDERING)

    def claim(self, place: int) -> int | None:
        """See `Team`."""
        position = self._claims.claim(place, self.part.places)
        if position is not None:
            self._writing.claimed(position)
        return position

    def finished(self, position: int, page: Page | Failure) -> None:
        """See `Team`."""
        self._writing.rendered(position, page)
        self._done += 1
        if time.monotonic() - self._told_at >= _TELL_SECONDS:
            self._tell_done()

    async def first_passes_ended(self) -> None:
        """See `Team`."""
        self._pipe.send(MemberState.FILLED)
        while not self._pipe.poll(0):  # noqa: ASYNC110 - another process tells, and not every loop can read pipes
            await asyncio.sleep(_LOOK_SECONDS)
        self._pipe.recv()

    def found(self, functions: ObservedFunctions, opened: OpenedFiles, modules: frozenset[str]) -> None:
        """Write down what was found out besides the pages.

        Args:
            functions: what cached functions have used.
            opened: files that were opened.
            modules: the files of the modules that are loaded.
        """
        self._writing.found(Findings(functions, frozenset(opened.read | modules), frozenset(opened.written)))

    def _tell_done(self) -> None:
        self._told_at = time.monotonic()
        self._pipe.send(self._done)


def run_member(work: PartWork, folder: PartFolder, number: int, pipe: Connection) -> None:
    """The main function of a further process."""
    if hasattr(os, "setpgrp"):  # only the first process receives Ctrl-C, and ends this one
        os.setpgrp()
    else:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    try:
        Member(folder, number, pipe).run(work)
    except OSError:  # the pipe is broken, or the folder is missing
        if _is_orphan():
            _end(folder)
        raise
    work.exit()


def _is_orphan() -> bool:
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()


def _end_with_parent(folder: PartFolder) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _end(folder)


def _end(folder: PartFolder) -> NoReturn:
    """Exit, as the first process is gone: nobody would read what is rendered, and nobody removes the folder.

    Each process removes it: one may write a file while another one does.
    """
    shutil.rmtree(folder.path, ignore_errors=True)
    os._exit(1)
