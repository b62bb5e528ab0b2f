"""A small project with a waste in it, its traffic, and what is advised about it; all in this process."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from declared_in_code import declare
from millpond import Millpond
from millpond.cli.advise import advice_about_project
from millpond.config import parse_config
from millpond.prerender.build_manifest import plans_of, read_manifest
from millpond.prerender.plan import unbuilt_plans
from millpond.routes.imports import forget
from millpond.stores.factory import chosen_store
from millpond.telemetry.journal import Event, Journal
from ponds import Project, Running, client_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from millpond.advice.advised import Advised

HOUR = 3600.0


class Planted(Project):
    """A project with an embedded store, or a shared one, and counters on disk."""

    code = ""
    """What its main.py declares; "": there is none."""

    def embedded(self, **said: Any) -> Millpond:
        """A Millpond of the files as they are now."""
        forget(self.folder)
        (self.folder / "app").mkdir(exist_ok=True)
        config = parse_config({**self.config, **said}, "millpond.toml")
        manifest = read_manifest(self.folder)
        store = chosen_store(self.folder, config.cache, None if manifest is None else manifest.build, self.clock)
        pond = Millpond(self.folder / "app", config=config, store=store, clock=self.clock)
        pond.served_routes  # noqa: B018 - mistakes in route files are raised here
        if self.code:
            declare(self, pond, self.code)
        assert pond._counting is not None
        pond._counting.clock = lambda: 0.0  # no minute ends: the totals count
        return pond

    @asynccontextmanager
    async def visited(self, *, build: bool = True) -> AsyncIterator[Running]:
        """Built, and served."""
        if build:
            outcome = await self.embedded().build()
            assert [str(failure) for failure in outcome.failures] == []
        pond = self.embedded()
        async with pond.lifespan(), client_of(pond) as client:
            yield Running(pond, client)

    async def advice(self) -> list[Advised]:
        """What is advised now."""
        pond, manifest = self.embedded(), read_manifest(self.folder)
        if manifest is None:
            plans = await unbuilt_plans(pond.own_routes, pond.config.compat)
        else:
            plans = plans_of(manifest, pond.own_routes)
        return advice_about_project(pond, manifest, plans, self.clock(), [])

    def note(self, **event: Any) -> None:
        """An event of the journal."""
        folder = self.folder / ".millpond/metrics"
        Journal(folder).note(Event(at=self.clock(), text="", **event))

    def line(self, file: str, text: str) -> str:
        """The place of the only line that has a text."""
        lines = (self.folder / file).read_text("utf-8").splitlines()
        [number] = [number for number, line in enumerate(lines, 1) if text in line]
        return f"{file}:{number}"


def told(found: list[Advised]) -> set[tuple[str, str]]:
    """The kinds that are told, and where."""
    return {(each.kind.value, each.place) for each in found}


def planted_in(folder: Path) -> Planted:
    """An empty project."""
    folder.mkdir(exist_ok=True)
    return Planted(folder)
