"""Which tags and paths an event of a webhook means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import quote

from millpond.policy.webhooks.template import Template, WebhookEvent, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ANY = "*"
"""In a condition: any value."""


class EventRule(NamedTuple):
    """What one kind of event invalidates."""

    when: Mapping[str, Sequence[str]]
    """By name, the values that an event has; all names must have one of theirs."""
    tags: Sequence[Template]
    paths: Sequence[Template]
    type: Literal["route", "page", "layout"] | None = None
    """For the paths, as in `revalidate_path`."""
    profile: str | None = None
    """As in `revalidate_tag`; for the paths, too."""
    expire: float | None = None


class MappedNames(NamedTuple):
    """What an event names, with one set of options."""

    tags: list[str]
    paths: list[str]
    rule: EventRule


class Meaning(NamedTuple):
    """What an event means."""

    named: list[MappedNames]
    notes: list[str]
    """Why something isn't named that might have been meant."""


def meaning_of(event: WebhookEvent, rules: Iterable[EventRule]) -> Meaning:
    """What an event means.

    Raises:
        TooManyValues: it names more than one call may.
    """
    named, notes, applies = list[MappedNames](), dict[str, None](), False
    for rule in rules:
        if not _is_for(rule, event):
            continue
        applies = True
        filled_tags = [template.filled(event) for template in rule.tags]
        filled_paths = [template.filled(event, _segments) for template in rule.paths]
        missing = [name for each in (*filled_tags, *filled_paths) for name in each.missing]
        notes |= dict.fromkeys(f'there is no value of "{name}" in the payload' for name in missing)
        tags = [text for each in filled_tags for text in each.texts]
        paths = [text for each in filled_paths for text in each.texts]
        if tags or paths:
            named.append(MappedNames(list(dict.fromkeys(tags)), list(dict.fromkeys(paths)), rule))
    if not applies:
        notes["the configuration maps no such event"] = None
    return Meaning(named, list(notes))


def _is_for(rule: EventRule, event: WebhookEvent) -> bool:
    return all(any(text in good or ANY in good for text in texts_of(name, event)) for name, good in rule.when.items())


def _segments(value: str) -> str:
    """A value as it stands in a path: slashes in it are slashes between segments."""
    return quote(value.encode("utf-8", "surrogatepass"), safe="/")
