"""`[[cdn.purge]]` as deliveries, with their secrets out of the environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from millpond.config.cdn_config import BAN, CloudflareConfig, FastlyConfig, VarnishConfig
from millpond.errors import ConfigError
from millpond.policy.webhooks.standard_webhooks import PREFIX, secret_of
from millpond.purge.cloudflare import CloudflarePurger
from millpond.purge.delivery import Delivery, untold
from millpond.purge.fastly import FastlyPurger
from millpond.purge.purges import Purges
from millpond.purge.varnish import VarnishPurger
from millpond.purge.webhook import WebhookPurger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from millpond.config.cdn_config import AnyPurgerConfig, WebhookConfig
    from millpond.policy.freshness import Clock
    from millpond.purge.delivery import SentPurge
    from millpond.purge.purger import Purger


def purges_of(
    configs: Sequence[AnyPurgerConfig],
    expire_time: float,
    clock: Clock,
    told: Callable[[SentPurge], None] = untold,
) -> Purges:
    """All purgers of a configuration.

    Args:
        configs: the items of `[[cdn.purge]]`.
        expire_time: seconds after which no answer may be served.
        clock: seconds since the epoch.
        told: is told of each request to one of them.

    Raises:
        ConfigError: the environment variable of a secret isn't set, or holds none.
    """
    deliveries = [
        Delivery(
            purger,
            clock,
            timeout=config.timeout,
            again_after=config.again_after,
            give_up_after=config.give_up_after,
            told=told,
        )
        for config in configs
        for purger in _purgers(config)
    ]
    return Purges(deliveries, expire_time)


def _purgers(config: AnyPurgerConfig) -> Iterator[Purger]:
    if isinstance(config, VarnishConfig):
        token = None if config.token_env is None else _secret(config.token_env, "varnish")
        for address in config.addresses:
            yield VarnishPurger(address, config.method == BAN, token)
    elif isinstance(config, FastlyConfig):
        yield FastlyPurger(config.service, _secret(config.token_env, "fastly"), config.api)
    elif isinstance(config, CloudflareConfig):
        yield CloudflarePurger(config.zone, _secret(config.token_env, "cloudflare"), config.api)
    else:
        yield WebhookPurger(config.url, _webhook_secret(config))


def _webhook_secret(config: WebhookConfig) -> bytes:
    secret = secret_of(_secret(config.secret_env, "webhook"))
    if secret is None:
        raise ConfigError(
            f"the environment variable {config.secret_env} (a webhook of [[cdn.purge]]) holds no secret: it must be "
            f'"{PREFIX}" and 24 bytes or more as base64, such as the output of: '
            f"printf '{PREFIX}%s\\n' \"$(openssl rand -base64 32)\""
        )
    return secret


def _secret(name: str, kind: str) -> str:
    secret = os.environ.get(name, "").strip()
    if not secret or not (secret.isascii() and secret.isprintable()):
        raise ConfigError(
            f"[[cdn.purge]] {kind} takes its secret from the environment variable {name}, which "
            f"{'can be no header' if secret else 'is not set'}; set it for the server, and for `millpond revalidate` "
            "and millpond.client."
        )
    return secret
