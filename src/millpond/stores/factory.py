"""The store that a configuration asks for."""

from __future__ import annotations

import contextlib
import os
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from millpond.config.store_url import parse_store_url
from millpond.errors import ConfigError, StoreError
from millpond.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.config import CacheConfig
    from millpond.config.store_url import StoreAddress
    from millpond.policy.freshness import Clock
    from millpond.stores.build_store import BuildStore
    from millpond.stores.contract import Store
    from millpond.stores.maintenance_contract import StoreInspection, StoreInvalidation, StoreMaintenance
    from millpond.stores.valkey.store import ValkeyStore


def chosen_store(project: Path, cache: CacheConfig, build: str | None, clock: Clock) -> Store:
    """The store of a project, not open yet.

    Args:
        project: its folder.
        cache: what its configuration says.
        build: the id of the build that is served, if there is one: of a shared store, only its answers are seen.
        clock: seconds since the epoch.

    Raises:
        ConfigError: the password's environment variable isn't set, or a certificate's file can't be read.
        StoreError: what the store needs isn't installed.
    """
    if cache.kind == "memory":
        return memory_store(cache, clock)
    if cache.kind == "valkey":
        return shared_store(project, cache, build or "", clock)
    # Engines are imported here, as a build and a command like `routes` need none.
    from millpond.stores.lmdb.store import LmdbStore

    limit = cache.bytes_in(cache.kind)
    local = min(limit, cache.local_bytes)
    return LmdbStore(store_folder(project, cache), max_bytes=limit, clock=clock, local_bytes=local)


def memory_store(cache: CacheConfig, clock: Clock) -> MemoryStore:
    """A store of this process's own."""
    return MemoryStore(max_bytes=cache.bytes_in("memory"), clock=clock)


def build_store(folder: Path, cache: CacheConfig, clock: Clock) -> BuildStore:
    """The store that the processes of one build have in common: as large as `memory_store`, in a folder of its own."""
    from millpond.stores.build_store import BuildStore

    limit = cache.bytes_in("memory")
    return BuildStore(folder, max_bytes=limit, clock=clock, local_bytes=min(limit, cache.local_bytes))


def store_folder(project: Path, cache: CacheConfig) -> Path:
    """The folder of a project's embedded store."""
    return project / Path(cache.path).expanduser()


def shared_store(project: Path, cache: CacheConfig, build: str, clock: Clock) -> ValkeyStore:
    """The store of a project whose configuration names a server; see `chosen_store`."""
    address = shared_address(cache)
    with needing_client(address):
        from millpond.stores.valkey.store import ValkeyStore
    return ValkeyStore(
        address,
        prefix=prefix_of(project, cache),
        build=build,
        max_bytes=cache.bytes_in(cache.kind),
        clock=clock,
        timeout=cache.store_timeout,
        serve_when_down=cache.serve_when_down,
        local_bytes=cache.local_bytes,
    )


def inspection_of(project: Path, cache: CacheConfig) -> StoreInspection:
    """A project's store that is on disk or shared, open for reading.

    Raises:
        ConfigError, StoreError: as `chosen_store`; or there is no such store yet.
    """
    if cache.kind == "valkey":
        address = shared_address(cache)
        with needing_client(address):
            from millpond.stores.valkey.inspection import ValkeyInspection
        return ValkeyInspection(address, prefix_of(project, cache), cache.store_timeout)
    from millpond.stores.lmdb.inspection import LmdbInspection

    return LmdbInspection(store_folder(project, cache))


def maintenance_of(project: Path, cache: CacheConfig) -> StoreMaintenance:
    """The same, open for dropping entries."""
    if cache.kind == "valkey":
        address = shared_address(cache)
        with needing_client(address):
            from millpond.stores.valkey.maintenance import ValkeyMaintenance
        return ValkeyMaintenance(address, prefix_of(project, cache), cache.store_timeout)
    from millpond.stores.lmdb.inspection import LmdbInspection
    from millpond.stores.lmdb.maintenance import LmdbMaintenance

    # To drop from what isn't there is a mistake, and not a reason to make it.
    with LmdbInspection(store_folder(project, cache)):
        pass
    return LmdbMaintenance(store_folder(project, cache), cache.bytes_in(cache.kind))


def invalidation_of(project: Path, cache: CacheConfig, patience: float, *, creates: bool) -> StoreInvalidation:
    """The same, open for invalidating.

    Args:
        project: its folder.
        cache: what its configuration says.
        patience: seconds to wait for another process that is opening the store, or for a server's answer.
        creates: make the store, where there is none yet: the first start will know of the invalidation.

    Raises:
        ConfigError: as `chosen_store`.
        StoreError: there is no store, or it can't be used; its `reason` says why.
    """
    if cache.kind == "valkey":
        address = shared_address(cache)
        with needing_client(address):
            from millpond.stores.valkey.maintenance import ValkeyInvalidation
        seconds = min(patience, cache.store_timeout)
        return ValkeyInvalidation(address, prefix_of(project, cache), seconds, creates=creates)
    from millpond.stores.lmdb.maintenance import LmdbInvalidation

    return LmdbInvalidation(store_folder(project, cache), cache.bytes_in(cache.kind), patience, creates=creates)


@contextlib.contextmanager
def needing_client(address: StoreAddress) -> Iterator[None]:
    """Around an import that needs the client of shared stores.

    Raises:
        StoreError: it isn't installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "redis":
            raise
        raise StoreError(
            f"[cache] store is {address}, and the client for it isn't installed; run: pip install 'millpond[valkey]'"
        ) from None


def shared_address(cache: CacheConfig) -> StoreAddress:
    """Where the shared store is, with its password.

    Raises:
        ConfigError: the password's environment variable isn't set, or a file that the URL names can't be read.
    """
    address = parse_store_url(cache.store)
    for option, file in address.options.items():
        if not os.access(file, os.R_OK) or Path(file).is_dir():
            raise ConfigError(f"[cache] store names {file} as {option}, and there is no such file that can be read.")
    if cache.password_env is None:
        return address
    password = os.environ.get(cache.password_env, "")
    if not password:
        raise ConfigError(
            f"the environment variable {cache.password_env} isn't set; by [cache] password_env it is to hold the "
            f"password of {address}."
        )
    return replace(address, password=password)


def prefix_of(project: Path, cache: CacheConfig) -> str:
    """What the application's keys begin with: what is configured, or the project's name, or that of its folder."""
    if cache.prefix is not None:
        return cache.prefix
    name = _project_name(project / "pyproject.toml") or project.resolve().name
    return f"millpond:{''.join('-' if letter in '{} ' or not letter.isprintable() else letter for letter in name)}"


def _project_name(pyproject: Path) -> str | None:
    try:
        name = tomllib.loads(pyproject.read_text("utf-8")).get("project", {}).get("name")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):  # then there is no name in it
        return None
    return name if isinstance(name, str) and name else None
