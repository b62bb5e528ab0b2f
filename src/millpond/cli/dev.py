"""millpond dev"""

from __future__ import annotations

from millpond.cli.console import notices
from millpond.cli.options import HERE, LOCALHOST, PORT, AppName, Host, Port, Which
from millpond.dev.supervisor import supervise
from millpond.errors import UsageError
from millpond.serve.processes.server import address_of, bound


def dev(
    named: AppName = None,
    /,
    *,
    which: Which = HERE,
    host: Host = LOCALHOST,
    port: Port = PORT,
) -> int:
    """Serve for development: answers aren't cached, changes reload, and errors are shown as pages."""
    entrypoint = which.entrypoint(named)
    if not entrypoint.folder.is_dir():
        raise UsageError(f"there is no folder {entrypoint.folder}; give the project's with --dir.")
    console = notices()
    with bound(host, port) as sockets:
        console.print(f"{address_of(sockets)}  (answers aren't cached; Ctrl-C ends)")
        supervise(entrypoint, host, sockets, console.print)
    return 0
