"""millpond refresh"""

from __future__ import annotations

import getpass
import time
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from millpond.cache.invalidation_order import InvalidationOrder
from millpond.cli.project import build_of, open_project, prints_on_stderr, run_project
from millpond.cli.terminal.console import errors_as_json, output, print_json, print_warning
from millpond.cli.terminal.options import HERE, Json, Which
from millpond.cli.terminal.progress_bar import ProgressBar
from millpond.cli.warming.inside import inside_of
from millpond.config.project.build_output import OUTPUT
from millpond.errors import BuildError, UsageError
from millpond.messages import counted
from millpond.routes.naming.named_path import PathType  # noqa: TC001 - the command line is made of it
from millpond.routes.naming.route_names import RouteNames
from millpond.serve.logs import configure_logs
from millpond.telemetry.journal import Journal
from millpond.warm.bounded_round import WarmingLimits
from millpond.warm.outcome import Outcome
from millpond.warm.refreshing.refresh_event import refresh_event
from millpond.warm.refreshing.refresh_round import refresh as refresh_now

if TYPE_CHECKING:
    from millpond.app import Millpond
    from millpond.warm.outcome import Warmed
    from millpond.warm.refreshing.refresh_round import Refreshed

FAILED = 1


def refresh(
    *,
    tag: Annotated[list[str] | None, Parameter(negative="", help="A tag; may be given more than once.")] = None,
    path: Annotated[
        list[str] | None, Parameter(negative="", help="A path, such as /items/1, or a pattern, such as /items/[id].")
    ] = None,
    type: Annotated[  # noqa: A002 - the option's name
        PathType | None, Parameter(help='For paths: "layout" also refreshes everything below.')
    ] = None,
    concurrency: Annotated[
        int, Parameter(help="The number of paths that are rendered at a time.", validator=Number(gte=1, lte=256))
    ] = 4,
    timeout: Annotated[float, Parameter(help="Seconds for one path.", validator=Number(gt=0, lte=3600))] = 30.0,
    time_limit: Annotated[
        float, Parameter(help="Seconds for all; what is left then is stale.", validator=Number(gt=0, lte=86_400))
    ] = 600.0,
    which: Which = HERE,
    json: Json = False,
) -> int:
    """Render tags and paths again now. Old answers are served meanwhile, and stay where a render fails."""
    configure_logs("text", "error")
    limits = WarmingLimits(concurrency, timeout, time_limit)
    with errors_as_json(json):
        if not tag and not path:
            raise UsageError("name what to refresh: --tag TAG or --path PATH.")
        if not path and type is not None:
            raise UsageError("--type is for paths.")
        app = _served_app(which)
        names = RouteNames.of(app.own_routes, app.config.base_path)
        order = InvalidationOrder.of(tag or [], path or [], type, names)
        for warning in order.warnings:
            print_warning(warning)
        began = time.monotonic()
        done = _refreshed(app, order, limits)
        seconds = time.monotonic() - began
    _note(app, order, done)
    if json:
        facts = done.tally.facts()
        print_json({**facts, "left": done.reached.unasked, "generation": done.generation, "seconds": round(seconds, 2)})
    else:
        _report(done, seconds)
    return FAILED if done.tally.failed else 0


def _served_app(which: Which) -> Millpond:
    """The application whose build is served.

    Raises:
        UsageError: no server would see what is rendered here.
        BuildError: there is no build, or it can't be served.
    """
    app = open_project(which.entrypoint(), serves=True)
    if app.config.cache.kind == "memory":
        raise UsageError(
            'the configuration has [cache] store = "memory": no server would see what is rendered here. Refresh it on '
            "the server's dashboard, or with `millpond revalidate --url URL --profile max`."
        )
    if app.manifest() is None:
        raise BuildError(f"no build in {app.project / OUTPUT}; run `millpond build` first.")
    manifest, notes = build_of(app)
    if manifest is None:
        raise BuildError(notes[0])
    for note in notes:
        print_warning(note)
    return app


def _refreshed(app: Millpond, order: InvalidationOrder, limits: WarmingLimits) -> Refreshed:
    with ProgressBar("refreshing", tells_lines=True) as bar:
        number = 0

        def tell(warmed: Warmed) -> None:
            nonlocal number
            number += 1
            if warmed.outcome is Outcome.FAILED:
                reason = warmed.why or f"it was answered {warmed.status}"
                bar.tell(f"failed: {warmed.path}: {reason}")
            bar.show(number, number)

        async def work() -> Refreshed:
            async with app.lifespan():
                runtime = await app.runtime()
                return await refresh_now(
                    order,
                    runtime.responses.store,
                    await inside_of(app),
                    base_path=app.config.base_path,
                    purges=runtime.data.purges,
                    limits=limits,
                    tell=tell,
                )

        with prints_on_stderr():
            return run_project(app, work())


def _note(app: Millpond, order: InvalidationOrder, done: Refreshed) -> None:
    """Have the timeline of the dashboard tell of it."""
    metrics = app.config.metrics
    if metrics.counters:
        event = refresh_event(order, done, at=time.time(), origin="cli", name=_user())
        Journal(app.project / metrics.folder).note(event)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # nobody's account, as in some containers
        return ""


def _report(done: Refreshed, seconds: float) -> None:
    console, tally = output(), done.tally
    number = tally.counts[Outcome.RENDERED] + tally.counts[Outcome.HIT]
    text = f"{counted(number, 'answer')} rendered in {seconds:.1f} s"
    if tally.failed:
        text += f"; {counted(len(tally.failed), 'path')} failed, and what was stored stays"
    console.print(f"{text}; the generation is {done.generation}", soft_wrap=True)
    for why, count in tally.why_skipped():
        console.print(f"  {count} not rendered: {why}", soft_wrap=True)
    if done.reached.unasked:
        console.print(
            f"  {counted(done.reached.unasked, 'answer')} of hosts, header values or QUERY: rendered at the next "
            "request, and stale until then",
            soft_wrap=True,
        )
    if not tally.asked and not done.reached.keys:
        console.print("  nothing that is stored was reached", soft_wrap=True)
