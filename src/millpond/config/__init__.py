"""millpond.toml, or [tool.millpond] in pyproject.toml, as a frozen Config. One module per table."""

from millpond.config.build import BuildConfig
from millpond.config.cache import STORES, CacheConfig
from millpond.config.cdn import CdnConfig
from millpond.config.cron import CronConfig
from millpond.config.dev import DevConfig
from millpond.config.life import CacheLife
from millpond.config.loading import FILE_NAME, Config, load_config, parse_config
from millpond.config.revalidation import RevalidateEndpointConfig
from millpond.config.server import ServerConfig

__all__ = [
    "FILE_NAME",
    "STORES",
    "BuildConfig",
    "CacheConfig",
    "CacheLife",
    "CdnConfig",
    "Config",
    "CronConfig",
    "DevConfig",
    "RevalidateEndpointConfig",
    "ServerConfig",
    "load_config",
    "parse_config",
]
