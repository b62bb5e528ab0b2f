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


def without_absent(value: Any, what: str) -> Any:
    """`value` without the keys whose value is None, at any depth: None is absence, as `undefined` in JavaScript.

    Args:
        value: what was returned.
        what: what messages call it.

    Raises:
        MetadataError: it is nested too deeply, or holds itself.
    """
    try:
        return _without_absent(value)
    except RecursionError:
        raise MetadataError(f"{what}: it is nested too deeply, or holds itself; return plain data.") from None


def _without_absent(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_absent(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_absent(inner) for inner in value]
    if isinstance(value, tuple):
        return tuple(_without_absent(inner) for inner in value)
    return value


def shaped(
    shape: TypeAdapter[Any],
    value: object,
    what: str,
    *,
    forbidden: re.Pattern[str],
    names: Iterable[str] = (),
) -> Any:
    """`value` with its texts, numbers and dates checked, and without the fields that are None.

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
        _refuse_unknown(error, value, what, list(names))
        checked = _present(shape, value, what)
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


def _present(shape: TypeAdapter[Any], value: object, what: str) -> Any:
    """`value` without what is None, checked."""
    present = without_absent(value, what)
    try:
        return shape.validate_python(present)
    except ValidationError as error:
        raise MetadataError(f"{what}: {_problem(error, present, value)}") from None


def _refuse_unknown(error: ValidationError, value: object, what: str, names: list[str]) -> None:
    """Refuse a field that there isn't, also if it is None: it would do nothing when it isn't any more."""
    for details in error.errors(include_url=False):
        if details["type"] == "extra_forbidden":
            path, _ = _reached(details["loc"], value)
            guess = near(str(path[-1]), names, _LIKENESS)
            remedy = f'; did you mean "{guess}"?' if guess else "; leave it out."
            raise MetadataError(f"{what}: there is no field {_field(path)}{remedy}") from None


def _problem(error: ValidationError, present: object, value: object) -> str:
    """A sentence about the first field that is wrong, with all types that it takes.

    Args:
        error: what is wrong.
        present: what was checked.
        value: what was returned: it may say None where something is missing.
    """
    errors = [(*_reached(details["loc"], present), details) for details in error.errors(include_url=False)]
    path, found, first = errors[0]
    if first["type"] == "missing":
        path = (*path, str(first["loc"][-1]))
        return f"{_field(path)} is {'None, and required' if _is_at(path, value) else 'missing'}."
    messages = dict.fromkeys(_wanted(details["msg"]) for other, _, details in errors if other == path)
    return f"{_field(path)} is {_shown(found)}; it must be {' or '.join(messages)}."


def _is_at(path: tuple[str | int, ...], value: object) -> bool:
    return len(_reached(path, value)[0]) == len(path)


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
