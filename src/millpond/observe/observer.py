"""The observer of a build: sources report each use, it attributes the use to a line, and records it in the scope."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from millpond.internals import stack_names
from millpond.internals.private_name import tell_unknown
from millpond.observe import calls, context_propagation
from millpond.observe import python_functions as functions
from millpond.observe.audit import audited_by
from millpond.observe.blame import Blame
from millpond.observe.files import is_installed, shown
from millpond.observe.source import source_for
from millpond.observe.statements import is_housekeeping
from millpond.policy.allowance import FREEZABLE, InputKind
from millpond.render.scopes.current_scope import current
from millpond.render.scopes.dynamic_use import DynamicUse
from millpond.render.scopes.inputs import Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import FrameType

    from millpond.errors import Place
    from millpond.observe.use import Use
    from millpond.render.scopes.inputs import Call, Inputs

_LET_BE = frozenset({InputKind.ENV, InputKind.FILE})
"""Kinds that end no prerender (D32)."""
_SAME_EACH_TIME = frozenset({InputKind.CLOCK, InputKind.RANDOM})
"""Kinds of which one call is one input, however often it is made: in loops, finding the line again would be slow."""
_MOST_NAMED = 500
"""Observations of one scope from which on names are left out: a page may read thousands of files."""


class Observer:
    """Records what a render, or the fill of a cached function, uses: in its scope, from any thread.

    Args:
        project: whose code is the user's.
        ends: whether a use ends a shared render before it takes place, as with Cache Components; or is noted only.
    """

    def __init__(self, project: Path, *, ends: bool = False) -> None:
        self._ends = ends
        self._blame = Blame(project)
        self._source = source_for(self, project)

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Observe within the block."""
        tell_unknown(stack_names.NAMES)
        with audited_by(self), self._source.installed(throughout=self._ends):
            yield

    def render(self, *, whole: bool) -> AbstractContextManager[None]:
        """Around each render; with `whole` code around the handler is observed as well."""
        return self._source.render(whole=whole)

    def handler(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """A wrapper for a user's handler."""
        return self._source.handler(call)

    def called(self, function: Any, owner: Any, frame: FrameType) -> None:
        """`frame` calls a function in C whose name is one of `calls.NAMES`."""
        if not context_propagation.runs_work(frame):
            self._tell(calls.use_of_call(function, owner, frame), frame)

    def begun(self, frame: FrameType) -> None:
        """A function in Python whose name is one of the tables' has begun as `frame`."""
        if frame.f_code.co_name in context_propagation.NAMES:
            self._submitted(frame)
        self._tell(functions.use_of_function(frame), frame.f_back)

    def audited(self, use: Use, frame: FrameType) -> None:
        """`frame` has caused an audit event."""
        self._tell(use, frame)

    def _submitted(self, frame: FrameType) -> None:
        given = self._blame.note_submission(frame)
        use = calls.use_of_work(context_propagation.work_in(frame)) if given is not None else None
        asked = self._blame.asked_by(given, use) if given is not None and use is not None else None
        if use is not None and asked is not None and use.kind in FREEZABLE:
            _note(asked.inputs, use, asked.place, asked.scope.project)

    def _tell(self, use: Use | None, frame: FrameType | None) -> None:
        if use is None or frame is None:
            return
        call = (use.what, id(frame.f_code), frame.f_lasti)
        if use.kind in _SAME_EACH_TIME and _is_noted(call):
            return
        asked = self._blame.asked(frame, use)
        if asked is None:
            return
        scope, inputs, place, submitted = asked
        if self._ends and scope.is_prerender and use.kind not in _LET_BE:
            is_awaited = submitted or use.what == functions.OPEN_CONNECTION
            if not is_awaited:  # awaiting ends the render itself
                scope.end_prerender(DynamicUse(f"{use.kind} ({use.what})", place))
        elif use.kind in FREEZABLE:
            inputs.calls.add(call)
            _note(inputs, use, place, scope.project)


def _is_noted(call: Call) -> bool:
    """Whether this very call has been recorded for this render."""
    scope = current()
    return scope is not None and scope.inputs is not None and call in scope.inputs.calls


def _note(inputs: Inputs, use: Use, place: Place, project: Path) -> None:
    name = use.name() if len(inputs.observed) < _MOST_NAMED else ""
    if use.kind is InputKind.FILE and name:
        if is_installed(name):
            return
        name = shown(name, project)
    if not (use.kind is InputKind.DATABASE and is_housekeeping(name)):
        inputs.observed[Observation(use.kind, use.what, place, name)] = None
