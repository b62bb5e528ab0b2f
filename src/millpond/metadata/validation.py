"""Validation of what a metadata function returned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import ValidationError

from millpond.errors import MetadataError
from millpond.messages import closest, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import TypeAdapter

ANY_TEXT = re.compile("[\ud800-\udfff]")
"""Half characters, which UTF-8 can't hold."""
XML_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 can't hold either."""
ONE_LINE = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff\ufffe\uffff]")
"""What would end, or garble, a line of text."""
_LIKENESS = 0.6


def shaped(
    shape: TypeAdapter[Any],
    value: object,
    what: str,
    *,
    forbidden: re.Pattern[str],
    names: Iterable[str] = (),
) -> Any:
    """`value` with its texts, numbers and dates checked.

    Args:
        shape: what it is held against.
        value: what was returned.
        what: what messages call it: "entry 3".
        forbidden: the characters that its texts can't have.
        names: the fields there are, for messages about one there isn't.

    Raises:
        MetadataError: a field is missing or unknown, or has a wrong type or value; the message names it.
    """
    try:
        checked = shape.validate_python(value)
    except ValidationError as error:
        raise MetadataError(f"{what}: {_problem(error, value, list(names))}") from None
    for path, text in _texts(checked, ()):
        match = forbidden.search(text)
        if match is not None:
            raise MetadataError(f"{what}: {_field(path)} holds {match[0]!a}, which has no place in it; leave it out.")
    return checked


def _texts(value: object, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield (*path, str(key)), str(key)
            yield from _texts(inner, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*path, index))


def _problem(error: ValidationError, value: object, names: list[str]) -> str:
    """A sentence about the first field that is wrong, with all types that it takes."""
    errors = [(*_reached(details["loc"], value), details) for details in error.errors(include_url=False)]
    path, found, first = errors[0]
    if first["type"] == "missing":
        return f"{_field((*path, str(first['loc'][-1])))} is missing."
    if first["type"] == "extra_forbidden":
        guess = near(str(path[-1]), names, _LIKENESS)
        return f"there is no field {_field(path)}" + (f'; did you mean "{guess}"?' if guess else "; leave it out.")
    messages = dict.fromkeys(_wanted(details["msg"]) for other, _, details in errors if other == path)
    return f"{_field(path)} is {_shown(found)}; it must be {' or '.join(messages)}."


def near(name: str, names: Iterable[str], likeness: float) -> str | None:
    """The one of `names` that `name` looks like, also when it is written as in JavaScript or in HTTP."""
    spelling = re.sub(r"(?<=[a-z])(?=[A-Z])|-", "_", name).lower()
    return closest(spelling, names, likeness)


def _reached(loc: tuple[int | str, ...], value: Any) -> tuple[tuple[str | int, ...], object]:
    """The part of an error's location that leads into `value`: behind it may be names of types that were tried."""
    path: list[str | int] = []
    for step in loc:
        inside = (
            step in value
            if isinstance(value, Mapping)
            else isinstance(value, list | tuple) and step in range(len(value))
        )
        if not inside:
            break
        value = value[step]
        path.append(step)
    return tuple(path), value


def _wanted(message: str) -> str:
    """ "Input should be a valid string" without its beginning."""
    text = re.sub(r"^(Input should be|Value error,) ", "", message)
    return text.replace("a valid string", "text").replace("a valid dictionary", "a dict").replace("a valid ", "a ")


def _field(path: tuple[str | int, ...]) -> str:
    """`"images[2]"`; for the value itself, "it"."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
    return f'"{text}"' if text else "it"


def _shown(value: object) -> str:
    if value is None:
        return "None"
    text = ascii(value) if isinstance(value, str | int | float | bool) else ""
    return text if text and len(text) <= 60 else f"a value of type {type(value).__name__}"


def refuse_shape(value: object, function: str, wanted: str) -> NoReturn:
    """Raise the error for a value of the wrong kind as a whole (R7.17)."""
    raise MetadataError(f"{function}() returned {_shown(value)}; return {wanted}.")


def number(value: float) -> str:
    """A number as JavaScript writes it, 1 for 1.0, but never with an exponent: decimals in XML have none."""
    return str(int(value)) if value == int(value) else format(Decimal(repr(value)), "f")


def listed(value: str | Iterable[str]) -> list[str]:
    """One text, or several, as a list."""
    return [value] if isinstance(value, str) else list(value)


def known(names: Iterable[str]) -> str:
    """The names for a message."""
    return one_of(sorted(names))
