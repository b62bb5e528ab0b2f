"""Takes names of other packages away from Millpond, and from nobody else: the packages go on as they are.

In this process by `hide`; in one that is begun with `environment(names)`, before it imports Millpond: `hiding/` has a
`sitecustomize.py` for that. Called as a program it prints the variables that hide all of FastAPI's and Starlette's.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

VARIABLE = "HIDDEN_NAMES"
HERE = Path(__file__).parent

_of_modules: dict[str, set[str]] = {}
_of_classes: dict[type[Any], set[str]] = {}


def environment(names: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The variables of a process from whose Millpond `names` are hidden.

    Args:
        names: module, and name in it; a name with a point is that of an attribute of objects.
    """
    path = os.pathsep.join(filter(None, (str(HERE / "hiding"), str(HERE), os.environ.get("PYTHONPATH"))))
    return {VARIABLE: ",".join(":".join(name) for name in names), "PYTHONPATH": path}


def hide_when_imported() -> None:
    """Hide what the environment says, as soon as somebody imports Millpond."""
    names = [tuple(name.split(":")) for name in os.environ.get(VARIABLE, "").split(",") if name]
    if names:
        sys.meta_path.insert(0, _OnImport(names))


class _OnImport:
    def __init__(self, names: list[Any]) -> None:
        self._names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "millpond" and self in sys.meta_path:
            sys.meta_path.remove(self)
            for each in self._names:
                hide(*each)


def hide(module: str, name: str) -> None:
    """From now on Millpond doesn't find it."""
    loaded = importlib.import_module(module)
    owner, _, attribute = name.partition(".")
    if attribute == "__new__":
        getattr(loaded, owner).__new__ = staticmethod(lambda kind, *_, **__: object.__new__(kind))
    elif attribute:
        _hide_in_class(getattr(loaded, owner), attribute)
    else:
        _of_modules.setdefault(module, set()).add(name)
        loaded.__class__ = _Module


def _hide_in_class(kind: type[Any], name: str) -> None:
    hidden = _of_classes.setdefault(kind, set())
    if not hidden:
        look_up: Any = kind.__getattribute__

        def get(self: Any, name: str) -> Any:
            if name in hidden and _millpond_asks(sys._getframe(1)):
                raise AttributeError(name)
            return look_up(self, name)

        setattr(kind, "__getattribute__", get)  # noqa: B010 - for its type
    hidden.add(name)


class _Module(ModuleType):
    def __getattribute__(self, name: str) -> Any:
        if name in _of_modules[super().__getattribute__("__name__")] and _millpond_asks(sys._getframe(1)):
            raise AttributeError(f"hidden: {name}")
        return super().__getattribute__(name)


def _millpond_asks(frame: Any) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == "millpond"


def main() -> None:
    """Print variables, one a line."""
    from millpond.internals import fastapi_inclusion, fastapi_names, starlette_names

    names = [
        (name.module, name.name) for name in (*fastapi_names.NAMES, *fastapi_inclusion.NAMES, *starlette_names.NAMES)
    ]
    for name, value in environment(names).items():
        sys.stdout.write(f"{name}={value}\n")


if __name__ == "__main__":
    main()
