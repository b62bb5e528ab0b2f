"""Spans for work inside of an application, by OpenTelemetry's API; nothing where no provider of spans is set up."""

from __future__ import annotations

import time
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Link, NonRecordingSpan, Status, StatusCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext, TracerProvider

KEY, TAGS, KIND = "millpond.cache.key", "millpond.cache.tags", "millpond.entry.kind"
REASON = "millpond.cache.reason"
"""The `detail` of `Cache-Status`. OpenTelemetry has no attributes for caches."""
BACKGROUND = "millpond.render.background"
"""Whether nobody waits for it."""


class Spans:
    """Makes spans of kind INTERNAL.

    Args:
        provider: makes the tracer; by default the one that is set for the process, also if it is set later.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._provider = provider
        self._tracer = trace.get_tracer("millpond", tracer_provider=provider)

    def are_made(self) -> bool:
        """Whether there is a provider other than the one that records nothing."""
        return self._provider is not None or type(trace.get_tracer_provider()).__module__ != trace.__name__

    def cause(self) -> Link | None:
        """A link to the current span, for work that is everybody's; None without one."""
        if not self.are_made():
            return None
        context = trace.get_current_span().get_span_context()
        return Link(context) if context.is_valid else None

    @contextmanager
    def shared(self, name: str, caused_by: Link | None, attributes: Mapping[str, Any]) -> Iterator[Span]:
        """A span without a parent, as the work is everybody's; what is traced within the block is below it.

        Args:
            name: has few values.
            caused_by: links to the span of what caused the work.
            attributes: of the span.
        """
        if not self.are_made():
            yield INVALID_SPAN
            return
        with self._around(name, trace.set_span_in_context(INVALID_SPAN), caused_by, attributes) as span:
            yield span

    @contextmanager
    def below(self, parent: SpanContext | None, name: str, attributes: Mapping[str, Any]) -> Iterator[Span]:
        """A span below another one, or below the current one; none where there is neither."""
        context = None if parent is None else trace.set_span_in_context(NonRecordingSpan(parent))
        if not self.are_made() or not trace.get_current_span(context).get_span_context().is_valid:
            yield INVALID_SPAN
            return
        with self._around(name, context, None, attributes) as span:
            yield span

    def past(self, name: str, seconds: float, caused_by: Link | None, attributes: Mapping[str, Any]) -> None:
        """A span of what ends now, and has taken so long."""
        if not self.are_made():
            return
        ended = time.time_ns()
        span = self._tracer.start_span(
            name,
            context=trace.set_span_in_context(INVALID_SPAN),
            attributes=dict(attributes),
            links=None if caused_by is None else [caused_by],
            start_time=ended - int(seconds * 1e9),
        )
        span.end(ended)

    @contextmanager
    def _around(
        self, name: str, context: Context | None, caused_by: Link | None, attributes: Mapping[str, Any]
    ) -> Iterator[Span]:
        span = self._tracer.start_span(
            name,
            context=context,
            attributes=dict(attributes),
            links=None if caused_by is None else [caused_by],
        )
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except BaseException as error:
                # Not its message, which may hold what nobody should see.
                cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
                span.set_attribute("error.type", type(cause).__qualname__)
                span.set_status(Status(StatusCode.ERROR))
                raise


def digest_of(key: str) -> str:
    """What a key is called in traces: it may hold the arguments of a function, or a URL."""
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
