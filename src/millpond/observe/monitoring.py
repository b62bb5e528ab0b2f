"""The source from Python 3.12 on: sys.monitoring (PEP 669). Code without calls of interest isn't slowed down."""

from __future__ import annotations

import contextlib
import sys
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType
from typing import TYPE_CHECKING, Any

from millpond.errors import BuildError
from millpond.observe import calls, context_propagation
from millpond.observe import python_functions as functions
from millpond.observe.blame import is_generated
from millpond.render.user_code import in_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import CodeType

    from millpond.observe.use import CallListener

assert sys.version_info >= (3, 12)  # noqa: S101 - what tells type checkers, too

_monitoring = sys.monitoring
_EVENTS = _monitoring.events.CALL | _monitoring.events.PY_START
_TOOLS = (4, 3, 5, 2)
"""Numbers that a tool may have; those of debuggers and coverage last, or never."""
_NAMES = functions.NAMES | context_propagation.NAMES


class _Whose(Enum):
    """Whose code calls."""

    USERS = "the user's"
    GENERATED = "a class's of the user"
    LIBRARYS = "a library's"


class MonitoringSource:
    """Reports calls in all code, in every thread."""

    def __init__(self, listener: CallListener, project: Path) -> None:
        self._listener, self._project = listener, project
        self._known: dict[str, _Whose] = {}
        """By file."""

    @contextlib.contextmanager
    def installed(self, *, throughout: bool) -> Iterator[None]:
        """Report calls within the block.

        Raises:
            BuildError: other tools have taken all places.
        """
        del throughout  # it costs nothing
        tool = _free_tool()
        _monitoring.register_callback(tool, _monitoring.events.CALL, self._called)
        _monitoring.register_callback(tool, _monitoring.events.PY_START, self._begun)
        _monitoring.set_events(tool, _EVENTS)
        _monitoring.restart_events()  # an earlier build may have disabled events in code that is the user's in this one
        try:
            yield
        finally:
            _monitoring.set_events(tool, 0)
            for event in (_monitoring.events.CALL, _monitoring.events.PY_START):
                _monitoring.register_callback(tool, event, None)
            _monitoring.free_tool_id(tool)

    def render(self, *, whole: bool) -> AbstractContextManager[None]:
        """Nothing to do: all code is observed."""
        del whole
        return contextlib.nullcontext()

    def handler(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Nothing to do: all code is observed."""
        return call

    def _called(self, code: CodeType, _: int, function: object, first: object) -> object:
        """DISABLE ends the event for one instruction; in the user's own code it may call anything next time."""
        whose = self._known.get(code.co_filename) or self._whose(code.co_filename)
        kept = None if whose is _Whose.USERS else _monitoring.DISABLE
        kind = type(function)
        if kind is not BuiltinFunctionType and kind is not MethodDescriptorType:
            driver = isinstance(function, FunctionType) and function.__name__ in calls.OF_DRIVERS
            return None if driver else kept  # another time the driver may be one in C
        name: str = function.__name__  # type: ignore[attr-defined]  # both kinds have one
        if name not in calls.NAMES or (whose is _Whose.LIBRARYS and name not in calls.OF_DRIVERS):
            return kept
        if calls.is_asyncios(code):
            return kept
        owner = first if kind is MethodDescriptorType else getattr(function, "__self__", None)
        self._listener.called(function, owner, sys._getframe(1))  # noqa: SLF001 - the documented way to a caller's frame
        return None

    def _begun(self, code: CodeType, _: int) -> object:
        if code.co_name not in _NAMES:
            return _monitoring.DISABLE
        frame = sys._getframe(1)  # noqa: SLF001 - as above
        if not (functions.is_known(frame) or context_propagation.is_known(frame)):
            return _monitoring.DISABLE
        self._listener.begun(frame)
        return None

    def _whose(self, file: str) -> _Whose:
        users = in_project(file, self._project) is not None
        found = _Whose.USERS if users else _Whose.GENERATED if is_generated(file) else _Whose.LIBRARYS
        self._known[file] = found
        return found


def _free_tool() -> int:
    for tool in _TOOLS:
        with contextlib.suppress(ValueError):  # another tool has it
            _monitoring.use_tool_id(tool, "millpond")
            return tool
    raise BuildError("debuggers and profilers have taken every place of sys.monitoring; build without one of them.")
