"""The HTML of each page: a strict parser takes it, its ids and names fit, and nothing that is told can add to it."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import unquote

import html5lib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from operated_project import NOW, Operation

from millpond.dashboard.rendering import STATIC
from millpond.policy.entry import Entry
from millpond.telemetry.journal import Event, EventKind, Frame

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

PLACES = [
    *("", "timeline", "timeline?kind=failures&route=/", "timeline?before=1", "timeline?done=1", "crons", "hosts"),
    *("confirm/path?of=/items/1", "confirm/path?of=/none", "confirm/route?of=/items/[id]", "confirm/tag?of=prices"),
    *("confirm/tag?of=prices&how=hard&again=no", "confirm/tag?of=none"),
]
HOSTILE = "<img src=x onerror=alert(1)>\"'&amp;{{ 7919*7907 }}</li></main>\u2028\x00\ud800"
ENTRY = Entry(
    key="\0".join(("response", "app/items/[id]/route.py", "/items/1", "")),
    kind="response",
    status=200,
    headers=(),
    body=b"one",
    rendered_at=NOW,
    revalidate=60,
    expire=None,
    tags=("prices", "\0route:/items/[id]", "\0path:/items/1", "\0below:/"),
)


def event(kind: EventKind, text: str, at: float = NOW - 60) -> Event:
    return Event(
        at=at,
        kind=kind,
        text=text,
        detail=text,
        route=text[:50],
        path=text,
        tags=(text[:50],),
        place=text,
        error=text[:50],
        frames=(Frame(text, text, text, True),),
        origin="admin",
        name=text[:50],
        count=3,
    )


async def filled(folder: Path, text: str = "/items/[id]") -> Operation:
    operation = Operation(folder)
    for kind in get_args(EventKind):
        operation.counting.journal.note(event(kind, text))
        operation.counting.journal.note(event(kind, text, NOW - 3 * 86_400))
    await operation.store.commit(ENTRY)
    return operation


def parsed(page: str) -> Any:
    """The document, which must be without an error."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)


@pytest.mark.parametrize("place", PLACES)
async def test_a_strict_parser_takes_every_page(tmp_path: Path, place: str) -> None:
    async with (await filled(tmp_path)).client() as client:
        answer = await client.get(f"/_millpond/{place}".rstrip("/"))
        assert answer.status_code == 200, answer.text
    tree = parsed(answer.text)
    ids = Counter(each.get("id") for each in tree.iter() if isinstance(each.tag, str) and each.get("id"))
    assert [name for name, number in ids.items() if number > 1] == []
    for each in tree.iter():
        for attribute in ("aria-describedby", "aria-labelledby", "for"):
            if isinstance(each.tag, str) and each.get(attribute):
                assert each.get(attribute) in ids
        assert not isinstance(each.tag, str) or each.get("style") is None
    assert [each for each in tree.iter("script") if (each.text or "").strip()] == []
    assert len(list(tree.iter("h1"))) == 1


@pytest.mark.parametrize("place", ["", "timeline", "confirm/tag?of=prices"])
async def test_what_is_told_adds_nothing_to_a_page(tmp_path: Path, place: str) -> None:
    async with (await filled(tmp_path, HOSTILE)).client() as client:
        answer = await client.get(f"/_millpond/{place}".rstrip("/"))
    tree = parsed(answer.text)
    assert answer.status_code == 200
    assert list(tree.iter("img")) == []
    assert "62615533" not in answer.text


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
async def test_whatever_somebody_asks_about_is_text(tmp_path: Path, name: str) -> None:
    operation = Operation(tmp_path)
    async with operation.client() as client:
        for kind in ("tag", "path", "route", "entry"):
            answer = await client.get(f"/_millpond/confirm/{kind}", params={"of": name})
            assert answer.status_code in (200, 404)
            if answer.status_code == 200:
                tree = parsed(answer.text)
                sent = [each.get("value") for each in tree.iter("input") if each.get("name") == "of"]
                assert [unquote(each) for each in sent] == [name]


def tokens() -> dict[str, tuple[str, str]]:
    """Colours of style.css, in light and in dark."""
    style = next(content for name, (content, _) in STATIC.items() if name.endswith(".css")).decode()
    found = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]+), (#[0-9a-f]+)\);", style)
    return {name: (light, dark) for name, light, dark in found}


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("of", "on", "least"),
    [
        *((text, ground, 4.5) for text in ("ink", "muted", "accent") for ground in ("ground", "surface", "sunken")),
        *(
            (state, ground, 4.5)
            for state in ("hit", "stale", "miss", "live", "error")
            for ground in ("ground", "surface")
        ),
        ("surface", "accent", 4.5),
        *((line, ground, 3.0) for line in ("edge", "hit-fill", "live-fill") for ground in ("surface",)),
    ],
)
def test_colours_have_the_contrast_of_wcag_aa(scheme: int, of: str, on: str, least: float) -> None:
    known = tokens()
    assert contrast(known[of][scheme], known[on][scheme]) >= least
