"""millpond dev"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from millpond.cli.listening.listen_options import ANYWHERE, Listen
from millpond.cli.serving.project_environment import environment_of
from millpond.cli.terminal.console import notices
from millpond.cli.terminal.options import HERE, AppName, Which
from millpond.dev.supervisor import supervise
from millpond.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def dev(named: AppName = None, /, *, which: Which = HERE, listen: Listen = ANYWHERE) -> int:
    """Serve for development: answers aren't cached, changes reload, and errors are shown as pages."""
    entrypoint = which.entrypoint(named)
    if not entrypoint.folder.is_dir():
        raise UsageError(f"there is no folder {entrypoint.folder}; give the project's with --dir.")
    with _environment_of(entrypoint.folder):
        address, certificate = listen.address(), listen.certificate()
    console = notices()
    with address.sockets() as sockets:
        supervise(entrypoint, address.host, sockets, console.print, certificate)
    return 0


@contextlib.contextmanager
def _environment_of(folder: Path) -> Iterator[None]:
    """As `environment_of`; what is wrong with the files is shown as a page, until it is mended."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ConfigError):
            stack.enter_context(environment_of(folder))
        yield
