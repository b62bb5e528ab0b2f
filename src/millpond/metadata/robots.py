"""robots.txt: its fields, and its lines (R7.14)."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from millpond.errors import MetadataError
from millpond.metadata.validation import ONE_LINE, known, listed, near, number, refuse_shape, shaped

_STRICT = ConfigDict(extra="forbid", strict=True)
_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_LIKENESS = 0.75


@with_config(_STRICT)
class Rule(TypedDict):
    """What some crawlers may read. Other keys are written as they are: {"Request-rate": "1/5"}."""

    user_agent: NotRequired[str | list[str]]
    """ "*", all crawlers, when it isn't there."""
    allow: NotRequired[str | list[str]]
    disallow: NotRequired[str | list[str]]
    crawl_delay: NotRequired[Annotated[float, Field(ge=0, allow_inf_nan=False)]]
    """Seconds."""


@with_config(_STRICT)
class Robots(TypedDict):
    """What robots() returns."""

    rules: Rule | list[Rule]
    sitemap: NotRequired[str | list[str]]
    host: NotRequired[str]


@with_config(_STRICT)
class _File(TypedDict):
    """As Robots; the rules are looked at one by one."""

    rules: Any
    sitemap: NotRequired[str | list[str]]
    host: NotRequired[str]


@functools.cache
def _shapes() -> tuple[TypeAdapter[Any], TypeAdapter[Any], TypeAdapter[Any]]:
    return TypeAdapter(_File), TypeAdapter(Rule), TypeAdapter(dict[str, str | int | float | list[str | int | float]])


def robots_txt(returned: object) -> bytes:
    """The robots.txt of what `robots()` returned.

    Raises:
        MetadataError: it isn't a dict, a field is wrong, or a value has a line end, which would begin another rule.
    """
    if not isinstance(returned, Mapping):
        refuse_shape(returned, "robots", 'a dict: {"rules": {"user_agent": "*", "allow": "/"}}')
    shape, _, _ = _shapes()
    robots = shaped(shape, dict(returned), "robots()", forbidden=ONE_LINE, names=Robots.__annotations__)
    given = returned["rules"]  # as it is, so that a name that is misspelt is found even if its value is None
    rules = given if isinstance(given, list | tuple) else [given]
    lines: list[str] = []
    for index, rule in enumerate(rules):
        lines += [*_rule(rule, f"rule {index} of robots()"), ""]
    if "host" in robots:
        lines.append(f"Host: {robots['host']}")
    lines += [f"Sitemap: {url}" for url in listed(robots.get("sitemap", ()))]
    return "".join(f"{line}\n" for line in lines).encode()


def _rule(given: object, what: str) -> list[str]:
    if not isinstance(given, Mapping):
        kind = "None" if given is None else f"a value of type {type(given).__name__}"
        raise MetadataError(f'{what} is {kind}; it must be a dict: {{"allow": "/"}}.')
    _, shape, others = _shapes()
    fields = set(Rule.__annotations__)
    own = {name: value for name, value in given.items() if name in fields}
    rule = shaped(shape, own, what, forbidden=ONE_LINE)
    rest = {name: value for name, value in given.items() if name not in fields}
    extra = shaped(others, rest, what, forbidden=ONE_LINE)
    lines = [f"User-Agent: {agent}" for agent in listed(rule.get("user_agent") or "*")]
    lines += [f"Allow: {path}" for path in listed(rule.get("allow", ()))]
    lines += [f"Disallow: {path}" for path in listed(rule.get("disallow", ()))]
    if "crawl_delay" in rule:
        lines.append(f"Crawl-delay: {number(rule['crawl_delay'])}")
    for name in rest:
        _refuse_misspelt(name, what)
    for name, value in extra.items():
        values = value if isinstance(value, list) else [value]
        lines += [f"{name}: {item if isinstance(item, str) else number(item)}" for item in values]
    return lines


def _refuse_misspelt(name: str, what: str) -> None:
    """Refuse a key that is almost the name of a field: it would be written as a custom directive, and do nothing."""
    guess = near(name, Rule.__annotations__, _LIKENESS)
    if guess:
        raise MetadataError(f'{what}: there is no field "{name}"; did you mean "{guess}"?')
    if not _TOKEN.fullmatch(name):
        raise MetadataError(
            f'{what}: "{name}" is no name of a directive; the fields are {known(Rule.__annotations__)}, and others '
            "are letters, digits and hyphens."
        )
