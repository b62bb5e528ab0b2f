"""Fingerprints of routes: the same in two builds if everything is that a route's answers are made of.

That is: the route's code, the code that it imports of the project, and what may stand before every answer; the versions
of what they import; the files and environment variables that they mention, or that the build saw them read; the
configuration. Where that can't be told, there is no fingerprint, and builds share nothing.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from millpond.config.build_config import BuildConfig
from millpond.config.cache_config import OF_THE_MACHINERY, CacheConfig
from millpond.config.project.project_folders import below
from millpond.observe.environment_variables import EVERY_VARIABLE
from millpond.observe.files import is_installed
from millpond.policy.allowance import InputKind
from millpond.prerender.fingerprints.installed_versions import InstalledVersions
from millpond.prerender.fingerprints.project_files import ProjectFiles
from millpond.prerender.fingerprints.reached_code import ProjectCode, ReachedCode
from millpond.prerender.fingerprints.stretched_values import stretched
from millpond.prerender.fingerprints.written_names import reads_by_fields
from millpond.prerender.sources.built_sources import config_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Set
    from pathlib import Path

    from millpond.config import Config
    from millpond.prerender.build_manifest import RouteRecord
    from millpond.prerender.input_records import FunctionRecord, InputRecord
    from millpond.routes.route_contract import Route

_DIGITS = 16
_FRAMEWORK = "millpond"


class _Used(NamedTuple):
    """Some code, and what it mentions."""

    code: ReachedCode
    variables: Set[str] = frozenset()
    files: Set[str] = frozenset()


@dataclass(frozen=True)
class RouteFingerprints:
    """The fingerprints of one build's routes.

    Args:
        project: the project's folder.
        app_dir: that of the route files.
        config: its configuration.
        routes: all of the application's.
        functions: what cached functions have used.
        opened: the absolute paths of the files that were read while the build ran, and not written.
        environ: the environment.
    """

    project: Path
    app_dir: Path
    config: Config
    routes: Sequence[Route]
    functions: Sequence[FunctionRecord]
    opened: frozenset[str]
    environ: Mapping[str, str]
    _mentions: dict[tuple[str, bool], tuple[Set[str], Set[str]]] = field(default_factory=dict)
    """What was found in modules."""

    def of(self, records: Sequence[RouteRecord]) -> list[RouteRecord]:
        """The records of all routes, those of static ones with their fingerprints."""
        if self._files.are_too_many or not self._used_by_all.code.is_known:
            return list(records)
        by_origin = {route.origin: route for route in self.routes}
        return [
            msgspec.structs.replace(record, fingerprint=self._of(by_origin[record.origin], record))
            if record.static
            else record
            for record in records
        ]

    def _of(self, route: Route, record: RouteRecord) -> str:
        used, common = self._used_by[route.origin], self._used_by_all
        inputs = list(self._inputs(record))
        variables = {each.name for each in inputs if each.kind is InputKind.ENV}
        if not used.code.is_known or EVERY_VARIABLE in variables or "" in variables:
            return ""
        variables.update(used.variables, common.variables)
        files = {each.name for each in inputs if each.kind is InputKind.FILE and each.name}
        files = {name for name in files if not is_installed(name) and not name.startswith(tempfile.gettempdir())}
        files.update(used.files, common.files, self._of_nobody)
        parts = (
            (record.origin, record.pattern, self._versions.python),
            route.digest if not used.code.sources else "",  # a file that is sent as it is
            self._config,
            used.code.contents,
            common.code.contents,
            self._versions.of({*used.code.packages, *common.code.packages, _FRAMEWORK}),
            [(name, stretched(name, self.environ[name])) for name in sorted(variables) if name in self.environ],
            [(name, self._files.digest(name)) for name in sorted(files)],
        )
        return hashlib.sha256(msgspec.msgpack.encode(parts)).hexdigest()[:_DIGITS]

    def _inputs(self, record: RouteRecord) -> Iterator[InputRecord]:
        yield from record.inputs
        for function in self.functions:
            if record.pattern in function.routes:
                yield from function.inputs

    def _used(self, code: ReachedCode) -> _Used:
        by_fields = reads_by_fields(code.packages)
        mentioned = [self._mentioned_in(name, by_fields=by_fields) for name in code.sources]
        return _Used(code, *(frozenset[str]().union(*each) for each in zip(*mentioned, strict=True)))

    def _mentioned_in(self, module: str, *, by_fields: bool) -> tuple[Set[str], Set[str]]:
        """The variables and the files that one module mentions."""
        known = self._mentions.get((module, by_fields))
        if known is None:
            written = self._code.written(module)
            variables = written.variables(self.environ, by_fields=by_fields)
            known = self._mentions[module, by_fields] = variables, self._files.mentioned(written.parts_of_paths())
        return known

    @cached_property
    def _used_by(self) -> dict[str, _Used]:
        return {route.origin: self._used(self._code.of_route(route)) for route in self.routes}

    @cached_property
    def _used_by_all(self) -> _Used:
        return self._used(self._code.before_all())

    @cached_property
    def _of_nobody(self) -> set[str]:
        """The files that were read and that no code mentions: any route may have them in its answers."""
        read = self._files.relative(self.opened) - {route.source for route in self.routes}
        if not read:
            return set()
        known = [used.files for used in (*self._used_by.values(), self._used_by_all)]
        return read - self._files.files_in(set[str]().union(*known))

    @cached_property
    def _code(self) -> ProjectCode:
        return ProjectCode(self.project, self.routes)

    @cached_property
    def _files(self) -> ProjectFiles:
        return ProjectFiles(self.project, below(self.project)(str(self.app_dir)) or "")

    @cached_property
    def _versions(self) -> InstalledVersions:
        return InstalledVersions()

    @cached_property
    def _config(self) -> str:
        """The configuration, as far as answers depend on it: the store may be another one."""
        usual = CacheConfig()
        cache = msgspec.structs.replace(self.config.cache, **{name: getattr(usual, name) for name in OF_THE_MACHINERY})
        return config_digest(msgspec.structs.replace(self.config, cache=cache, build=BuildConfig()))
