"""The table of errors in docs/reference.md, made of the docstrings of millpond/errors.py.

Run: python tests/errors/error_table.py. It writes the table anew.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from millpond import errors

REFERENCE = Path(__file__).parents[2] / "docs" / "reference.md"
_HEAD = "| error | raised when | what to do |\n|---|---|---|\n"
_TABLE = re.compile(rf"{re.escape(_HEAD)}(?:\|.*\n)*")


def public_errors() -> list[type[Exception]]:
    """In the order of the module: each after those that it derives from."""
    found: list[type[Exception]] = [getattr(errors, name) for name in errors.__all__]
    return sorted(found, key=lambda error: inspect.getsourcelines(error)[1])


def error_table() -> str:
    """The table as it must be."""
    return _HEAD + "".join(_row(error) for error in public_errors())


def documented_table() -> str:
    """The table as it is."""
    found = _TABLE.search(REFERENCE.read_text("utf-8"))
    return "" if found is None else found[0]


def paragraphs(error: type[Exception]) -> list[str]:
    """Those of the docstring, each as one line: when the error is raised, and what to do."""
    return [" ".join(each.split()) for each in (inspect.getdoc(error) or "").split("\n\n")]


def _row(error: type[Exception]) -> str:
    bases = [base.__name__ for base in error.__bases__ if base.__name__ not in ("Exception", "MillpondError")]
    kind = f" (is a `{bases[0]}`)" if bases else ""
    when, remedy = (each.replace("|", r"\|").removesuffix(".") for each in paragraphs(error))
    return f"| `{error.__name__}`{kind} | {when} | {remedy} |\n"


if __name__ == "__main__":
    REFERENCE.write_text(_TABLE.sub(lambda _: error_table(), REFERENCE.read_text("utf-8")), "utf-8")
