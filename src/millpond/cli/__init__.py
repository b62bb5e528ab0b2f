"""The command line: one file per command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
"""Exit codes: something has to be mended; the command line itself is wrong; Ctrl-C."""


def main() -> NoReturn:
    """The command `millpond`: run it, and end the process with its exit code."""
    from millpond.serve.processes.process_exit import exit_process

    exit_process(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; a user's mistake is a message on stderr, never a traceback."""
    from cyclopts import CycloptsError

    from millpond.cli.commands import app
    from millpond.cli.console import print_error, replace_unprintable
    from millpond.errors import MillpondError
    from millpond.serve.processes.process_exit import exit_code_of

    replace_unprintable()
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:  # it says what is wrong, and what was probably meant
        print_error(str(error))
        return MISUSED
    except MillpondError as error:
        print_error(str(error))
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as error:  # of the project's own code, while it is imported, say
        return exit_code_of(error)
    return code if isinstance(code, int) else 0
