"""Which of the offered languages a client gets: the lookup of RFC 4647 §3.4 over Accept-Language (RFC 9110 §12.5.4)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST_ACCEPT_LANGUAGE = 1024
"""Bytes, all lines together; a longer value is ignored."""

_TAG = r"[a-z]{1,8}(?:-[a-z0-9]{1,8}){0,7}"
_RANGE = re.compile(rf"[ \t]*({_TAG}|\*)[ \t]*(?:;[ \t]*q[ \t]*=[ \t]*([01](?:\.[0-9]{{0,3}})?)[ \t]*)?")
_OFFERED = re.compile(_TAG)


def is_language(tag: str) -> bool:
    """Whether a text can be offered as a language: a tag of RFC 5646, with up to eight parts."""
    return _OFFERED.fullmatch(tag.lower()) is not None


def chosen_language(accepted: str, offered: Sequence[str]) -> str:
    """The offered language that a client gets.

    Its ranges are looked up from the highest quality to the lowest; of equal ones, the first that it has written. A
    range fits a tag that it equals, or equals once parts are cut off its end: "de-CH" finds "de", and "de" doesn't
    find "de-CH". `*` finds the first language that isn't refused by `q=0`.

    Args:
        accepted: the value of Accept-Language; members that can't be parsed are ignored.
        offered: tags; the first is the default, unless the client refuses it and not all.
    """
    qualities = _qualities(accepted) if len(accepted) <= LONGEST_ACCEPT_LANGUAGE else {}
    tags = {tag.lower(): tag for tag in offered if not _is_refused(tag.lower(), qualities)}
    if not tags:
        return offered[0]
    wanted = sorted((each for each in qualities.items() if each[1] > 0), key=lambda each: -each[1])
    for wanted_range, _ in wanted:
        found = None if wanted_range == "*" else _lookup(wanted_range, tags)
        if found is not None:
            return found
    return next(iter(tags.values()))


def _lookup(wanted: str, tags: Mapping[str, str]) -> str | None:
    """RFC 4647 §3.4: a single letter, which introduces an extension, is cut off with what followed it."""
    parts = wanted.split("-")
    while parts:
        found = tags.get("-".join(parts))
        if found is not None:
            return found
        parts.pop()
        if parts and len(parts[-1]) == 1:
            parts.pop()
    return None


def _is_refused(tag: str, qualities: Mapping[str, float]) -> bool:
    """Whether the most specific range that fits a tag has the quality 0."""
    parts = tag.split("-")
    while parts:
        quality = qualities.get("-".join(parts))
        if quality is not None:
            return quality == 0
        parts.pop()
    return qualities.get("*") == 0


def _qualities(accepted: str) -> dict[str, float]:
    """By range, in the order in which they are written; of one that is repeated, the first counts."""
    qualities: dict[str, float] = {}
    for member in accepted.lower().split(","):
        match = _RANGE.fullmatch(member)
        if match is not None:
            qualities.setdefault(match[1], 1.0 if match[2] is None else min(float(match[2]), 1.0))
    return qualities
