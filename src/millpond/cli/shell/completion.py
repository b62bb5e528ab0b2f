"""millpond completion"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.completion.detect import ShellDetectionError

from millpond.cli.terminal.console import output, print_bytes
from millpond.errors import CommandError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

Shell = Literal["bash", "zsh", "fish", "powershell"]


def completion(
    shell: Annotated[
        Shell | None, Parameter(name="SHELL", help="The shell; by default the one that runs this command.")
    ] = None,
    /,
    *,
    install: Annotated[
        bool, Parameter(negative="", help="Write the script where the shell finds it, instead of printing it.")
    ] = False,
) -> int:
    """Print the script by which a shell completes commands and options, or install it."""
    # Imported late: the commands import this module.
    from millpond.cli.terminal.commands import app

    try:
        if install:
            _report(app.install_completion(shell=shell))
        else:
            print_bytes(app.generate_completion(shell=shell).encode())
    except ShellDetectionError:
        raise UsageError("which shell this is can't be told; name it: millpond completion bash") from None
    except OSError as error:
        raise CommandError(f"{error.filename} can't be written: {error.strerror}.") from None
    return 0


def install_completion() -> int:
    """Install the completion for the shell that runs this command."""
    return completion(install=True)


def _report(script: Path) -> None:
    output().print(f"the completion is in {script}; it works in shells that start from now on", soft_wrap=True)
