"""Reading millpond.toml, or [tool.millpond] in pyproject.toml."""

from __future__ import annotations

import tomllib
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

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
from millpond.config.endpoint_config import RevalidateEndpointConfig, endpoint_problems
from millpond.config.life_config import CacheLife
from millpond.config.ownership import READ, whose
from millpond.config.ranges import not_a_folder, not_a_prefix, not_positive
from millpond.config.server_config import ServerConfig
from millpond.config.telemetry.dashboard_config import DashboardConfig
from millpond.config.telemetry.metrics_config import MetricsConfig
from millpond.config.values.quantities import SecondsOrNever
from millpond.config.values.reading import ONE_OR_MORE, read_table
from millpond.errors import ConfigError
from millpond.messages import in_one_line
from millpond.policy.compat import Compat
from millpond.policy.lifetime import YEAR
from millpond.policy.profiles import BUILT_IN, DEFAULT, InvalidLife, Profile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from millpond.policy.entry import Coding

FILE_NAME = "millpond.toml"
_PYPROJECT = "pyproject.toml"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that millpond.toml can set."""

    compat: Compat = Compat.V16
    cache_components: bool = False
    expire_time: SecondsOrNever = YEAR
    """Seconds after which a time-based answer may no longer be served (R4.20); `inf`: never."""
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
    metrics: MetricsConfig = MetricsConfig()
    dashboard: DashboardConfig = DashboardConfig()
    revalidate_endpoint: Annotated[tuple[RevalidateEndpointConfig, ...], ONE_OR_MORE] = ()
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
        else:
            yield from endpoint_problems(self.revalidate_endpoint, self.profiles())
        tables = (
            *(self.app, self.cache, self.build, self.server, self.dev, self.metrics, self.dashboard),
            *(self.cdn, self.cors),
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

    @property
    def live_codings(self) -> tuple[Coding, ...]:
        """The codings that live answers may have, best first."""
        return self.cache.codings if self.server.compress_live else ()


def load_config(project: Path) -> Config:
    """The configuration of the project in the folder `project`; the defaults if it has none.

    Raises:
        ConfigError: a file can't be read, there are two configurations, a key is unknown, or a value has the wrong type
            or range.
    """
    values, tools = _parsed(project / FILE_NAME), _tools(project)
    if "millpond" not in tools:
        return Config() if values is None else parse_config(values, FILE_NAME)
    if values is not None:
        raise ConfigError(
            f"{project} has two configurations, {FILE_NAME} and [tool.millpond] in {_PYPROJECT}; "
            "move everything into one of them, and delete the other."
        )
    own = tools["millpond"]
    if not isinstance(own, dict):
        raise ConfigError(f"{_PYPROJECT}: [tool.millpond] must be a table.")
    return parse_config(own, f"{_PYPROJECT} [tool.millpond]")


def fastapi_entrypoint(project: Path) -> str | None:
    """`[tool.fastapi] entrypoint` of the project's pyproject.toml, which FastAPI's command line reads.

    Raises:
        ConfigError: the file can't be read.
    """
    fastapi = _tools(project).get("fastapi")
    entrypoint = fastapi.get("entrypoint") if isinstance(fastapi, dict) else None
    return entrypoint if isinstance(entrypoint, str) else None


def _tools(project: Path) -> dict[str, Any]:
    """The tables of `[tool]` in pyproject.toml."""
    tools = (_parsed(project / _PYPROJECT) or {}).get("tool")
    return tools if isinstance(tools, dict) else {}


def _parsed(path: Path) -> dict[str, Any] | None:
    """What a TOML file says; None if there is no such file."""
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))  # editors on Windows begin files with a BOM
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}.{whose(path, needed=READ)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def parse_config(values: dict[str, Any], source: str) -> Config:
    """A Config from parsed TOML; `source` is the name of the file in messages.

    Raises:
        ConfigError: a key is unknown or missing, or a value has the wrong type or range.
    """
    config: Config = read_table(Config, values, source)
    problem = next(config.problems(), None)
    if problem is not None:
        raise ConfigError(f"{source}: {in_one_line(problem)}")
    return config
