"""Texts without what must not be seen: values of environment variables, and credentials in URLs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHORTEST = 6
"""Characters. A shorter value, such as a number or a flag, stands in texts that have nothing to do with it."""
_PUBLIC = frozenset(
    {
        *("HOME", "LANG", "LANGUAGE", "LC_ALL", "LOGNAME", "OLDPWD", "PATH", "PWD", "PYTHONPATH"),
        *("SHELL", "TERM", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV"),
    }
)
"""What these say is in most tracebacks, and no secret."""
_CREDENTIALS = re.compile(r"(?<=://)[^\s/?#@\"']{1,512}@")


def masked(text: str, environ: Mapping[str, str]) -> str:
    """The text with `$NAME` in the place of each value of an environment variable, and without credentials in URLs.

    Args:
        text: such as the message of an exception.
        environ: the environment.
    """
    text = _CREDENTIALS.sub("***@", text)
    values = {value: name for name, value in environ.items() if len(value) >= _SHORTEST and name not in _PUBLIC}
    for value in sorted(values, key=len, reverse=True):  # one may be a part of another
        if value in text:
            text = text.replace(value, f"${values[value]}")
    return text
