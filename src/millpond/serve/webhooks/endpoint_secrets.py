"""The secrets of an endpoint, out of the environment or the configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from millpond.config.endpoint_config import unusable_secret
from millpond.config.ranges import too_short
from millpond.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.config import RevalidateEndpointConfig


def secrets_of(config: RevalidateEndpointConfig, *, may_lack: bool = False) -> list[str]:
    """The secrets that are good now: of several variables those that are set, the first of which must be.

    Args:
        config: names them.
        may_lack: whether none may be set.

    Raises:
        ConfigError: the first variable isn't set, or one of them holds what can be guessed, or what is no secret.
    """
    if config.secret is not None:
        return [config.secret.strip()]
    held = {name: os.environ.get(name, "").strip() for name in config.secret_env}
    first = config.secret_env[0]
    if not held[first]:
        if may_lack:
            return []
        raise ConfigError(
            f"[revalidate_endpoint] takes its secret from the environment variable {first}, which is not set; "
            "set it for the server."
        )
    found = {name: secret for name, secret in held.items() if secret}
    problem = next((problem for name, secret in found.items() for problem in _problems(name, secret, config)), None)
    if problem is not None:
        raise ConfigError(f"[revalidate_endpoint] takes its secret from the environment, where {problem}")
    return list(found.values())


def _problems(name: str, secret: str, config: RevalidateEndpointConfig) -> Iterator[str]:
    yield from too_short(name, secret)
    yield from unusable_secret(name, secret, config.preset)
