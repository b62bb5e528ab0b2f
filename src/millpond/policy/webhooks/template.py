"""Texts with names in braces, filled from the payload of a webhook: nothing is evaluated, names are looked up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.tags import MAX_TAGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HEADER = "header:"
"""Begins the name of a header."""

_PART = re.compile(r"{{|}}|{([^{}]*)}|[{}]")
_NAME = re.compile(r"[^\s{}.]+(?:\.[^\s{}.]+)*")
_HEADER_NAME = re.compile(r"[a-z0-9-]+")
_SECRET_HEADERS = re.compile(r"authorization|cookie|signature|token|secret|key")
_LONGEST_VALUE = 1024
"""Characters: that of a path, which is longer than a tag."""


class InvalidTemplate(ValueError):
    """It can't be read; the message says what is wrong with it."""


class TooManyValues(Exception):
    """A payload names more than one call may invalidate."""


class WebhookEvent(NamedTuple):
    """What a webhook has sent."""

    payload: object
    """As JSON has it."""
    headers: Mapping[str, str]
    """By their names in lower case."""


class FilledTemplate(NamedTuple):
    """What became of a template."""

    texts: list[str]
    """One, or one for each value of a list."""
    missing: list[str]
    """Names that have no value here; then there are no texts."""


@dataclass(frozen=True, slots=True)
class Template:
    """Literal parts and names, in turns; it begins and ends with a literal part."""

    literals: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Template:
        """Parse "post:{slug.current}"; `{{` and `}}` are braces.

        Raises:
            InvalidTemplate: a brace is alone, or a name is none.
        """
        literals, names, end = [""], list[str](), 0
        for found in _PART.finditer(text):
            literals[-1] += text[end : found.start()]
            end = found.end()
            if found[1] is not None:
                names.append(checked_name(found[1].strip()))
                literals.append("")
            elif len(found[0]) == 2:
                literals[-1] += found[0][0]
            else:
                raise InvalidTemplate(f'"{found[0]}" is alone; write {{{{ or }}}} for a brace')
        literals[-1] += text[end:]
        return cls(tuple(literals), tuple(names))

    def filled(self, event: WebhookEvent, write: Callable[[str], str] = str) -> FilledTemplate:
        """The texts for what an event says.

        Args:
            event: the event.
            write: makes of a value what stands in the text.

        Raises:
            TooManyValues: there are more than one call may name.
        """
        values = [texts_of(name, event) for name in self.names]
        missing = [name for name, found in zip(self.names, values, strict=True) if not found]
        if missing:
            return FilledTemplate([], list(dict.fromkeys(missing)))
        texts = dict[str, None]()
        for chosen in product(*values):
            pairs = zip(chosen, self.literals[1:], strict=True)
            texts[self.literals[0] + "".join(write(value) + literal for value, literal in pairs)] = None
            if len(texts) > MAX_TAGS:
                raise TooManyValues(f"there are more than {MAX_TAGS} values")
        return FilledTemplate(list(texts), [])


def checked_name(name: str) -> str:
    """A name, if it is one.

    Raises:
        InvalidTemplate: it isn't.
    """
    if name.startswith(HEADER):
        header = name.removeprefix(HEADER)
        if _HEADER_NAME.fullmatch(header) is None:
            raise InvalidTemplate(f'"{name}" is no header; write it in lower case, such as header:x-github-event')
        if _SECRET_HEADERS.search(header):
            raise InvalidTemplate(f'"{name}" may hold a secret, and tags are shown')
    elif _NAME.fullmatch(name) is None:
        raise InvalidTemplate(f'"{name}" is no name; names look like slug, slug.current or categories.slug')
    return name


def texts_of(name: str, event: WebhookEvent) -> list[str]:
    """The values of a name, as text and without duplicates: of a list, those of all its items.

    Null, an empty text, an object and what is longer than any path are no values.

    Args:
        name: such as "slug.current", "items.0.id" or "header:x-github-event".
        event: the event.

    Raises:
        TooManyValues: there are more than one call may name.
    """
    if name.startswith(HEADER):
        found: list[object] = [event.headers.get(name.removeprefix(HEADER), "")]
    else:
        found = [event.payload]
        for part in name.split("."):
            found = [inner for value in found for inner in _inside(value, part)]
    texts = dict[str, None]()
    for value in found:
        for each in value if isinstance(value, list) else (value,):
            text = _text(each)
            if text:
                texts[text] = None
            if len(texts) > MAX_TAGS:
                raise TooManyValues(f'"{name}" has more than {MAX_TAGS} values')
    return list(texts)


def _inside(value: object, part: str) -> list[object]:
    if isinstance(value, dict):
        return [value[part]] if part in value else []
    if not isinstance(value, list):
        return []
    if part.isascii() and part.isdecimal():
        return value[int(part) : int(part) + 1] if len(part) < 10 else []
    return [each[part] for each in value if isinstance(each, dict) and part in each]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        text = str(value)
        return text if len(text) <= _LONGEST_VALUE else ""
    return ""
