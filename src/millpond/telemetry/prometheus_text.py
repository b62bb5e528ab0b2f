"""The metrics as Prometheus reads them, written by prometheus-client (the extra `metrics`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.errors import ConfigError
from millpond.telemetry.counters import Spread, bounds_of
from millpond.telemetry.instruments import INSTRUMENTS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from millpond.telemetry.counters import Series, Value
    from millpond.telemetry.instruments import Instrument

_UNITS = {"s": "seconds", "By": "bytes"}


def prometheus_name(instrument: Instrument) -> str:
    """The name of a metric as OpenTelemetry's rules for Prometheus make it, without the suffix of its kind."""
    unit = _UNITS.get(instrument.unit)
    name = instrument.name.replace(".", "_")
    return name if unit is None else f"{name}_{unit}"


def need_prometheus() -> None:
    """Look whether the metrics can be written.

    Raises:
        ConfigError: prometheus-client isn't installed.
    """
    try:
        import prometheus_client  # noqa: F401 - only whether it is there
    except ImportError:
        raise ConfigError(
            '"metrics.path" needs the package prometheus-client: pip install "millpond[metrics]".'
        ) from None


def prometheus_text(totals: Mapping[Series, Value], accepted: str) -> tuple[bytes, str]:
    """The body of an answer to Prometheus, and its content type.

    Args:
        totals: what was counted.
        accepted: the request's `Accept`.
    """
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(totals))
    encode, content_type = choose_encoder(accepted)
    return encode(registry), content_type


class _Collected:
    """Values as prometheus-client collects them."""

    def __init__(self, totals: Mapping[Series, Value]) -> None:
        self._totals = totals

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        for instrument in INSTRUMENTS:
            name, labels = prometheus_name(instrument), [each.replace(".", "_") for each in instrument.attributes]
            found = sorted(
                (series.values, value) for series, value in self._totals.items() if series.name == instrument.name
            )
            if instrument.kind is Kind.HISTOGRAM:
                histogram = HistogramMetricFamily(name, instrument.description, labels=labels)
                for values, value in found:
                    if isinstance(value, Spread):
                        histogram.add_metric(values, _buckets(instrument, value), value.total)
                yield histogram
                continue
            family = CounterMetricFamily if instrument.kind is Kind.COUNTER else GaugeMetricFamily
            metric = family(name, instrument.description, labels=labels)
            for values, value in found:
                if not isinstance(value, Spread):
                    metric.add_metric(values, value)
            yield metric


def _buckets(instrument: Instrument, spread: Spread) -> list[tuple[str, float]]:
    """Cumulative, as Prometheus has them."""
    bounds = [*map(str, bounds_of(instrument)), "+Inf"]
    below, buckets = 0, list[tuple[str, float]]()
    for bound, number in zip(bounds, spread.buckets, strict=True):
        below += number
        buckets.append((bound, below))
    return buckets
