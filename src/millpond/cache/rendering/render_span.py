"""What agents are told of shared renders, which are no client's requests.

For OpenTelemetry each is a span without a parent, linked to the span of what caused it. Sentry's events get the request
of the render, as no client's request is there to take it from.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Link, SpanKind, Status, StatusCode

from millpond.policy.decision import Reason
from millpond.render.failures.masking import masked
from millpond.render.renderer import SERVER
from millpond.render.scopes.dynamic_use import NotStatic
from millpond.telemetry.spans import BACKGROUND, KEY, REASON, Spans, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Span, TracerProvider

    from millpond.render.target import Target


SENTRY = "sentry_sdk"
ROUTE = "http.route"


def is_traced() -> bool:
    """Whether the process has a provider of spans that records any, or Sentry."""
    return type(trace.get_tracer_provider()).__module__ != trace.__name__ or SENTRY in sys.modules


def cause() -> Link | None:
    """A link to the current span: a client's request, or a render that fetches another one; None without a span."""
    context = trace.get_current_span().get_span_context()
    return Link(context) if context.is_valid else None


def path_of(target: Target) -> str:
    """The path of the route in FastAPI's spelling, "/things/{id}"."""
    return next(iter(target.route.operations.values())).told.path


class RenderSpans:
    """Makes the spans. A render is everybody's, so its span is no child of the one whose request came first.

    Args:
        provider: makes the tracer; by default the one that is set for the process, also if it is set later.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._provider = provider
        self.inside = Spans(provider)
        """Spans of what a render waits for."""
        self._tracer = trace.get_tracer("millpond", tracer_provider=provider)

    def are_made(self) -> bool:
        """Whether anybody is told of renders: an agent, or a provider other than the one that records nothing."""
        return self._provider is not None or is_traced()

    @contextmanager
    def around(self, target: Target, caused_by: Link | None, *, background: bool, because: Reason) -> Iterator[Span]:
        """A span of kind INTERNAL, which is the current one within the block: what a handler traces is below it.

        Args:
            target: what is rendered.
            caused_by: links to the span of what caused the render.
            background: whether it is a refresh that nobody waits for.
            because: why it is rendered.
        """
        span = self._tracer.start_span(
            f"render {target.method} {target.route.pattern}",
            context=trace.set_span_in_context(INVALID_SPAN),
            kind=SpanKind.INTERNAL,
            attributes={
                ROUTE: path_of(target),
                "url.path": target.label,
                KEY: digest_of(target.key),
                REASON: because.value,
                BACKGROUND: background,
            },
            links=None if caused_by is None else [caused_by],
        )
        _tell_sentry(target)
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except NotStatic as ended:
                span.set_attributes({REASON: Reason.TURNED_DYNAMIC.value, "millpond.render.dynamic": str(ended.use)})
                raise
            except Exception as error:
                _fail(span, error.__cause__ or error)
                raise


def _tell_sentry(target: Target) -> None:
    """Give the events of this render its request. The scope is the render's own; see `CleanContext`."""
    sentry: Any = sys.modules.get(SENTRY)
    if not hasattr(sentry, "get_isolation_scope"):
        return
    request = {"method": target.method, "url": f"http://{SERVER[0]}:{SERVER[1]}{target.label}"}

    def add_request(event: dict[str, Any], hint: object) -> dict[str, Any]:
        del hint
        event["request"] = {**request, **event.get("request", {})}
        return event

    scope = sentry.get_isolation_scope()
    scope.add_event_processor(add_request)
    scope.set_transaction_name(path_of(target), source="route")


def _fail(span: Span, error: BaseException) -> None:
    message = masked(str(error), os.environ)
    trace_of_error = masked("".join(traceback.format_exception(error)), os.environ)
    span.record_exception(error, {"exception.message": message, "exception.stacktrace": trace_of_error})
    span.set_attribute("error.type", type(error).__qualname__)
    span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {message}"))
