"""`[revalidate_endpoint]`: a POST endpoint for webhooks that invalidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from millpond.config.ranges import not_a_prefix, not_positive, too_short

if TYPE_CHECKING:
    from collections.abc import Iterator


class RevalidateEndpointConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[revalidate_endpoint]`: a POST endpoint for webhooks that invalidate. Off unless this table is present."""

    path: str = "/api/revalidate"
    secret: str | None = None
    """What callers send as `Authorization: Bearer …`; better kept in the environment, with `secret_env`."""
    secret_env: str | None = None
    """The environment variable that holds the secret."""
    per_minute: int = 60
    """Calls with a wrong secret per minute and process; further ones are answered 429. The right secret always passes.
    """

    def problems(self) -> Iterator[str]:
        """What is wrong with the values."""
        yield from not_a_prefix("revalidate_endpoint.path", self.path, "/api/revalidate")
        if (self.secret is None) is (self.secret_env is None):
            yield "[revalidate_endpoint] needs either secret_env, the name of a variable, or secret."
        yield from too_short("revalidate_endpoint.secret", self.secret)
        yield from not_positive({"revalidate_endpoint.per_minute": self.per_minute})
