"""millpond.toml, or [tool.millpond] in pyproject.toml, as a frozen Config."""

from __future__ import annotations

import difflib
import tomllib
from typing import TYPE_CHECKING, Any, get_args, get_origin

import msgspec

from millpond.errors import ConfigError, one_of
from millpond.policy.compat import Compat
from millpond.policy.lifetime import YEAR
from millpond.policy.profiles import BUILT_IN, DEFAULT, InvalidLife, Profile, ages_given, ages_of, profile_from

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "millpond.toml"
SHORTEST_SECRET = 16
"""Characters that a secret has at least."""


class CacheLife(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named lifetime, `[cache_life.NAME]`; seconds, `inf` is never; what is left out is the default's (R5.33)."""

    stale: float | None = None
    revalidate: float | None = None
    expire: float | None = None

    def profile(self, default: Profile) -> Profile:
        """Raises InvalidLife: an age makes no sense."""
        ages = ages_of(default) | ages_given(self.stale, self.revalidate, self.expire)
        if self.revalidate is None:  # the default's may be over the end that was given
            ages["revalidate"] = min(ages["revalidate"], ages["expire"])
        return profile_from(ages)


STORES = {"lmdb": 1024 * 1024 * 1024, "memory": 256 * 1024 * 1024}
"""The stores there are, and what each may hold where nothing is said."""


class CacheConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[cache]`: the store and its bounds."""

    store: str = "lmdb"
    """"lmdb": one file for all workers, kept over restarts. "memory": one cache for each process, gone with it."""
    path: str = ".millpond/cache"
    """The folder of the embedded store, seen from the project; on a local disk, and no other project's."""
    max_bytes: int | None = None
    """What the store may hold before it evicts; None is 1 GiB, and 256 MiB in memory."""
    max_entry_bytes: int = 16 * 1024 * 1024
    """The largest answer that is stored; a GET that answers more is live."""
    max_data_bytes: int = 2 * 1024 * 1024
    """The largest fetched answer or function result that is stored; a larger one is used, and not kept."""
    max_query_variants: int = 100
    """How many answers of one path are kept for different queries, where a route has `cache_query`."""
    render_timeout: float = 60.0
    """Seconds after which a regeneration counts as failed."""
    lease_seconds: float = 10.0
    """How long a worker that was killed in mid-render can delay others that want the same; a living one renews."""

    def bytes_in(self, store: str) -> int:
        """What a store of that kind may hold."""
        return STORES[store] if self.max_bytes is None else self.max_bytes


class BuildConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[build]`: how `millpond build` prerenders."""

    concurrency: int = 8
    """Paths rendered at once."""
    timeout: float = 60.0
    """Seconds for one path; a path that needs longer is tried three times in all (R3.22)."""


class RevalidateEndpointConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[revalidate_endpoint]`: a POST endpoint for webhooks that invalidate. Off unless this table is there."""

    path: str = "/api/revalidate"
    secret: str | None = None
    """What callers send as `Authorization: Bearer …`; better kept in the environment, with `secret_env`."""
    secret_env: str | None = None
    """The environment variable that holds the secret."""
    per_minute: int = 60
    """Calls within a minute, with and without the right secret; more are answered 429."""


class ServerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[server]`: bounds on what a client may send."""

    max_path_bytes: int = 8 * 1024
    """A longer path and query is answered 414."""
    max_header_bytes: int = 64 * 1024
    """Longer request headers are answered 431."""
    shutdown_timeout: float = 30.0
    """Seconds that a shutdown waits for requests, regenerations and `after` callbacks."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that millpond.toml can say."""

    compat: Compat = Compat.V16
    cache_components: bool = False
    expire_time: float = YEAR
    """Seconds after which a time-based answer may no longer be served (R4.20)."""
    base_path: str = ""
    """Such as "/docs": only URLs below it match (R1.48)."""
    trailing_slash: bool = False
    """Whether the canonical form of a URL ends in a slash (R1.47)."""
    cache_life: dict[str, CacheLife] = {}
    cache: CacheConfig = CacheConfig()
    build: BuildConfig = BuildConfig()
    server: ServerConfig = ServerConfig()
    revalidate_endpoint: RevalidateEndpointConfig | None = None

    def profiles(self) -> dict[str, Profile]:
        """The built-in lifetimes, with those of `[cache_life]` added or in their place.

        Raises:
            InvalidLife: an age makes no sense.
        """
        default = BUILT_IN[DEFAULT]
        if DEFAULT in self.cache_life:
            default = self.cache_life[DEFAULT].profile(default)
        own = {name: life.profile(default) for name, life in self.cache_life.items()}
        return {**BUILT_IN, DEFAULT: default, **own}


def load_config(project: Path) -> Config:
    """The configuration of the project in the folder `project`; defaults where it has none.

    Raises:
        ConfigError: a file can't be read, a key is unknown, or a value has the wrong type or range.
    """
    for name, table in ((FILE_NAME, None), ("pyproject.toml", "millpond")):
        path = project / name
        if not path.is_file():
            continue
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not valid TOML: {error}") from None
        if table is None:
            return parse_config(values, name)
        if table in values.get("tool", {}):
            return parse_config(values["tool"][table], f"{name} [tool.millpond]")
    return Config()


def parse_config(values: dict[str, Any], source: str) -> Config:
    """A Config out of parsed TOML; `source` is what messages call the place it came from."""
    _refuse_unknown(Config, values, source, "")
    try:
        config = msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {_readable(str(error))}") from None
    _check_ranges(config, source)
    return config


def _refuse_unknown(kind: type[msgspec.Struct], values: dict[str, Any], source: str, prefix: str) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    for name, value in values.items():
        if name not in fields:
            guess = difflib.get_close_matches(name, fields, n=1)
            remedy = f'did you mean "{prefix}{guess[0]}"?' if guess else f"the keys here are {one_of(fields)}."
            raise ConfigError(f'{source}: there is no key "{prefix}{name}"; {remedy}')
        inner = _struct_in(fields[name].type)
        if inner is not None and isinstance(value, dict):
            _refuse_unknown(inner, value, source, f"{prefix}{name}.")
        if name == "cache_life" and isinstance(value, dict):
            for profile, ages in value.items():
                if isinstance(ages, dict):
                    _refuse_unknown(CacheLife, ages, source, f"{prefix}{name}.{profile}.")


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """The table that a key takes, also where it may be left out."""
    options = (kind,) if get_origin(kind) is dict else get_args(kind) or (kind,)
    return next((option for option in options if isinstance(option, type) and issubclass(option, msgspec.Struct)), None)


def _readable(message: str) -> str:
    """msgspec's `Expected `int`, got `str` - at `$.cache.max_bytes`` with the place first."""
    text, _, place = message.partition(" - at `$.")
    return f'"{place.rstrip("`")}": {text}' if place else text


def _check_ranges(config: Config, source: str) -> None:
    positive = {
        "expire_time": config.expire_time,
        "cache.max_bytes": config.cache.bytes_in("memory"),
        "cache.max_entry_bytes": config.cache.max_entry_bytes,
        "cache.max_data_bytes": config.cache.max_data_bytes,
        "cache.max_query_variants": config.cache.max_query_variants,
        "cache.render_timeout": config.cache.render_timeout,
        "cache.lease_seconds": config.cache.lease_seconds,
        "build.concurrency": config.build.concurrency,
        "build.timeout": config.build.timeout,
        "server.max_path_bytes": config.server.max_path_bytes,
        "server.max_header_bytes": config.server.max_header_bytes,
        "server.shutdown_timeout": config.server.shutdown_timeout,
    }
    for name, value in positive.items():
        if value <= 0:
            raise ConfigError(f'{source}: "{name}" is {value}; it must be more than 0.')
    try:
        config.profiles()
    except InvalidLife as error:
        raise ConfigError(f"{source}: in [cache_life]: {error}") from None
    if config.cache.store not in STORES:
        raise ConfigError(f'{source}: "cache.store" is "{config.cache.store}"; it must be {one_of(STORES)}.')
    _check_endpoint(config.revalidate_endpoint, source)
    path = config.base_path
    if path and (not path.startswith("/") or path.endswith("/") or "//" in path):
        raise ConfigError(
            f'{source}: "base_path" is "{path}"; it must look like "/docs": a leading slash, no trailing one.'
        )
    if config.cache_components and config.compat is not Compat.V16:
        raise ConfigError(f'{source}: "cache_components" belongs to compat = "16", and compat is "{config.compat}".')


def _check_endpoint(endpoint: RevalidateEndpointConfig | None, source: str) -> None:
    if endpoint is None:
        return
    if not endpoint.path.startswith("/") or endpoint.path.endswith("/"):
        raise ConfigError(
            f'{source}: "revalidate_endpoint.path" is "{endpoint.path}"; it must look like "/api/revalidate".'
        )
    if (endpoint.secret is None) is (endpoint.secret_env is None):
        raise ConfigError(
            f"{source}: [revalidate_endpoint] needs either secret_env, the name of a variable, or secret."
        )
    if endpoint.secret is not None and len(endpoint.secret) < SHORTEST_SECRET:
        raise ConfigError(
            f'{source}: "revalidate_endpoint.secret" has {len(endpoint.secret)} characters; '
            f"use {SHORTEST_SECRET} or more, such as the output of: openssl rand -hex 32"
        )
    if endpoint.per_minute <= 0:
        raise ConfigError(
            f'{source}: "revalidate_endpoint.per_minute" is {endpoint.per_minute}; it must be more than 0.'
        )
