"""A PostgreSQL of the tests' own, where the machine has one installed: without a port, and gone afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

USER, DATABASE = "millpond", "postgres"
_PATIENCE = 30.0


def programs() -> Path | None:
    """The folder with `initdb` and `postgres`; None where they aren't installed."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None


@contextlib.contextmanager
def postgres(bin_folder: Path) -> Iterator[Path]:
    """The folder of the socket of a server that runs meanwhile; whoever connects is USER."""
    folder = Path(tempfile.mkdtemp(prefix="millpond-postgres-", dir="/tmp"))  # a short path, as sockets demand
    as_user = _as_nobody_special(folder)
    try:
        data = folder / "data"
        initdb: list[str | Path] = [
            bin_folder / "initdb",
            "--auth=trust",
            "--no-sync",
            f"--username={USER}",
            "-D",
            data,
        ]
        subprocess.run([*as_user, *initdb], check=True, capture_output=True, cwd=folder)
        serve: list[str | Path] = [
            bin_folder / "postgres",
            "-D",
            data,
            "-k",
            folder,
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
        ]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([*as_user, *serve], stdout=log, stderr=log, cwd=folder)
        try:
            _wait(folder)
            yield folder
        finally:
            process.terminate()
            process.wait(_PATIENCE)
    finally:
        shutil.rmtree(folder)


def _as_nobody_special(folder: Path) -> list[str]:
    """What runs a command as somebody else, and gives them the folder, where this is root: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return []
    entry = (
        pwd.getpwnam("postgres") if "postgres" in {user.pw_name for user in pwd.getpwall()} else pwd.getpwnam("nobody")
    )
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]


def _wait(folder: Path) -> None:
    ends = time.monotonic() + _PATIENCE
    while True:
        try:
            psycopg.connect(host=str(folder), user=USER, dbname=DATABASE).close()
        except psycopg.OperationalError:
            if time.monotonic() > ends:
                raise AssertionError((folder / "log").read_text("utf-8")) from None
            time.sleep(0.05)
        else:
            return
