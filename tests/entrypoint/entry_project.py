"""A project with a module that makes its application, opened as commands open it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from millpond.app.entrypoint.opened_app import OpenedApp, open_app
from millpond.config import Entrypoint
from millpond.errors import MillpondError
from millpond.routes.imports import forget

if TYPE_CHECKING:
    from ponds import Project

ROUTE = 'dynamic = "force-static"\n\n\ndef GET():\n    return "from a file"\n'

MAIN = """\
from millpond import Millpond

app = Millpond()
"""


def opened(project: Project, given: str | None = None, *, factory: bool = False) -> OpenedApp:
    """What a command would work on, of the files as they are now."""
    forget(project.folder)
    return open_app(Entrypoint(project.folder, given, factory))


def refused(project: Project, given: str | None = None, *, factory: bool = False) -> str:
    """The message of the error that a command would end with."""
    with pytest.raises(MillpondError) as caught:
        opened(project, given, factory=factory)
    return str(caught.value)
