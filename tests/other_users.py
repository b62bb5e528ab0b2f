"""Code that runs as other users, where whoever runs the tests may become one."""

from __future__ import annotations

import os
import subprocess
import sys
from textwrap import dedent

import pytest

OWNER, OTHER, GROUP = 54_001, 54_002, 54_100
"""Numbers that need no names."""

needed = pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser may become another user")

_BECOME = """
    import asyncio, os, tempfile, time
    from pathlib import Path
    from millpond.errors import MillpondError
    from millpond.prerender.build_manifest import read_manifest
    from millpond.stores.lmdb.store import LmdbStore

    def store_in(folder):
        return LmdbStore(Path(folder), max_bytes=10**6, clock=time.time)

    async def use(folder):
        store = store_in(folder)
        await store.open()
        print(store.invalidate(["t"]))
        await store.close()

    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(store_in(scratch + "/warm/up").open())  # what is imported late can't be read by everybody
    os.setgroups({groups})
    os.setresgid({user}, {user}, {user})
    os.setresuid({user}, {user}, {user})
    try:
        {work}
    except MillpondError as error:
        print(type(error).__name__, error)
"""


def said_by(user: int, work: str, groups: tuple[int, ...] = ()) -> str:
    """What a line of code prints, or the error that it ends in; it has `use(folder)` and `read_manifest`."""
    script = dedent(_BECOME).format(user=user, groups=list(groups), work=work)
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, cwd="/", check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()
