"""millpond.toml, or [tool.millpond] in pyproject.toml, as a frozen Config. One module per table."""

from millpond.config.answers.cors_config import CorsConfig
from millpond.config.answers.headers_config import HeaderConfig
from millpond.config.answers.redirects_config import RedirectConfig
from millpond.config.app_config import ApplicationConfig, Entrypoint
from millpond.config.build_config import BuildConfig
from millpond.config.cache_config import STORES, CacheConfig
from millpond.config.cdn_config import CdnConfig
from millpond.config.cron_config import CronConfig
from millpond.config.dev_config import DevConfig
from millpond.config.endpoint_config import RevalidateEndpointConfig
from millpond.config.life_config import CacheLife
from millpond.config.loading import FILE_NAME, Config, fastapi_entrypoint, load_config, parse_config
from millpond.config.project.env_files import env_files_read, forget_env_files, read_env_files
from millpond.config.server_config import ServerConfig
from millpond.config.telemetry.dashboard_config import DashboardConfig
from millpond.config.telemetry.metrics_config import MetricsConfig

__all__ = [
    "FILE_NAME",
    "STORES",
    "ApplicationConfig",
    "BuildConfig",
    "CacheConfig",
    "CacheLife",
    "CdnConfig",
    "Config",
    "CorsConfig",
    "CronConfig",
    "DashboardConfig",
    "DevConfig",
    "Entrypoint",
    "HeaderConfig",
    "MetricsConfig",
    "RedirectConfig",
    "RevalidateEndpointConfig",
    "ServerConfig",
    "env_files_read",
    "fastapi_entrypoint",
    "forget_env_files",
    "load_config",
    "parse_config",
    "read_env_files",
]
