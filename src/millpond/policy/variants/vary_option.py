"""The values of `hosts` and `cache_vary`, checked and in their canonical form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from millpond.policy.draft_mode import DRAFT_COOKIE
from millpond.policy.http.cookie_value import is_cookie_name
from millpond.policy.variants.language import is_language
from millpond.policy.variants.request_host import listed_host
from millpond.policy.variants.variant import COOKIE, HEADER, LANGUAGE

if TYPE_CHECKING:
    from millpond.policy.variants.variation import Offered

HOSTS_ALLOWED = 'a list of host names, each once, such as ["a.example", "*.b.example"]'
VARY_ALLOWED = (
    'a dict of finite values, the default first, such as {"accept-language": ["en", "de"], '
    '"cookie:theme": ["light", "dark"], "header:x-plan": ["free", "pro"]}'
)

MAX_NAMES, MAX_VALUES = 8, 100
"""How many names `cache_vary` takes, and how many values each."""
_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,64}")
_COOKIE_VALUE = re.compile(r"[!#$&'()*+./:<=>?@\[\]^_`{|}~0-9A-Za-z-]{1,64}")
"""What a cookie holds without quotes and escapes (RFC 6265 §4.1.1)."""
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]{0,62}[!-~])?")
_LONGEST_COOKIE_NAME = 64

_NO_PARTS = {
    "accept-encoding": "Millpond answers in the coding that a client accepts without it",
    "accept-language": f'write "{LANGUAGE}", whose ranges are understood',
    "authorization": "an answer for one user is no variant for everybody",
    "cookie": f'name the cookie: "{COOKIE}NAME"',
    "host": "write cache_host = True",
    "proxy-authorization": "an answer for one user is no variant for everybody",
}
"""Headers that can't be parts of a key, and why."""
_OF_THE_MESSAGE = re.compile(
    "available-dictionary|connection|content-.*|expect|if-.*|keep-alive|range|te|trailer|transfer-encoding|upgrade"
)
"""Headers that are about the message, its connection or what a client holds, and don't select an answer."""


def parse_hosts(value: object) -> tuple[str, ...]:
    """The listed hosts. Raises ValueError: the value isn't such a list; the message says what it takes."""
    if not isinstance(value, list | tuple) or not value or not all(isinstance(each, str) for each in value):
        raise ValueError(HOSTS_ALLOWED)
    try:
        hosts = tuple(listed_host(each) for each in value)
    except ValueError as error:
        raise ValueError(f"{HOSTS_ALLOWED}; {error}") from None
    twice = next((host for host in hosts if hosts.count(host) > 1), None)
    if twice is not None:
        raise ValueError(f'{HOSTS_ALLOWED}; "{twice}" is listed twice')
    return hosts


def parse_vary(value: object) -> Offered:
    """What is offered. Raises ValueError: the value isn't such a dict; the message says what it takes."""
    if not isinstance(value, dict) or not value or not all(isinstance(name, str) for name in value):
        raise ValueError(VARY_ALLOWED)
    if len(value) > MAX_NAMES:
        raise ValueError(f"{VARY_ALLOWED}; {len(value)} names are over {MAX_NAMES}")
    offered = tuple((_name(name), _values(name, values)) for name, values in value.items())
    names = [name for name, _ in offered]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f'{VARY_ALLOWED}; "{twice}" is there twice')
    return offered


def _name(name: str) -> str:
    lowered = name.lower()
    if lowered == LANGUAGE:
        return lowered
    if name.startswith(COOKIE):
        cookie = name.removeprefix(COOKIE)
        if cookie == DRAFT_COOKIE:
            raise ValueError(f'{VARY_ALLOWED}; "{cookie}" is the cookie of draft mode, whose answers no cache keeps')
        if is_cookie_name(cookie) and len(cookie) <= _LONGEST_COOKIE_NAME:
            return name
        raise ValueError(f'{VARY_ALLOWED}; no cookie can be called "{cookie}"')
    header = lowered.removeprefix(HEADER)
    if header in _NO_PARTS:
        raise ValueError(f'{VARY_ALLOWED}; "{name}" can\'t be part of a key: {_NO_PARTS[header]}')
    if not lowered.startswith(HEADER):
        raise ValueError(f'{VARY_ALLOWED}; a name is "{LANGUAGE}", "{COOKIE}NAME" or "{HEADER}NAME", not "{name}"')
    if _OF_THE_MESSAGE.fullmatch(header):
        raise ValueError(f"{VARY_ALLOWED}; \"{name}\" can't be part of a key: it doesn't select an answer")
    if not _HEADER_NAME.fullmatch(header):
        raise ValueError(f'{VARY_ALLOWED}; no header can be called "{header}"')
    return lowered


def _values(name: str, values: object) -> tuple[str, ...]:
    if not isinstance(values, list | tuple) or not values or not all(isinstance(each, str) for each in values):
        raise ValueError(f'{VARY_ALLOWED}; "{name}" needs a list of texts')
    if len(values) > MAX_VALUES:
        raise ValueError(f'{VARY_ALLOWED}; {len(values)} values of "{name}" are over {MAX_VALUES}')
    for value in values:
        if not _can_be(name, value):
            raise ValueError(f'{VARY_ALLOWED}; "{name}" can\'t have the value "{value}"')
    compared = [value.lower() for value in values] if name.lower() == LANGUAGE else list(values)
    twice = next((value for value in compared if compared.count(value) > 1), None)
    if twice is not None:
        raise ValueError(f'{VARY_ALLOWED}; "{name}" has the value "{twice}" twice')
    return tuple(values)


def _can_be(name: str, value: str) -> bool:
    if name.lower() == LANGUAGE:
        return is_language(value)
    pattern = _COOKIE_VALUE if name.startswith(COOKIE) else _HEADER_VALUE
    return pattern.fullmatch(value) is not None
