"""What is wrong with a value of the right type: problems that begin with the key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PLAIN_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
SHORTEST_SECRET = 16
"""The minimum number of characters in a secret."""


def not_positive(values: Mapping[str, float | None]) -> Iterator[str]:
    """A problem for each number that isn't more than 0; None is valid."""
    for name, value in values.items():
        if value is not None and not value > 0:  # nan is rejected, too
            yield f'"{name}" is {value}; it must be more than 0.'


def not_a_prefix(name: str, path: str, example: str) -> Iterator[str]:
    """A problem if a path doesn't begin with a slash, or ends in one."""
    if not path.startswith("/") or path.endswith("/") or "//" in path:
        yield f'"{name}" is "{path}"; it must look like "{example}": a leading slash, no trailing one.'


def not_a_fixed_path(name: str, path: str, example: str) -> Iterator[str]:
    """A problem if a path isn't one that every client sends in the same way."""
    segments = path.split("/")[1:]
    if not path.startswith("/") or not all(_PLAIN_SEGMENT.fullmatch(each) and each.strip(".") for each in segments):
        yield (
            f'"{name}" is "{path}"; it must look like "{example}": a leading slash, no trailing one, and only letters, '
            "digits and -._~ between slashes."
        )


def not_a_folder(name: str, folder: str) -> Iterator[str]:
    """A problem if a folder isn't inside of the project, or is hidden: it would be published."""
    parts = folder.split("/")
    if folder and (not all(parts) or any(part.startswith(".") or "\\" in part for part in parts)):
        yield (
            f'"{name}" is "{folder}"; it must be a folder in the project, such as "public" or "frontend/dist", '
            'that isn\'t hidden, or "" for none.'
        )


def too_short(name: str, secret: str | None) -> Iterator[str]:
    """A problem if a secret is so short that it can be guessed."""
    if secret is not None and len(secret.strip()) < SHORTEST_SECRET:
        yield (
            f'"{name}" has {len(secret.strip())} characters; '
            f"use {SHORTEST_SECRET} or more, such as the output of: openssl rand -hex 32"
        )
