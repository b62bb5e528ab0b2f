"""`[app]`, and the command line: which application commands load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from millpond.config.project.env_files import ENV_FILES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class ApplicationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[app]`: the application that commands load. It is read in the folder that `--dir` names."""

    entrypoint: str | None = None
    """"MODULE:APP", such as "main:app" or "shop.main:app". Empty: the folder `app/` alone, even if there is a
    main.py."""
    factory: bool = False
    """Whether the entrypoint is a function that returns the application."""

    env_files: tuple[str, ...] = ENV_FILES
    """Files with environment variables, relative to the folder; of several the last one counts. [] for none."""

    def problems(self) -> Iterator[str]:
        """What is wrong with the values."""
        if self.factory and ":" not in (self.entrypoint or ""):
            yield '"app.factory" is about the function that "app.entrypoint" names, such as "main:create_app".'
        for name in self.env_files:
            if not name.strip() or "\0" in name:
                yield '"app.env_files" has an empty name; name files, such as ".env", or write [] for none.'


@dataclass(frozen=True, slots=True)
class Entrypoint:
    """Which application a command is about. It can be pickled: each process imports the application itself."""

    folder: Path
    """The project's folder, absolute: its configuration may name the application, and imports begin there."""
    given: str | None = None
    """What the command line says: MODULE:APP."""
    factory: bool = False
    """Whether that is a function that returns the application."""
