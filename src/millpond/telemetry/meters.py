"""The metrics through OpenTelemetry's API: each process tells a provider what it has counted itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import metrics

from millpond.telemetry.counters import Spread
from millpond.telemetry.instruments import INSTRUMENTS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import CallbackOptions, Histogram, MeterProvider, Observation

    from millpond.telemetry.counters import Counters
    from millpond.telemetry.instruments import Instrument

_SCOPE = "millpond"


def is_set_up(provider: MeterProvider | None) -> bool:
    """Whether anybody reads what is told: a provider of the application's, or one that the process has set."""
    return provider is not None or not type(metrics.get_meter_provider()).__module__.startswith(metrics.__name__)


class Meters:
    """Tells a provider what one process counts.

    Numbers are read when the provider wants them. Histograms are told each value, as the API has no other way.

    Args:
        counters: of the process.
        provider: the application's; None: the process's.
    """

    def __init__(self, counters: Counters, provider: MeterProvider | None = None) -> None:
        self._counters = counters
        meter = metrics.get_meter(_SCOPE, meter_provider=provider)
        self._histograms: dict[str, Histogram] = {}
        for instrument in INSTRUMENTS:
            name, unit, description = instrument.name, instrument.unit, instrument.description
            if instrument.kind is Kind.HISTOGRAM:
                self._histograms[name] = meter.create_histogram(name, unit, description)
            elif instrument.kind is Kind.COUNTER:
                meter.create_observable_counter(name, [self._observed(instrument)], unit, description)
            else:
                meter.create_observable_gauge(name, [self._now(instrument)], unit, description)
        counters.listener = self.record

    def record(self, instrument: Instrument, value: float, values: tuple[str, ...]) -> None:
        """Tell a value of a histogram."""
        self._histograms[instrument.name].record(value, _attributes(instrument, values))

    def _observed(self, instrument: Instrument) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            for series, value in self._counters.own().items():
                if series.name == instrument.name and not isinstance(value, Spread):
                    yield metrics.Observation(value, _attributes(instrument, series.values))

        return observe

    def _now(self, instrument: Instrument) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            for series, value in self._counters.gauges().items():
                if series.name == instrument.name:
                    yield metrics.Observation(value, _attributes(instrument, series.values))

        return observe


def _attributes(instrument: Instrument, values: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(instrument.attributes, values, strict=True))
