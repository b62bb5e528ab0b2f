"""Whether an application is used by a test, which must neither read nor write what the project serves."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from starlette.types import Scope

    from millpond.app.rehearsal import Rehearsal

_RUNNERS = {"unittest.case", "unittest.main", "unittest.runner", "unittest.suite"}
"""Modules of unittest that call tests; `unittest.mock` also wraps functions of programs that run."""

_SERVERS = {"daphne", "granian", "hypercorn", "starlette", "uvicorn"}
"""Packages that call an application's lifespan."""

_VARIABLES = {"PYTEST_VERSION", "PYTEST_CURRENT_TEST"}
"""What pytest sets, the first since version 8.2 for the whole run, and whatever it starts inherits."""


def is_test(scope: Scope | None) -> bool:
    """Whether a request or lifespan comes from a test: of Starlette's test client, or from a test's own process.

    Args:
        scope: the ASGI scope; None where the application's code starts it.
    """
    # ASGI demands of each server that it tells the protocol's version; the test client doesn't.
    return (scope is not None and "asgi" not in scope) or _runs_tests() or _was_made_by_pytest()


def is_isolated(said: bool | None, rehearsal: Rehearsal | None, scope: Scope | None, *, has_store: bool) -> bool:
    """Whether an application keeps away from the project's build and store.

    Args:
        said: `Millpond.isolated`.
        rehearsal: the one that the running code belongs to.
        scope: the ASGI scope; None where the application's code asks.
        has_store: whether the application was given a store.
    """
    if rehearsal is not None:
        return True
    return (not has_store and is_test(scope)) if said is None else said


def is_script(scope: Scope | None) -> bool:
    """Whether the application's own code starts it, and no server has called that, as it calls a parent's lifespan.

    Args:
        scope: the ASGI scope; None where the application's code starts it.
    """
    return scope is None and not _is_called_by_a_server(sys._getframe(1))  # noqa: SLF001 - documented


def _is_called_by_a_server(frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in _SERVERS:
            return True
        frame = frame.f_back
    return False


def _runs_tests() -> bool:
    """Whether pytest or unittest is at work in this process: on the stack of one of its threads.

    A variable of the environment would say so to a server, too, that a test starts.
    """
    return any(_is_called_by_a_runner(frame) for frame in sys._current_frames().values())  # noqa: SLF001 - documented


def _is_called_by_a_runner(frame: FrameType | None) -> bool:
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if module in _RUNNERS or module.startswith("_pytest."):
            return True
        frame = frame.f_back
    return False


def _was_made_by_pytest() -> bool:
    """Whether `multiprocessing` has started this process to call a function of a test's module.

    Such a process inherits no stack. A server's workers are started in the same way, but they don't import pytest.
    """
    multiprocessing: Any = sys.modules.get("multiprocessing.process")
    return (
        multiprocessing is not None
        and multiprocessing.parent_process() is not None
        and "pytest" in sys.modules
        and not _VARIABLES.isdisjoint(os.environ)
    )
