"""`[dev]`: options of `millpond dev`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOST = re.compile(r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f]*:[0-9a-f:.]+", re.IGNORECASE)


class DevConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[dev]`: options of `millpond dev`."""

    allowed_hosts: tuple[str, ...] = ()
    """Hosts, besides this machine's own names, whose requests are answered: "shop.test", or ".shop.test" for it and all
    its subdomains. Without a port."""

    def problems(self) -> Iterator[str]:
        """What is wrong with the values."""
        for host in self.allowed_hosts:
            if not _HOST.fullmatch(host):
                yield (
                    f'"dev.allowed_hosts" names "{host}"; a host is a name or an address without a port, such as '
                    '"shop.test", or ".shop.test" for all names below it, too.'
                )
