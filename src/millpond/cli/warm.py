"""millpond warm"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

import millpond
from millpond.cli.project import build_of, open_project, prints_on_stderr, project_of, run_project
from millpond.cli.terminal.console import errors_as_json, output, print_json, print_warning
from millpond.cli.terminal.options import HERE, Json, Which
from millpond.cli.terminal.progress_bar import ProgressBar
from millpond.cli.warming.inside import inside_of
from millpond.cli.warming.sources import MOST_READ, Sources
from millpond.config.project.build_output import OUTPUT
from millpond.errors import BuildError, UsageError
from millpond.prerender.build_manifest import read_manifest
from millpond.serve.logs import configure_logs
from millpond.serve.processes.event_loop import run_loop
from millpond.warm.asked_path import NotAsked, origin_of
from millpond.warm.bounded_round import WarmingLimits, warm_all
from millpond.warm.built_modes import BuiltModes
from millpond.warm.log_lines import USER_AGENT
from millpond.warm.outcome import Outcome, WarmTally
from millpond.warm.resume import Resume
from millpond.warm.warm_server import WarmServer

if TYPE_CHECKING:
    from pathlib import Path

    from millpond.app import Millpond
    from millpond.cli.project import FoundProject
    from millpond.warm.outcome import Warmed, Warms

FAILED = 1
_NOTED = (Outcome.HIT, Outcome.RENDERED, Outcome.STALE, Outcome.LIVE)
"""What needn't be asked for again, when a warming goes on."""


def warm(
    *,
    url: Annotated[
        str | None,
        Parameter(help="Ask the server at this URL. Without it, render here, into the store of the project."),
    ] = None,
    source: Annotated[
        list[str] | None,
        Parameter(
            name="--from",
            negative="",
            allow_leading_hyphen=True,
            help="Where the paths come from: an access log, a list, a sitemap's file, - for stdin, sitemap for that of "
            "the site, or most-read for what was read most in the store. May be given more than once. By default "
            "most-read, or where nothing is stored sitemap.",
        ),
    ] = None,
    limit: Annotated[int, Parameter(help="The number of paths, at most.", validator=Number(gte=1, lte=100_000))] = 1000,
    concurrency: Annotated[
        int, Parameter(help="The number of paths that are asked for at a time.", validator=Number(gte=1, lte=256))
    ] = 4,
    timeout: Annotated[float, Parameter(help="Seconds for one path.", validator=Number(gt=0, lte=3600))] = 30.0,
    time_limit: Annotated[
        float, Parameter(help="Seconds for all; what is left then is skipped.", validator=Number(gt=0, lte=86_400))
    ] = 600.0,
    live: Annotated[
        bool, Parameter(negative="", help="Also ask for what is live, so that nothing of it is stored.")
    ] = False,
    max_failures: Annotated[
        int, Parameter(help="The exit code is 1 if more paths failed.", validator=Number(gte=0))
    ] = 0,
    resume: Annotated[bool, Parameter(help="Go on where an interrupted command with the same options was.")] = True,
    which: Which = HERE,
    json: Json = False,
) -> int:
    """Ask for the paths that visitors will ask for, so that they find stored answers."""
    configure_logs("text", "error")
    limits = WarmingLimits(concurrency, timeout, time_limit)
    with errors_as_json(json):
        run = _Warming(Sources(source or [], limit, live=live), limits, resume=resume)
        began = time.monotonic()
        try:
            if url is None:
                run.inside(open_project(which.entrypoint(), serves=True))
            else:
                run.server(project_of(which.entrypoint()), url)
        except KeyboardInterrupt:
            _report(run, time.monotonic() - began, json, interrupted=True)
            raise
    _report(run, time.monotonic() - began, json)
    return FAILED if len(run.tally.failed) > max_failures else 0


class _Warming:
    """One run of the command."""

    def __init__(self, sources: Sources, limits: WarmingLimits, *, resume: bool) -> None:
        self._sources, self._limits, self._resumes = sources, limits, resume
        self.tally, self.resumed = WarmTally(), 0
        self.is_kept = False
        """Whether it can be gone on with when it is interrupted."""

    @property
    def source(self) -> str:
        """Where the paths came from."""
        return self._sources.used

    def inside(self, app: Millpond) -> None:
        """Render here."""
        if app.config.cache.kind == "memory":
            raise UsageError(
                'the configuration has [cache] store = "memory": no server would see what is rendered here. Warm the '
                "server itself, with --url or `millpond start --warm`."
            )
        if app.manifest() is None:
            raise BuildError(f"no build in {app.project / OUTPUT}; run `millpond build` first.")
        manifest, notes = build_of(app)
        if manifest is None:
            raise BuildError(notes[0])
        for note in notes:
            print_warning(note)
        self._sources.read_store(app.project, app.config)  # before the application opens it, and drops what is old

        async def work() -> None:
            async with app.lifespan():
                warms = await inside_of(app, live=self._sources.live)
                await self._run(warms, app.project, app.config.base_path, (), manifest.build)

        with prints_on_stderr():
            run_project(app, work())

    def server(self, project: FoundProject, url: str) -> None:
        """Ask a server."""
        origin = _origin(url)
        try:
            manifest = read_manifest(project.folder)
        except BuildError:  # of another version of Millpond: the server may have one that is good
            manifest = None
        modes = None if manifest is None else BuiltModes(manifest, project.config.base_path)
        if project.config.cache.kind != "memory":
            self._sources.read_store(project.folder, project.config)
        elif self._sources.named == [MOST_READ]:
            raise UsageError('--from most-read needs a store, but the configuration has [cache] store = "memory".')
        agent = f"{USER_AGENT}/{millpond.__version__}"
        limits = self._limits

        async def work() -> None:
            warms = WarmServer(origin, agent, modes, limits.concurrency, limits.timeout, live=self._sources.live)
            async with warms:
                await self._run(warms, project.folder, project.config.base_path, (origin,), origin)

        run_loop(work())

    async def _run(self, warms: Warms, project: Path, base_path: str, origins: tuple[str, ...], asked: str) -> None:
        """Warm; `asked`: the server's origin, or the build's id."""
        paths = await self._sources.paths(warms, origins, base_path, self._limits.time_limit)
        for note in self._sources.notes:
            print_warning(note)
        with Resume(project / OUTPUT.parent, [asked, *self._sources.named]) as state:
            done = state.done if self._resumes else frozenset()
            left = [path for path in paths if path not in done]
            self.resumed, self.is_kept = len(paths) - len(left), state.is_kept
            with ProgressBar("warming", tells_lines=True) as bar:

                def tell(warmed: Warmed) -> None:
                    self.tally.add(warmed)
                    if warmed.outcome in _NOTED:
                        state.note(warmed.path)
                    if warmed.outcome is Outcome.FAILED:
                        bar.tell(f"failed: {_line(warmed)}")
                    bar.show(self.tally.counts.total(), len(left))

                await warm_all(warms, left, self._limits, tell)
            state.forget()


def _origin(url: str) -> str:
    try:
        origin = origin_of(url)
    except NotAsked:
        raise UsageError(f'--url is "{url}"; it must look like http://127.0.0.1:8000.') from None
    if url.partition("://")[2].partition("/")[2].strip("/"):
        raise UsageError(f'--url is "{url}"; give the server alone, {origin}: sources name whole paths.')
    return origin


def _line(warmed: Warmed) -> str:
    return " ".join(str(part) for part in (warmed.status, warmed.path, warmed.why) if part is not None)


def _report(run: _Warming, seconds: float, json: bool, *, interrupted: bool = False) -> None:
    tally = run.tally
    if json:
        facts: dict[str, Any] = {"source": run.source, **tally.facts(), "resumed": run.resumed}
        print_json({**facts, "seconds": round(seconds, 2), "interrupted": interrupted})
        return
    console = output()
    before = f"; {run.resumed} were done before" if run.resumed else ""
    console.print(f"{run.source}: {tally}, in {seconds:.1f} s{before}", soft_wrap=True)
    for why, number in tally.why_skipped():
        console.print(f"  {number} skipped or not stored: {why}", soft_wrap=True)
    if interrupted:
        goes_on = "run it again to go on" if run.is_kept else "what is done isn't written down, as there is no folder"
        console.print(f"interrupted: {goes_on}", soft_wrap=True)
