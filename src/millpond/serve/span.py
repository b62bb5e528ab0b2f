"""What agents are told of the answer to a client's request, where a handler of FastAPI's would tell them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from millpond.cache.rendering.render_span import ROUTE, path_of
from millpond.telemetry.spans import REASON

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider
    from starlette.types import Scope

    from millpond.policy.decision import Decision
    from millpond.render.target import Target

STATUS = "millpond.cache.status"
"""The value of `x-nextjs-cache`, or LIVE."""

_SDK, _SENTRY = "opentelemetry.sdk.trace", "sentry_sdk"


class Tracing:
    """Tells OpenTelemetry and Sentry how clients' requests are answered; costs nothing while neither is there.

    Args:
        provider: given to the application for its own spans; None: the process's.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self.provider = provider
        self.is_on = False
        """Whether anything may be told, as of the last look."""

    def look(self) -> None:
        """Find out whether requests may be traced: by the process's provider, or by one that an agent was given.

        It costs more than a hit.
        """
        is_set = type(trace.get_tracer_provider()).__module__ != trace.__name__  # those of the API record nothing
        self.is_on = is_set or _SDK in sys.modules or _SENTRY in sys.modules

    def tell(self, asgi: Scope, target: Target, decision: Decision) -> None:
        """Say how a request is answered; not for requests from inside, which no agent knows of.

        Call it before the answer is sent: agents end the span with the last part of the body.
        """
        if self.is_on:
            _tell_opentelemetry(asgi, target, decision)
            _tell_sentry(asgi)


def _tell_opentelemetry(asgi: Scope, target: Target, decision: Decision) -> None:
    span: Any = trace.get_current_span()
    if not span.is_recording():
        return
    span.set_attributes({STATUS: decision.action.value, REASON: decision.reason.value})
    # The API can't read a span: one of another SDK than OpenTelemetry's counts as a server's that has no route.
    is_server = getattr(span, "kind", trace.SpanKind.SERVER) is trace.SpanKind.SERVER
    if is_server and ROUTE not in (getattr(span, "attributes", None) or ()):
        span.set_attribute(ROUTE, f"{asgi.get('root_path', '').rstrip('/')}{path_of(target)}")


def _tell_sentry(asgi: Scope) -> None:
    """Name the transaction by its endpoint where the integration is told to: it does so around handlers only."""
    sentry: Any = sys.modules.get(_SENTRY)
    endpoint = asgi.get("endpoint")
    if endpoint is None or not hasattr(sentry, "get_client"):
        return
    integration = sentry.get_client().get_integration("fastapi")
    if getattr(integration, "transaction_style", None) == "endpoint":
        name = f"{endpoint.__module__}.{endpoint.__qualname__}"
        sentry.get_current_scope().set_transaction_name(name, source="component")
