"""All endpoints that invalidate, by their paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.serve.revalidation import RevalidateEndpoint
from millpond.serve.webhooks.webhook_endpoint import WebhookEndpoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from millpond.cache.data import DataCache
    from millpond.config import RevalidateEndpointConfig

    Endpoint: TypeAlias = RevalidateEndpoint | WebhookEndpoint


def revalidation_endpoints(
    configs: Sequence[RevalidateEndpointConfig], data: DataCache, *, may_lack: bool
) -> Mapping[str, Endpoint]:
    """Those of `[revalidate_endpoint]`.

    Args:
        configs: the tables.
        data: of the application.
        may_lack: whether secrets may be missing, as in tests; then every call is refused.

    Raises:
        ConfigError: a secret isn't set, or can't be one.
    """
    return {
        config.path: RevalidateEndpoint.of(config, data, may_lack=may_lack)
        if config.preset is None
        else WebhookEndpoint.of(config, config.preset, data, may_lack=may_lack)
        for config in configs
    }
