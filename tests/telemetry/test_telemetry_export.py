"""The metrics as Prometheus and OpenTelemetry get them; both are read by their own libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from millpond.telemetry.counters import Counters, Series
from millpond.telemetry.instruments import BY_NAME, COMMITS, INSTRUMENTS, REFRESHES_RUNNING, RENDERS, Kind
from millpond.telemetry.meters import Meters, is_set_up
from millpond.telemetry.prometheus_text import prometheus_name, prometheus_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
HOSTILE = 'a"b\\c\nd{e="f"} 1\n# TYPE evil counter'


@pytest.fixture
def counters() -> Counters:
    counters = Counters()
    counters.add(COMMITS, "response", "stored", count=3)
    counters.add(COMMITS, "fetch", "too large")
    for seconds in (0.004, 0.2, 300.0):
        counters.observe(RENDERS, seconds, "/shop/[id]", "miss", "new")
    counters.gauge(REFRESHES_RUNNING, counters, lambda _: 2.0)
    return counters


def everything(counters: Counters) -> dict[Series, Any]:
    return {**counters.counted(), **counters.gauges()}


@pytest.mark.parametrize(("accepted", "read"), [("text/plain", read_text), (OPENMETRICS, read_openmetrics)])
def test_prometheus_reads_what_was_counted(
    counters: Counters, accepted: str, read: Callable[[str], Iterable[Any]]
) -> None:
    body, kind = prometheus_text(everything(counters), accepted)
    assert kind.startswith(accepted.partition(";")[0])
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in read(body.decode())
        for sample in family.samples
    }
    assert samples["millpond_store_commits_total", "response", "stored"] == 3
    assert samples["millpond_refreshes_running",] == 2
    name = "millpond_render_duration_seconds"
    assert samples[f"{name}_count", "/shop/[id]", "miss", "new"] == 3
    assert samples[f"{name}_sum", "/shop/[id]", "miss", "new"] == pytest.approx(300.204)
    found = [sample for family in read(body.decode()) for sample in family.samples if sample.name == f"{name}_bucket"]
    buckets = {sample.labels["le"]: sample.value for sample in found}
    assert (buckets["0.0025"], buckets["0.005"], buckets["0.25"], buckets["60.0"], buckets["+Inf"]) == (0, 1, 2, 2, 3)


def test_every_metric_has_a_type_and_a_sentence_even_before_anything_was_counted() -> None:
    body, _ = prometheus_text({}, "text/plain")
    families = {family.name: family for family in read_text(body.decode())}
    for instrument in INSTRUMENTS:
        family = families[prometheus_name(instrument)]
        assert (family.type, family.documentation) == (instrument.kind.value, instrument.description)


def test_what_is_counted_cannot_forge_a_line() -> None:
    body, _ = prometheus_text({Series(COMMITS.name, (HOSTILE, "stored")): 1}, "text/plain")
    [family] = [family for family in read_text(body.decode()) if family.samples]
    assert family.samples[0].labels["millpond_entry_kind"] == HOSTILE
    assert "evil" not in {family.name for family in read_text(body.decode())}


def test_opentelemetry_hears_what_this_process_has_counted(counters: Counters) -> None:
    counters.include(
        [(Series(COMMITS.name, ("response", "stored")), 100), (Series(COMMITS.name, ("cron", "stored")), 7)], BY_NAME
    )
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    Meters(counters, provider)
    counters.observe(RENDERS, 0.5, "/shop/[id]", "refresh", "unchanged")
    counters.add(COMMITS, "response", "stored")
    data = reader.get_metrics_data()
    assert data is not None
    [scope] = data.resource_metrics[0].scope_metrics
    assert scope.scope.name == "millpond"
    told: dict[str, Any] = {metric.name: metric for metric in scope.metrics}
    commits = {point.attributes["millpond.entry.kind"]: point.value for point in told[COMMITS.name].data.data_points}
    assert commits == {"response": 4, "fetch": 1}
    [render] = told[RENDERS.name].data.data_points
    assert (render.count, render.attributes["millpond.outcome"]) == (1, "unchanged")
    assert told[RENDERS.name].unit == "s"
    assert [point.value for point in told[REFRESHES_RUNNING.name].data.data_points] == [2.0]
    provider.shutdown()


def test_nobody_listens_where_no_provider_is_set_up() -> None:
    assert not is_set_up(None)
    assert is_set_up(MeterProvider(shutdown_on_exit=False))


def test_names_follow_the_rules_of_opentelemetry_for_prometheus() -> None:
    assert prometheus_name(RENDERS) == "millpond_render_duration_seconds"
    assert all(prometheus_name(instrument).replace("_", "").isalnum() for instrument in INSTRUMENTS)
    assert {instrument.kind for instrument in INSTRUMENTS} == set(Kind)
