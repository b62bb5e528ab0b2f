"""The scripts that a shared server runs: each is one step, whatever else goes on there."""

from __future__ import annotations

from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import NamedTuple

_FOLDER = files(__package__) / "lua"

_ALWAYS = "#!lua flags=allow-oom\n"
"""Also when the server is out of memory: what it writes is small, and holds up others when it fails."""
_READS = "#!lua flags=no-writes\n"
_WRITES = "#!lua\n"


class Script(NamedTuple):
    """A script, and what servers that know it call it."""

    name: str
    text: str
    sha: str


@cache
def _text(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text("utf-8")


def _script(name: str, flags: str, *, state: bool = True) -> Script:
    text = flags + (_text("prelude") if state else "") + _text(name)
    return Script(name, text, sha1(text.encode(), usedforsecurity=False).hexdigest())


ATTACH = _script("attach", _ALWAYS)
TOUCH = _script("touch", _ALWAYS)
PART = _script("part", _ALWAYS)
INVALIDATE = _script("invalidate", _ALWAYS)
PRUNE = _script("prune", _ALWAYS)
COMMIT = _script("commit", _WRITES)
PUT = _script("put", _WRITES, state=False)
ANNOUNCE = _script("announce", _ALWAYS)
FETCH = _script("fetch", _READS, state=False)
REMOVE = _script("remove", _ALWAYS)
DROP = _script("drop", _ALWAYS)
WANTED = _script("wanted", _READS)
MOMENTS = _script("moments", _READS)
NOTE_READS = _script("note_reads", _ALWAYS)
LEASE = _script("lease", _ALWAYS)
