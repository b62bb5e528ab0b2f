"""What a build was made of besides its route files: modules, templates, the configuration; and what has changed since.

A false alarm at each start would be worse than a change that isn't seen. So only files count that people write: the
project's modules, and templates and texts that were read, by their suffix. What a server itself may write while it runs
(databases, JSON, uploads) doesn't.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from millpond.config import FILE_NAME
from millpond.config.project.project_folders import below, is_foreign

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from millpond.config import Config
    from millpond.prerender.build_manifest import BuildManifest
    from millpond.prerender.sources.opened_files import OpenedFiles

_TEMPLATES = {"template", "templates"}
"""Folders in which every file is one."""
_WRITTEN_BY_PEOPLE = {
    *(".html", ".htm", ".xhtml", ".xml", ".xsl", ".xslt", ".svg", ".css", ".scss", ".less", ".js", ".mjs", ".ts"),
    *(".jinja", ".jinja2", ".j2", ".tmpl", ".tpl", ".mako", ".mustache", ".hbs", ".liquid"),
    *(".md", ".markdown", ".mdx", ".rst", ".adoc", ".po", ".mo", ".ftl", ".sql", ".graphql", ".gql"),
    *(".yaml", ".yml", ".toml", ".ini", ".cfg"),
}
"""Suffixes of templates, texts and settings."""
_WRITTEN_AT_RUN_TIME = {
    *("cache", "data", "db", "instance", "log", "logs", "media", "run", "storage", "temp", "tmp", "uploads", "var")
}
"""Folders that servers write into, by their usual names."""
_TESTS = {"test", "tests"}
_PYTHON = ".py"
_CONFIGURATIONS = (FILE_NAME, "pyproject.toml")
_ONLY_WHILE_SERVING = (
    "app",
    "cdn",
    "cors",
    "cron",
    "dashboard",
    "dev",
    "headers",
    "metrics",
    "public_dir",
    "redirects",
    "revalidate_endpoint",
    "server",
)
"""Tables of the configuration that no stored answer depends on."""


def sources_of(project: Path, opened: OpenedFiles, routes: Collection[str]) -> dict[str, str]:
    """SHA-256 by file, relative to the project: the modules that are loaded now, and the templates that were read.

    Args:
        project: the project's folder.
        opened: what was opened while the build ran.
        routes: the route files, which have digests of their own.
    """
    found = {}
    relative_path = below(project)
    for path in sorted({*loaded_modules(), *(opened.read - opened.written)}):
        relative = relative_path(path)
        if not relative or not is_source(relative):
            continue
        name = relative.replace(os.sep, "/")
        if name in routes:
            continue
        digest = _digest(path)
        if digest is not None:
            found[name] = digest
    return found


def config_digest(config: Config) -> str:
    """SHA-256 of what stored answers depend on in a configuration: of its values, so comments may change.

    How many processes build is a matter of the machine.
    """
    told = msgspec.structs.replace(config, build=msgspec.structs.replace(config.build, workers=None))
    kept = {name: getattr(told, name) for name in told.__struct_fields__ if name not in _ONLY_WHILE_SERVING}
    return hashlib.sha256(msgspec.json.encode(kept)).hexdigest()


def edited_sources(project: Path, manifest: BuildManifest, config: Config) -> list[str]:
    """The files that are there and aren't what the build was made of; of a configuration in code, "the configuration".

    One that is gone doesn't count: whatever used it was edited, too, or fails.
    """
    now = {name: _digest(project / name) for name in manifest.sources}
    edited = [name for name, digest in manifest.sources.items() if now[name] not in (None, digest)]
    if manifest.config and manifest.config != config_digest(config):
        edited.append(next((name for name in _CONFIGURATIONS if (project / name).is_file()), "the configuration"))
    return edited


def loaded_modules() -> Iterator[str]:
    """The absolute paths of the modules that are loaded now."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__dict__", {}).get("__file__")  # a lazy module must not be woken
        if isinstance(file, str) and file.endswith(_PYTHON):
            yield _absolute(file)


_absolute = functools.cache(os.path.abspath)  # a build asks again for the files of thousands of modules


def is_source(relative: str) -> bool:
    """Whether people have written a file of the project, by its relative path, and answers may be made of it."""
    *folders, name = relative.split(os.sep)
    if any(is_foreign(folder) for folder in folders):
        return False
    if _TESTS & set(folders) or name.startswith((".", "test_")) or name == "conftest.py":
        return False
    suffix = os.path.splitext(name)[1].lower()
    if suffix == _PYTHON:
        return True
    if name in _CONFIGURATIONS or _WRITTEN_AT_RUN_TIME & set(folders):  # see config_digest
        return False
    return suffix in _WRITTEN_BY_PEOPLE or bool(_TEMPLATES & set(folders))


def _digest(path: str | Path) -> str | None:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return None
