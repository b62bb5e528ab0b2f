"""The options of FastAPI's constructor that Millpond's passes on."""

from __future__ import annotations

import inspect
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from millpond.messages import closest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OWN = ("app_dir", "config", "store", "clock", "development")


def refuse_unknown(options: Mapping[str, Any]) -> None:
    """Raises TypeError: neither Millpond nor FastAPI has such an option."""
    parameters = inspect.signature(FastAPI.__init__).parameters
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
        return
    for name in options:
        if name not in parameters or name == "self":
            meant = closest(name, [*OWN, *parameters])
            hint = f"; did you mean {meant}?" if meant else ""
            raise TypeError(f"Millpond() got an unexpected keyword argument {name!r}{hint}")


@contextmanager
def warned_at_the_caller() -> Iterator[None]:
    """Attribute what FastAPI's constructor warns of to the code that calls Millpond's, two frames further out."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    frame = sys._getframe(2)  # noqa: SLF001 - the documented way to a caller's frame; of the generator's own users
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(("millpond.", "contextlib")):
        frame = frame.f_back
    for each in caught:
        warnings.warn_explicit(
            each.message,
            each.category,
            frame.f_code.co_filename,
            frame.f_lineno,
            module=frame.f_globals.get("__name__"),
            registry=frame.f_globals.setdefault("__warningregistry__", {}),
        )
