"""The host of a request as part of a key: one spelling for each host (RFC 3986 §3.2.2, RFC 9110 §7.2)."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_HOST = 253
"""Characters of a name in the DNS (RFC 1035 §2.3.4), without the dot at its end."""
_LONGEST_VALUE = LONGEST_HOST + len(".:65535")
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*")
_PORT = re.compile(r"(?::[0-9]{0,5})?")
_ANY_BELOW = "*."


@lru_cache(maxsize=4096)
def normal_host(value: str) -> str | None:
    """The host in the value of a Host header: lower case, without the port and the dot at its end.

    The port is no part of a key: a proxy in front listens on another one, and clients may write any. A name that isn't
    one of the DNS, such as one with percent signs, is no host: no resolver leads to it, only whoever writes requests.

    Args:
        value: of the header, as it was sent.

    Returns:
        An IPv6 address in brackets and in its shortest form; None: it isn't a host.
    """
    if len(value) > _LONGEST_VALUE or not value.isascii():
        return None
    text = value.strip(" \t").lower()
    if text.startswith("["):
        address, bracket, port = text[1:].partition("]")
        return _address(address) if bracket and _PORT.fullmatch(port) else None
    name, colon, port = text.partition(":")
    name = name.removesuffix(".")
    is_name = _NAME.fullmatch(name) is not None and len(name) <= LONGEST_HOST
    return name if is_name and _PORT.fullmatch(colon + port) else None


def _address(text: str) -> str | None:
    try:
        return f"[{IPv6Address(text).compressed}]" if "%" not in text else None
    except AddressValueError:
        return None


def listed_host(text: str) -> str:
    """A host as an option lists it, in the spelling of `normal_host`; `*.` in front stands for any sub-domain.

    Letters besides ASCII are encoded (RFC 3490).

    Raises:
        ValueError: it isn't a host; the message says why.
    """
    below, name = (_ANY_BELOW, text[len(_ANY_BELOW) :]) if text.startswith(_ANY_BELOW) else ("", text)
    try:
        encoded = name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError(f'"{text}" is no host name') from None
    if not name.isascii() and encoded.encode("ascii").decode("idna") != name.lower():
        raise ValueError(f'"{text}" has letters that are encoded in two ways; write it as clients send it, "xn--…"')
    host = normal_host(encoded)
    if host is None or (below and host.startswith("[")):
        raise ValueError(f'"{text}" is no host name')
    if not host.startswith("[") and ":" in encoded:
        raise ValueError(f'"{text}" has a port, which is no part of the key; leave it out')
    return below + host


def is_pattern(listed: str) -> bool:
    """Whether a listed host stands for any sub-domain."""
    return listed.startswith(_ANY_BELOW)


def is_listed(host: str, hosts: Sequence[str]) -> bool:
    """Whether a list has a host, or a pattern that it fits."""
    return host in hosts or any(is_pattern(each) and host.endswith(each[1:]) for each in hosts)
