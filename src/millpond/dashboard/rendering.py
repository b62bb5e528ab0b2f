"""Templates and static files, from the package. Templates escape whatever they are given."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from millpond.dashboard.figures import charts, formats

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS = {"css": "text/css", "svg": "image/svg+xml", "js": "text/javascript"}
_FOLDER = files("millpond.dashboard") / "static"


def _read() -> dict[str, tuple[bytes, str]]:
    found: dict[str, tuple[bytes, str]] = {}
    for file in _FOLDER.iterdir():
        stem, _, ending = file.name.rpartition(".")
        if ending in _KINDS:
            content = file.read_bytes()
            found[f"{stem}-{hashlib.sha256(content).hexdigest()[:12]}.{ending}"] = content, _KINDS[ending]
    return found


STATIC = _read()
"""By names that change with the content: style-0123456789ab.css."""


def _static_name(name: str) -> str:
    stem, _, ending = name.rpartition(".")
    return next(each for each in STATIC if each.startswith(f"{stem}-") and each.endswith(f".{ending}"))


def _time(at: float) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(formats.iso(at), formats.clock(at))


def _soft(text: str) -> Markup:
    """A path that may be broken after each slash."""
    return Markup("<wbr>").join(escape(_finalized(part)) for part in re.split("(?<=/)", text))


def _url_part(text: str) -> str:
    """A text in a URL, whatever characters it has."""
    return quote(text, safe="/", errors="replace")


_UNSEEN = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    **dict.fromkeys((0x7F, *range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD),
    **dict.fromkeys((0x200E, 0x200F, 0x061C, 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)), 0xFFFD),
}


def _finalized(value: object) -> object:
    """What is written into a page: no characters that HTML can't have, or that turn the order of others around."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return value if value.isascii() and value.isprintable() else value.translate(_UNSEEN)
    return value


_environment = Environment(
    loader=PackageLoader("millpond.dashboard"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_finalized,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(
    count=formats.count,
    rate=formats.rate,
    duration=formats.duration,
    size=formats.size,
    time=_time,
    clock=formats.clock,
    minute=formats.minute,
    day=formats.day,
    soft=_soft,
    urlencode=_url_part,
)
_environment.globals.update(
    static={name: _static_name(name) for name in ("style.css", "icon.svg", "live.js")},
    percent=formats.percent,
    spark=charts.spark,
    outcomes={"new": "stored first", "changed": "changed", "unchanged": "the same", "turned-dynamic": "turned live"},
)


_environment.globals["parts"] = _environment.get_template("parts.html").module
"""Macros of all pages: a part of a page that is rendered alone has no imports."""


_UNREADABLE = re.compile(
    "[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufdd0-\\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)
"""What may not stand in HTML (§13.1): controls, lone surrogates and noncharacters."""


def _readable(html: str) -> str:
    return _UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", html)


def rendered(template: str, context: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """A page."""
    return HTMLResponse(_readable(_environment.get_template(template).render(context)), status)


def parts_of(template: str, context: Mapping[str, Any]) -> dict[str, str]:
    """The parts of a page that are live, by their ids: the blocks of its template whose names begin with `live_`."""
    page = _environment.get_template(template)
    made = page.new_context(dict(context))
    return {
        name.removeprefix("live_"): _readable("".join(block(made)).strip())
        for name, block in page.blocks.items()
        if name.startswith("live_")
    }
