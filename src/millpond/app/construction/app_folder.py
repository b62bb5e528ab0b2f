"""Where an application's folder of routes is, and with it the project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from millpond.errors import ProjectError

if TYPE_CHECKING:
    from types import FrameType

DEFAULT_APP_DIR = Path("app")
"""The folder of an application that names none. Told apart by identity: only this one may be missing."""


def app_dir_of(given: str | Path, caller: FrameType) -> Path:
    """The folder with the routes, as an absolute path.

    A relative one is looked for in the working directory, as Starlette does with folders, and then next to the file
    that makes the application: tests and servers may run anywhere.

    Args:
        given: what the application names; `DEFAULT_APP_DIR` if it names none.
        caller: the frame of the code that makes the application.

    Raises:
        ProjectError: a folder that was named is missing.
    """
    here = Path(given).absolute()
    beside = Path(caller.f_code.co_filename).absolute().parent / given
    found = next((folder for folder in (here, beside) if folder.is_dir()), None)
    if found is not None:
        return found
    if given is DEFAULT_APP_DIR:
        return here
    looked = f"{here}" if here == beside else f"{here} or {beside}"
    raise ProjectError(f'there is no folder {looked}; name the folder with the routes: Millpond("path/to/app").')
