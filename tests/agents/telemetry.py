"""OpenTelemetry providers that keep what they are given, and what of it two services must have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

OWN = "millpond."
"""What the names of Millpond's own attributes begin with."""


class Server(NamedTuple):
    """A server span, without what differs from run to run."""

    name: str
    status: str
    attributes: dict[str, Any]
    events: list[tuple[str, Any]]
    parent: str | None


class Telemetry:
    """Providers for traces, metrics and logs."""

    def __init__(self) -> None:
        self._spans, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self._logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        self.tracers, self.loggers = TracerProvider(), LoggerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.loggers.add_log_record_processor(SimpleLogRecordProcessor(self._logs))
        self.meters = MeterProvider([self._reader])

    @property
    def providers(self) -> TelemetryConfig:
        """As FastAPI's `telemetry` takes them."""
        return {
            "tracer_provider": self.tracers,
            "meter_provider": self.meters,
            "logger_provider": self.loggers,
        }

    def spans(self) -> list[ReadableSpan]:
        """What ended since the last call."""
        ended = list(self._spans.get_finished_spans())
        self._spans.clear()
        return ended

    def logs(self) -> list[tuple[Any, Any]]:
        """Event and route of each record since the last call."""
        found = [
            (each.log_record.event_name, (each.log_record.attributes or {}).get("http.route"))
            for each in self._logs.get_finished_logs()
        ]
        self._logs.clear()
        return found

    def counts(self, metric: str) -> dict[tuple[Any, ...], int]:
        """How often a histogram was recorded, by method, route, status and type of error."""
        data = self._reader.get_metrics_data()
        if data is None:
            return {}
        points = [
            point
            for of_resource in data.resource_metrics
            for of_scope in of_resource.scope_metrics
            for each in of_scope.metrics
            if each.name == metric
            for point in each.data.data_points
        ]
        counts: dict[tuple[Any, ...], int] = {}
        for point in points:
            labels = point.attributes or {}
            key = tuple(labels.get(name) for name in _LABELS)
            counts[key] = counts.get(key, 0) + point.count  # type: ignore[union-attr]
        return counts


_LABELS = ("http.request.method", "http.route", "http.response.status_code", "error.type")


def servers(spans: list[ReadableSpan]) -> list[Server]:
    """The server spans as two services must have them in common."""
    return [
        Server(
            span.name,
            span.status.status_code.name,
            {name: value for name, value in (span.attributes or {}).items() if not name.startswith(OWN)},
            [(event.name, (event.attributes or {}).get("exception.type")) for event in span.events],
            None if span.parent is None else f"{span.parent.span_id:x}",
        )
        for span in spans
        if span.kind is SpanKind.SERVER
    ]


def cache_of_span(span: ReadableSpan) -> tuple[Any, Any]:
    """Status and reason."""
    attributes = span.attributes or {}
    return attributes.get("millpond.cache.status"), attributes.get("millpond.cache.reason")
