"""The command line: one file per command."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import TYPE_CHECKING, Literal, NoReturn, get_args, get_origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cyclopts import CycloptsError

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
"""Exit codes: the command failed; the command line is invalid; Ctrl-C."""


def main() -> NoReturn:
    """Entry point of the `millpond` command: run it and exit the process with its exit code."""
    from millpond.serve.processes.process_exit import exit_process

    exit_process(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. User errors are printed to stderr, without a traceback."""
    from millpond.cli.terminal.console import print_error, replace_unprintable
    from millpond.errors import MillpondError
    from millpond.serve.processes.process_exit import exit_code_of

    replace_unprintable()
    try:
        with _process_kept():
            return _run(arguments)
    except MillpondError as error:
        print_error(str(error))
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as error:  # raised by the project's own code, for example while it is imported
        return exit_code_of(error)


def _run(arguments: Sequence[str]) -> int:
    from millpond.cli.serving.plain_line import plain_start

    gc.disable()  # collections among what is imported take a tenth of a start, and free nothing
    line = plain_start(arguments)
    if line is not None:
        from millpond.cli.serving.serve_line import serve_line

        return serve_line(line)
    gc.enable()
    from cyclopts import CycloptsError

    from millpond.cli.terminal.commands import app
    from millpond.cli.terminal.console import print_error

    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:  # its message says what is wrong and suggests a fix
        print_error(_sentence(error))
        return MISUSED
    return code if isinstance(code, int) else 0


def _sentence(error: CycloptsError) -> str:
    """The message, with what an option without its value could have had, where that is one of a few words."""
    from cyclopts import MissingArgumentError, UnusedCliTokensError

    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        command = " ".join(("millpond", *(error.command_chain or ())))
        return f"{command} takes no argument {error.unused_tokens[0]!r}; see {command} --help"
    hint = error.argument.hint if isinstance(error, MissingArgumentError) and error.argument is not None else None
    if get_origin(hint) is not Literal:
        return str(error)
    return f"{error} Choose from: {', '.join(map(str, get_args(hint)))}."


@contextlib.contextmanager
def _process_kept() -> Iterator[None]:
    """Leave the process as it is: commands go to the project's folder, and set the variables of its `.env` files."""
    from millpond.config import forget_env_files

    try:
        before = os.getcwd()
    except FileNotFoundError:  # it was removed
        yield
        forget_env_files()
        return
    try:
        yield
    finally:
        os.chdir(before)
        forget_env_files()
