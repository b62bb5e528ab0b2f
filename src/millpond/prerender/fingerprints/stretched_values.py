"""Values of environment variables in a form that tells a change, and gives a secret away to nobody who guesses."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache

_ROUNDS = 20_000
"""Each guess costs as many: some milliseconds. Without a key, as builds on two machines must get the same."""
_BYTES = 4
"""Few, so that they fit many values: who finds one that fits doesn't know whether it is the right one."""


@lru_cache(maxsize=1024)
def stretched(name: str, value: str) -> bytes:
    """The value of a variable as part of a fingerprint."""
    return hashlib.pbkdf2_hmac("sha256", os.fsencode(value), os.fsencode(name), _ROUNDS)[:_BYTES]
