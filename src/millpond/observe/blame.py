"""Which line of the user's code a use is attributed to; none where a library acts for itself."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple

import pydantic

from millpond.errors import Place
from millpond.observe import databases, environment_variables, files
from millpond.observe import python_functions as functions
from millpond.observe.context_propagation import Submission, Submissions, carries, given_in, taken_in
from millpond.observe.stack import is_in_a_loop, is_turn_of_the_loop, outwards
from millpond.observe.use import connects
from millpond.policy.allowance import InputKind
from millpond.render.scopes.current_scope import current
from millpond.render.scopes.scope import Phase
from millpond.render.user_code import in_project

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

    from millpond.observe.use import Use
    from millpond.render.scopes.inputs import Inputs
    from millpond.render.scopes.scope import Scope

_DIRECT = frozenset({InputKind.CLOCK, InputKind.RANDOM, InputKind.WAIT, InputKind.THREAD})
"""Kinds that libraries use for their own purposes all the time: only the user's own calls count."""
_FRAMEWORK = ("millpond.", "fastapi.")
_CARRIES = "fastapi.concurrency"
_DRIVEN = frozenset({InputKind.DATABASE, InputKind.NETWORK, InputKind.PROCESS})
"""Kinds that are used by way of libraries: whoever is between, the user asked for it."""

_LOGGING = vars(logging)
_PYDANTIC = tuple(pydantic.__path__)


class UseSite(NamedTuple):
    """The scope and the line that a use is attributed to."""

    scope: Scope
    inputs: Inputs
    place: Place
    submitted: bool
    """Whether the line isn't on the stack of the use: it submitted the work to a thread or a task."""


def is_generated(file: str) -> bool:
    """Whether code is generated from the user's: the `__init__` of a dataclass or model calls its default factories."""
    return (file.startswith("<") and not file.startswith("<frozen")) or file.startswith(_PYDANTIC)


class Blame:
    """Finds the user's line: on the stack, across greenlets, and across work for threads and tasks."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._files: dict[str, str | None] = {}
        """By file name of code: its path in the project, if it is the user's."""
        self._submissions = Submissions()

    def note_submission(self, frame: FrameType) -> Submission | None:
        """Remember the work that the function of `frame` submits, if it does so for a render.

        Returns:
            Who submitted it; None when no render did.
        """
        work = given_in(frame)
        scope = self._scope(frame) if work is not None else None
        if scope is None:
            return None
        place, carried = None, True
        for outer in outwards(frame.f_back):
            place, given = self._place(outer), None
            if place is None and (given := self._given_to(outer)) is not None:
                place, carried = given.place, carried and given.carried
            if place is not None or given is not None:
                break
            if _is_frameworks(outer):
                return None
            carried = carried and (carries(outer) or files.opens_for_caller(outer))
        submission = Submission(scope, place, carried)
        self._submissions.note(work, submission)
        return submission

    def asked_by(self, submission: Submission, use: Use) -> UseSite | None:
        """The site of a use that is the submitted call itself; None when a library submitted it for itself."""
        scope, place, carried = submission
        if place is None or scope.inputs is None or scope.phase is not Phase.HANDLER:
            return None
        return UseSite(scope, scope.inputs, place, submitted=True) if carried or use.kind in _DRIVEN else None

    def asked(self, frame: FrameType | None, use: Use) -> UseSite | None:
        """The site of a use that `frame` makes; None when a library makes it for itself, or no render runs."""
        scope = self._scope(frame)
        if scope is None or scope.inputs is None or scope.phase is not Phase.HANDLER:
            return None
        place: Place | None = None
        submitted = False
        for outer in outwards(frame):
            if outer.f_globals is _LOGGING:
                return None  # logging doesn't become part of an answer
            if place is not None:
                continue
            place = self._place(outer)
            if place is None and (given := self._given_to(outer)) is not None:
                place, submitted = given.place if given.carried or use.kind in _DRIVEN else None, True
                if place is None:
                    return None
            elif place is None and not _may_pass(outer, use):
                return None
        return None if place is None else UseSite(scope, scope.inputs, place, submitted)

    def _scope(self, frame: FrameType | None) -> Scope | None:
        """The current scope; in a thread without a context, that of the render which submitted its work."""
        scope = current()
        if scope is not None or is_in_a_loop():
            return scope
        given = (self._given_to(outer) for outer in outwards(frame))
        return next((submission.scope for submission in given if submission is not None), None)

    def _place(self, frame: FrameType) -> Place | None:
        """The line of a frame that is the user's."""
        name = frame.f_code.co_filename
        if name not in self._files:
            self._files[name] = in_project(name, self._project)
        file = self._files[name]
        return None if file is None else Place(file, frame.f_lineno)

    def _given_to(self, frame: FrameType) -> Submission | None:
        """The submission that a frame of a thread's or an event loop's machinery runs."""
        if is_turn_of_the_loop(frame):
            task = asyncio.current_task()
            return None if task is None else self._submissions.of(task.get_coro())
        work = taken_in(frame)
        return None if work is None else self._submissions.of(work)


def _is_frameworks(frame: FrameType) -> bool:
    """Whether Millpond or FastAPI asks: `fetch` has rules of its own, and what is around a handler is not its line."""
    module: str = frame.f_globals.get("__name__", "")
    return module.startswith(_FRAMEWORK) and module != _CARRIES


def _may_pass(frame: FrameType, use: Use) -> bool:
    """Whether a library's frame may stand between a use and the user's line that asks for it."""
    if _is_frameworks(frame):
        return False
    if use.kind in _DIRECT:
        return is_generated(frame.f_code.co_filename)
    if use.kind is InputKind.ENV:
        return environment_variables.reads_for_caller(frame)
    if use.kind is InputKind.FILE:
        return files.opens_for_caller(frame)
    if use.is_raw and databases.is_drivers(frame):
        return False
    if use.kind is InputKind.DATABASE and not connects(use.what) and databases.is_drivers_own(frame):
        return False
    return functions.kind_of(frame) in (
        None,
        InputKind.ENV,
        InputKind.THREAD,
    )  # else the use is within one that was told
