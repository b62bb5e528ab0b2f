"""The project that a command works on."""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from millpond.app.entrypoint.opened_app import ROUTES, open_app
from millpond.cli.terminal.console import print_warning
from millpond.config import load_config, read_env_files
from millpond.errors import BuildError, MillpondError, ProjectError
from millpond.prerender.build_manifest import edited_since, plans_of
from millpond.prerender.failure import failure_message
from millpond.prerender.sources.built_sources import edited_sources
from millpond.serve.processes.event_loop import run_loop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from millpond.app import Millpond
    from millpond.config import Config, Entrypoint
    from millpond.prerender.build_manifest import BuildManifest

T = TypeVar("T")


def open_project(
    entrypoint: Entrypoint, tell: Callable[[str], None] = print_warning, *, serves: bool = False
) -> Millpond:
    """The application that a command works on, its route files imported.

    Args:
        entrypoint: which application.
        tell: prints a note about how the application was found.
        serves: leave those out that are as they were built, and needn't be imported before they are asked.

    Raises:
        MillpondError: the configuration, a route file or the module of the application is wrong, or what was named
            isn't there.
        ProjectError: instrumentation.py raised.
    """
    with prints_on_stderr(), _without_garbage_collection(), _told(entrypoint.folder):
        app, notes = open_app(entrypoint)
        app.isolated = False  # a command works on what is served, whoever calls it
        app.served_routes if serves else app.own_routes  # noqa: B018 - loaded here, where what they print goes to stderr
    for note in notes:
        tell(note)
    return app


class FoundProject(NamedTuple):
    """A project's folder, the folder with its routes, and its configuration."""

    folder: Path
    app_dir: Path
    config: Config


def project_of(entrypoint: Entrypoint) -> FoundProject:
    """The project that a command is about, of which it needs no routes.

    Only an application that the command line names is imported: otherwise a command would need the packages and the
    environment of the application, only to look into its cache.

    Raises:
        ConfigError: the configuration is wrong.
        MillpondError: as `open_project` does.
    """
    if entrypoint.given:
        app = open_project(entrypoint)
        return FoundProject(app.project, app.app_dir, app.config)
    folder, config = entrypoint.folder, load_config(entrypoint.folder)
    for note in read_env_files(folder, config.app.env_files):
        print_warning(note)
    return FoundProject(folder, folder / ROUTES, config)


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Disable garbage collection while the project loads, and freeze the loaded objects afterwards.

    They live as long as the process. Collecting among them takes a fifth of the loading time, and more time later.
    For commands only: they own the process.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


def build_of(app: Millpond) -> tuple[BuildManifest | None, list[str]]:
    """The build that a server would serve, and notes about it; None if there is none or the server would refuse it."""
    try:
        manifest = app.manifest()
        if manifest is None:
            return None, ["there is no build: this is derived from the files"]
        plans_of(manifest, app.own_routes)
    except BuildError as error:
        return None, [f"the build can't be served: {error}"]
    if manifest.compat != app.config.compat:
        return None, [f'the build was made with compat = "{manifest.compat}"; run `millpond build` again.']
    edited = [*edited_since(manifest, app.own_routes), *edited_sources(app.project, manifest, app.config)]
    return manifest, [f"{file} was edited after the build" for file in edited]


def run_project(
    app: Millpond, work: Coroutine[Any, Any, T], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> T:
    """Run `work`, which runs the user's code, in an event loop of its own.

    Raises:
        ProjectError: the user's code raised.
    """
    with _told(app.project):
        return run_loop(work, loop_factory)


@contextlib.contextmanager
def _told(project: Path) -> Iterator[None]:
    """What the user's code raises within the block, as an error with the user's part of the traceback."""
    try:
        yield
    except MillpondError:
        raise
    except (Exception, SystemExit) as error:
        raise ProjectError(f"the project's own code failed:\n{failure_message(error, project)}") from error


def prints_on_stderr() -> contextlib.AbstractContextManager[object]:
    """Redirect stdout to stderr while the user's code runs: what it prints is not part of the command's results."""
    return contextlib.redirect_stdout(sys.stderr)
