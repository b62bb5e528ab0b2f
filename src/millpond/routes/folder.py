"""A folder's name below app/, as the part of the URL that it stands for."""

from __future__ import annotations

import keyword
import re
import unicodedata
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, NoReturn

from millpond.errors import RouteError
from millpond.routes.path import MalformedPath, readable_segment, split

if TYPE_CHECKING:
    from pathlib import Path


ROUTER_NAME = "router.py"


@dataclass(frozen=True, slots=True)
class RouterPath:
    """The `router.py` of a folder: what it says holds for all routes below."""

    path: Path
    """Absolute."""
    file: str
    """Relative to the project, with slashes: "app/admin/router.py"."""


class SegmentKind(Enum):
    """What a folder is to the URL (R1.2 to R1.4)."""

    LITERAL = "literal"
    PARAM = "[x]"
    CATCH_ALL = "[...x]"
    OPTIONAL_CATCH_ALL = "[[...x]]"
    GROUP = "(x)"
    SLOT = "@x"
    PRIVATE = "_x"


_INVISIBLE = {SegmentKind.GROUP, SegmentKind.SLOT, SegmentKind.PRIVATE}
_DYNAMIC = {SegmentKind.PARAM, SegmentKind.CATCH_ALL, SegmentKind.OPTIONAL_CATCH_ALL}


@dataclass(frozen=True, slots=True)
class Segment:
    """One folder of a route."""

    kind: SegmentKind
    name: str
    """The decoded text of a literal, or the name between the brackets as it is written."""
    folder: str

    @property
    def visible(self) -> bool:
        """Whether it is part of the URL."""
        return self.kind not in _INVISIBLE

    @property
    def dynamic(self) -> bool:
        return self.kind in _DYNAMIC

    @property
    def parameter(self) -> str:
        """The name of the handler's parameter: `[product-id]` fills `product_id`, and `[class]` fills `class_`."""
        return identifier(self.name)

    @property
    def pattern(self) -> str:
        """Its part of the route's pattern; a literal can't be mistaken for a parameter."""
        if self.dynamic:
            return self.folder
        return re.sub(r"[\[\]{}]", lambda match: f"%{ord(match[0]):02X}", readable_segment(self.name))


@lru_cache(maxsize=4096)
def identifier(name: str) -> str:
    """The name that a handler's parameter has for `name` between brackets."""
    text = unicodedata.normalize("NFKC", name)  # as Python does with identifiers
    text = "".join(character if f"_{character}".isidentifier() else "_" for character in text)
    if not text.isidentifier():
        text = f"_{text}"
    return f"{text}_" if keyword.iskeyword(text) else text


_BRACKETS = re.compile(r"(?P<open>\[(?:\[\.\.\.|\.\.\.)?)(?P<name>[^\[\]]*)(?P<close>\]\]?)")
_PAIRS = {
    ("[", "]"): SegmentKind.PARAM,
    ("[...", "]"): SegmentKind.CATCH_ALL,
    ("[[...", "]]"): SegmentKind.OPTIONAL_CATCH_ALL,
}
_INTERCEPTION = re.compile(r"(?:\(\.{1,3}\))+")


def parse_folder(folder: str, file: str) -> Segment:
    """The segment that `folder` stands for; `file` is the route file below it, for messages.

    Raises:
        RouteError: the name means nothing (R1.17), or something that handlers don't have (R1.6).
    """
    if folder.startswith("_"):
        return Segment(SegmentKind.PRIVATE, folder[1:], folder)
    if _INTERCEPTION.match(folder):
        _refuse(folder, file, "marks an intercepting route, which pages have and handlers don't; rename the folder")
    if "{" in folder or "}" in folder:
        _refuse(folder, file, "has braces, which OpenAPI keeps for parameters; write [name] for a parameter")
    if "[" in folder or "]" in folder:
        return _parse_brackets(folder, file)
    if folder.startswith("(") and folder.endswith(")"):
        return Segment(SegmentKind.GROUP, _named(folder[1:-1], folder, file), folder)
    if folder.startswith("@"):
        return Segment(SegmentKind.SLOT, _named(folder[1:], folder, file), folder)
    return Segment(SegmentKind.LITERAL, _literal(folder, file), folder)


def _parse_brackets(folder: str, file: str) -> Segment:
    if "…" in folder:
        _refuse(folder, file, 'has the one character "…"; write three dots')
    match = re.fullmatch(r"\[\[(?!\.\.\.)([^\[\]]*)\]\]", folder)
    if match:
        remedy = f"write [{match[1]}] for one segment or [[...{match[1]}]] for any number"
        _refuse(folder, file, f"would be an optional parameter, and only catch-alls can be optional; {remedy}")
    match = _BRACKETS.fullmatch(folder)
    kind = _PAIRS.get((match["open"], match["close"])) if match else None
    if match is None or kind is None:
        _refuse(folder, file, "has brackets that don't pair up; write [name], [...name] or [[...name]]")
    name = _named(match["name"], folder, file)
    if name.startswith("."):
        _refuse(folder, file, "has a name that begins with a dot; a catch-all has exactly three dots")
    segment = Segment(kind, name, folder)
    if segment.parameter == "request":
        _refuse(folder, file, "takes the name by which handlers get the request; give the parameter another name")
    return segment


def _named(name: str, folder: str, file: str) -> str:
    if not name.strip():
        _refuse(folder, file, "has no name; give it one")
    return name


def _literal(folder: str, file: str) -> str:
    try:
        (text,) = split(folder.encode())
    except MalformedPath:
        _refuse(folder, file, 'has a "%" that starts no escape of UTF-8 text; write %25 for a percent sign')
    except UnicodeEncodeError:  # a file name that isn't UTF-8 comes with surrogates
        _refuse(ascii(folder), file, "isn't UTF-8 text; rename it")
    return text


def _refuse(folder: str, file: str, reason: str) -> NoReturn:
    raise RouteError(f'{file}: the folder "{folder}" {reason}.')
