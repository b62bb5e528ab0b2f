"""Environment variables that a build has read: whether a server has the same values, by fingerprints of them."""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING

from millpond.config.project.build_output import OUTPUT
from millpond.errors import Place
from millpond.observe.environment_variables import EVERY_VARIABLE
from millpond.policy.allowance import InputKind
from millpond.policy.key import response_key
from millpond.prerender.build_manifest import key_name

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from millpond.prerender.build_manifest import BuildManifest, RouteRecord
    from millpond.prerender.input_records import FunctionRecord, InputRecord

KEY_BYTES = 32

_HEX_DIGITS = 4
"""Of each fingerprint. With the key, 16 bits tell a change from none, but not a secret from other guesses."""


def fingerprint(key: bytes, name: str, value: str | None) -> str:
    """A keyed digest of a variable's value; None is one that isn't set."""
    told = b"" if value is None else b"\0" + os.fsencode(value)
    return hmac.digest(key, os.fsencode(name) + told, "sha256").hex()[:_HEX_DIGITS]


def fingerprints(
    key: bytes, routes: Iterable[RouteRecord], functions: Iterable[FunctionRecord], environ: Mapping[str, str]
) -> dict[str, str]:
    """Those of all variables that routes and functions have read by name."""
    inputs = [found for route in routes for found in route.inputs]
    inputs += [found for function in functions for found in function.inputs]
    return {name: fingerprint(key, name, environ.get(name)) for name in sorted(set(_variables(inputs)))}


def drift(
    project: Path, manifest: BuildManifest, environ: Mapping[str, str], again: Container[str] = frozenset()
) -> list[str]:
    """A sentence for each variable whose value isn't the build's, naming the answers that hold it.

    Args:
        project: the folder of the project.
        manifest: the build's.
        environ: the environment of the server.
        again: the keys of answers that were rendered again after the build (`later_renders.py`), which hold it no more.
    """
    try:
        changed = changed_variables(project, manifest, environ)
    except OSError as error:
        path = project / OUTPUT / key_name(manifest)
        return [f"{path} can't be read ({error.strerror}): whether the environment is the build's can't be told."]
    holders = {name: list(_holders(manifest, name, again)) for name in changed}
    return [
        f"{name} {change} at build. Until they are rendered again, the build's value is in "
        f"{', '.join(holders[name])}. Build with the server's environment, or read it in a live route."
        for name, change in changed.items()
        if holders[name]
    ]


def changed_variables(project: Path, manifest: BuildManifest, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables whose value isn't the build's, and how they differ: "isn't what it was".

    Raises:
        OSError: the key of the fingerprints can't be read.
    """
    if not manifest.environment:
        return {}
    key = (project / OUTPUT / key_name(manifest)).read_bytes()
    return {
        name: _change(key, name, former, environ.get(name))
        for name, former in manifest.environment.items()
        if not hmac.compare_digest(former, fingerprint(key, name, environ.get(name)))
    }


def _change(key: bytes, name: str, former: str, value: str | None) -> str:
    if value is None:
        return "isn't set here, and was"
    return "is set here, and wasn't" if former == fingerprint(key, name, None) else "isn't what it was"


def _holders(manifest: BuildManifest, name: str, again: Container[str]) -> Iterator[str]:
    """The routes with answers that hold a variable, and where they have read it; functions, and who uses them."""
    for route in manifest.routes:
        numbers = [number for number, record in enumerate(route.inputs) if name in _variables([record])]
        places = [str(Place(*route.inputs[number].place)) for number in numbers]
        if places and not _is_rendered_again(route, numbers, again):
            yield f"{route.pattern} ({', '.join(places)})"
    for function in manifest.functions:
        places = [str(Place(*record.place)) for record in function.inputs if name in _variables([record])]
        if places:
            used = f", used by {', '.join(function.routes)}" if function.routes else ""
            yield f"{function.label} ({', '.join(places)}{used})"


def _is_rendered_again(route: RouteRecord, numbers: Sequence[int], again: Container[str]) -> bool:
    """Whether all answers of the build that some of a route's inputs are in were rendered again."""
    paths = [path for path in route.paths if not set(numbers).isdisjoint(path.inputs)]
    return bool(paths) and all(response_key(route.origin, path.path) in again for path in paths)


def _variables(inputs: Iterable[InputRecord]) -> Iterator[str]:
    return (
        record.name for record in inputs if record.kind is InputKind.ENV and record.name not in ("", EVERY_VARIABLE)
    )
