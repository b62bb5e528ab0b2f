"""millpond dev"""

from __future__ import annotations

from millpond.cli.console import notices
from millpond.cli.options import HERE, LOCALHOST, PORT, Dir, Host, Port
from millpond.dev.supervisor import supervise
from millpond.errors import UsageError
from millpond.serve.processes.server import address_of, bound


def dev(*, dir: Dir = HERE, host: Host = LOCALHOST, port: Port = PORT) -> int:  # noqa: A002 - the option's name
    """Serve for development: answers aren't cached, changes reload, and errors are shown as pages."""
    project = dir.resolve()
    if not project.is_dir():
        raise UsageError(f"there is no folder {project}; give the project's with --dir.")
    console = notices()
    with bound(host, port) as sockets:
        console.print(f"{address_of(sockets)}  (answers aren't cached; Ctrl-C ends)")
        supervise(project, host, sockets, console.print)
    return 0
