"""The application that MODULE:APP names."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from millpond.app.application import Millpond
from millpond.app.entrypoint.candidates import Candidates, described, not_a_pond
from millpond.errors import MillpondError, ProjectError, UsageError
from millpond.messages import closest, one_of
from millpond.prerender.failure import failure_message

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from millpond.app.entrypoint.import_string import ImportString


def named_app(
    module: ModuleType, wanted: ImportString, candidates: Candidates, source: str, folder: Path, *, factory: bool
) -> Millpond:
    """The Millpond that `wanted` names in `module`.

    Args:
        module: imported.
        wanted: with an attribute.
        candidates: what the module has instead, for messages.
        source: where the name was written, as the beginning of a message.
        folder: the project's.
        factory: the attribute is a function, which is called without arguments.

    Raises:
        UsageError: there is no such name, or it is something else.
        ProjectError: the factory raises.
    """
    value = _attribute(module, wanted, candidates, source)
    if factory:
        value = _made(value, wanted, source, folder)
    if isinstance(value, Millpond):
        return value
    if factory:
        raise UsageError(f"{source}{wanted}() returned {described(value)}; it must return a Millpond.")
    if inspect.isroutine(value):
        raise UsageError(f"{source}{wanted} is a function; write --factory if it returns the application.")
    if wanted.attribute in candidates.others:
        raise UsageError(f"{source}{not_a_pond(candidates, wanted.attribute)}")
    raise UsageError(
        f"{source}{wanted} ({candidates.file}) isn't a Millpond but {described(value)}.{_hint(candidates)}"
    )


def _attribute(module: ModuleType, wanted: ImportString, candidates: Candidates, source: str) -> Any:
    value: Any = module
    for name in (wanted.attribute or "").split("."):
        try:
            value = getattr(value, name)
        except AttributeError:
            guess = closest(name, (*candidates.ponds, *candidates.factories))
            hint = f' Did you mean "{candidates.named(guess)}"?' if guess else _hint(candidates)
            raise UsageError(f'{source}{candidates.file} has no "{wanted.attribute}".{hint}') from None
    return value


def _hint(candidates: Candidates) -> str:
    if candidates.ponds:
        return f" It has {one_of(map(candidates.named, candidates.ponds))}."
    if candidates.factories:
        return f" It has the function {candidates.named(candidates.factories[0])}: write --factory behind it."
    return " Write in it: app = Millpond()"


def _made(factory: Any, wanted: ImportString, source: str, folder: Path) -> object:
    if isinstance(factory, Millpond):
        raise UsageError(f"{source}{wanted} is the application itself; leave --factory out.")
    if not callable(factory):
        raise UsageError(f"{source}{wanted} is {described(factory)}, which can't be called; leave --factory out.")
    try:
        made: object = factory()
    except MillpondError:
        raise
    except (Exception, SystemExit) as error:
        raise ProjectError(f"{source}{wanted}() failed:\n{failure_message(error, folder)}") from error
    if inspect.iscoroutine(made):
        made.close()
        raise UsageError(f"{source}{wanted} is an async function; the application is made by one that isn't.")
    return made
