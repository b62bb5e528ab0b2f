"""Reading millpond.toml, or [tool.millpond] in pyproject.toml."""

from __future__ import annotations

import tomllib
from collections import Counter
from typing import TYPE_CHECKING, Any, get_args, get_origin

import msgspec

from millpond.config.answers.cors_config import CorsConfig
from millpond.config.answers.headers_config import HeaderConfig, header_problems
from millpond.config.answers.redirects_config import RedirectConfig, redirect_problems
from millpond.config.app_config import ApplicationConfig
from millpond.config.build_config import BuildConfig
from millpond.config.cache_config import CacheConfig
from millpond.config.cdn_config import CdnConfig
from millpond.config.cron_config import CronConfig
from millpond.config.dev_config import DevConfig
from millpond.config.endpoint_config import RevalidateEndpointConfig
from millpond.config.life_config import CacheLife
from millpond.config.ownership import READ, whose
from millpond.config.ranges import not_a_folder, not_a_prefix, not_positive
from millpond.config.server_config import ServerConfig
from millpond.errors import ConfigError
from millpond.messages import closest, one_of
from millpond.policy.compat import Compat
from millpond.policy.lifetime import YEAR
from millpond.policy.profiles import BUILT_IN, DEFAULT, InvalidLife, Profile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_NAME = "millpond.toml"
_PYPROJECT = "pyproject.toml"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that millpond.toml can set."""

    compat: Compat = Compat.V16
    cache_components: bool = False
    expire_time: float = YEAR
    """Seconds after which a time-based answer may no longer be served (R4.20)."""
    base_path: str = ""
    """A path such as "/docs": only URLs below it match (R1.48)."""
    trailing_slash: bool = False
    """Whether the canonical form of a URL ends in a slash (R1.47)."""
    public_dir: str = "public"
    """The folder whose files are served as they are, relative to the project; "" for none."""
    app: ApplicationConfig = ApplicationConfig()
    cache_life: dict[str, CacheLife] = {}
    cache: CacheConfig = CacheConfig()
    build: BuildConfig = BuildConfig()
    server: ServerConfig = ServerConfig()
    dev: DevConfig = DevConfig()
    revalidate_endpoint: RevalidateEndpointConfig | None = None
    cdn: CdnConfig | None = None
    cron: tuple[CronConfig, ...] = ()
    headers: tuple[HeaderConfig, ...] = ()
    redirects: tuple[RedirectConfig, ...] = ()
    cors: CorsConfig | None = None

    def problems(self) -> Iterator[str]:
        """What is wrong with the values."""
        for cron, number in Counter(self.cron).items():
            if number > 1:
                yield f'the cron of {cron.path} with the schedule "{cron.schedule}" is there {number} times.'
        yield from not_positive({"expire_time": self.expire_time})
        if self.base_path:
            yield from not_a_prefix("base_path", self.base_path, "/docs")
        yield from not_a_folder("public_dir", self.public_dir)
        if self.cache_components and self.compat is not Compat.V16:
            yield f'"cache_components" needs compat = "16", but compat is "{self.compat}".'
        try:
            self.profiles()
        except InvalidLife as error:
            yield f"in [cache_life]: {error}"
        tables = (
            *(self.app, self.cache, self.build, self.server, self.dev),
            *(self.revalidate_endpoint, self.cdn, self.cors),
        )
        for table in (*tables, *self.cron):
            if table is not None:
                yield from table.problems()
        yield from header_problems(self.headers, cors=self.cors is not None)
        yield from redirect_problems(self.redirects)

    def profiles(self) -> dict[str, Profile]:
        """The built-in lifetimes, with those of `[cache_life]` added or replacing them.

        Raises:
            InvalidLife: an age makes no sense.
        """
        default = BUILT_IN[DEFAULT]
        if DEFAULT in self.cache_life:
            default = self.cache_life[DEFAULT].profile(default)
        own = {name: life.profile(default) for name, life in self.cache_life.items()}
        return {**BUILT_IN, DEFAULT: default, **own}


def load_config(project: Path) -> Config:
    """The configuration of the project in the folder `project`; the defaults if it has none.

    Raises:
        ConfigError: a file can't be read, a key is unknown, or a value has the wrong type or range.
    """
    values = _parsed(project / FILE_NAME)
    if values is not None:
        return parse_config(values, FILE_NAME)
    tools = (_parsed(project / _PYPROJECT) or {}).get("tool", {})
    if "millpond" in tools:
        return parse_config(tools["millpond"], f"{_PYPROJECT} [tool.millpond]")
    return Config()


def fastapi_entrypoint(project: Path) -> str | None:
    """`[tool.fastapi] entrypoint` of the project's pyproject.toml, which FastAPI's command line reads.

    Raises:
        ConfigError: the file can't be read.
    """
    entrypoint = (_parsed(project / _PYPROJECT) or {}).get("tool", {}).get("fastapi", {}).get("entrypoint")
    return entrypoint if isinstance(entrypoint, str) else None


def _parsed(path: Path) -> dict[str, Any] | None:
    """What a TOML file says; None if there is no such file."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}.{whose(path, needed=READ)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def parse_config(values: dict[str, Any], source: str) -> Config:
    """A Config from parsed TOML; `source` is the name of the file in messages."""
    _refuse_unknown(Config, values, source, "")
    try:
        config = msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {_readable(str(error))}") from None
    _check_ranges(config, source)
    return config


def _refuse_unknown(kind: type[msgspec.Struct], values: dict[str, Any], source: str, prefix: str) -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for name, value in values.items():
        if name == kind.__struct_config__.tag_field:
            continue
        if name not in fields:
            guess = closest(name, fields)
            remedy = f'did you mean "{prefix}{guess}"?' if guess else f"the keys here are {one_of(fields)}."
            raise ConfigError(f'{source}: there is no key "{prefix}{name}"; {remedy}')
        tables = _tables_in(fields[name])
        for place, table in _tables_of(value, f"{prefix}{name}", named=get_origin(fields[name]) is dict):
            _refuse_unknown(_table_for(table, tables, source, place), table, source, f"{place}.")


def _tables_in(kind: Any) -> list[type[msgspec.Struct]]:
    """The table types that a key accepts, also inside of lists, dicts, unions and optional types."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [kind]
    return [table for option in get_args(kind) for table in _tables_in(option)]


def _tables_of(value: object, place: str, *, named: bool) -> list[tuple[str, dict[str, Any]]]:
    """The tables in a value, each with its name in messages."""
    if isinstance(value, list):
        inner: list[tuple[str, object]] = [(f"{place}[{number}]", each) for number, each in enumerate(value)]
    elif isinstance(value, dict) and named:
        inner = [(f"{place}.{name}", each) for name, each in value.items()]
    else:
        inner = [(place, value)]
    return [(name, each) for name, each in inner if isinstance(each, dict)]


def _table_for(
    values: dict[str, Any], tables: list[type[msgspec.Struct]], source: str, place: str
) -> type[msgspec.Struct]:
    """The table type of `values`: with several candidates, the one that its tag field names."""
    by_tag = {str(table.__struct_config__.tag): table for table in tables}
    field = tables[0].__struct_config__.tag_field
    if field is None:
        return tables[0]
    tag = values.get(field)
    if not isinstance(tag, str) or tag not in by_tag:
        what = "is missing" if tag is None else f'is "{tag}"'
        raise ConfigError(f'{source}: "{place}.{field}" {what}; it must be {one_of(by_tag)}.')
    return by_tag[tag]


def _readable(message: str) -> str:
    """msgspec's `Expected `int`, got `str` - at `$.cache.max_bytes`` with the place first."""
    text, _, place = message.partition(" - at `$.")
    return f'"{place.rstrip("`")}": {text}' if place else text


def _check_ranges(config: Config, source: str) -> None:
    problem = next(config.problems(), None)
    if problem is not None:
        raise ConfigError(f"{source}: {problem}")
