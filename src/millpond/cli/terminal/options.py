"""Options that several commands share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import CycloptsError, Parameter

from millpond.config import Entrypoint

AppName = Annotated[str | None, Parameter(name="MODULE:APP", help="The application; the same as --app.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print only JSON on stdout.")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Which:
    """Options that say which application a command is about."""

    app: Annotated[
        str | None,
        Parameter(
            help="The application, such as main:app; by default [app] entrypoint, or what main.py makes, or the folder "
            "app/ alone."
        ),
    ] = None
    factory: Annotated[bool, Parameter(negative="", help="The function that --app names returns the application.")] = (
        False
    )
    dir: Annotated[Path, Parameter(help="The project's folder: the one that contains app/ and main.py.")] = Path()

    def entrypoint(self, named: str | None = None) -> Entrypoint:
        """The same, for what loads it.

        Args:
            named: the argument MODULE:APP, of commands that have it.

        Raises:
            CycloptsError: there are both.
        """
        if named is not None and self.app is not None:
            raise CycloptsError(f"name one application: {named}, or --app {self.app}.")
        return Entrypoint(self.dir.absolute(), self.app if named is None else named, self.factory)


HERE = Which()
