"""docs/observability.md, the Grafana dashboard and the alert rules name the metrics that there are, and no others."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest
import yaml  # type: ignore[import-untyped]
from metric_table import COLUMNS, metric_rows, series_of

from millpond.cron.record import RunOutcome
from millpond.policy.decision import Action, Reason
from millpond.stores.contract import Commit
from millpond.telemetry.counters import Counters, Series
from millpond.telemetry.instruments import INSTRUMENTS, SHARED, Kind
from millpond.telemetry.prometheus_text import prometheus_text

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT = DOCS / "observability.md"
DASHBOARD, ALERTS = DOCS / "observability" / "grafana.json", DOCS / "observability" / "alerts.yml"
ADDED = {"job", "instance"}
"""Labels that Prometheus adds to all series."""
SERIES = {name: labels for each in INSTRUMENTS for name, labels in series_of(each).items()}


def rows_below(heading: str) -> list[list[str]]:
    text = DOCUMENT.read_text("utf-8").split(f"### {heading}\n", 1)[1].split("\n#", 1)[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| ") and not line.startswith(("| metric", "| attribute"))
    ]


def test_the_table_of_metrics_is_that_of_the_code() -> None:
    assert rows_below("All metrics") == metric_rows()
    assert f"| {' | '.join(COLUMNS)} |" in DOCUMENT.read_text("utf-8")


def test_every_attribute_has_its_values_explained() -> None:
    explained = {code for row in rows_below("Values of attributes") for code in re.findall(r"`([^`]+)`", row[0])}
    assert explained == {attribute for each in INSTRUMENTS for attribute in each.attributes}


@pytest.mark.parametrize(
    ("attribute", "values"),
    [
        ("`millpond.decision`", {action.value.lower() for action in Action} | {"none"}),
        ("`millpond.reason`", {reason.value for reason in Reason} | {"none"}),
        ("`millpond.outcome` of entries", {commit.value for commit in Commit}),
        ("`millpond.outcome` of crons", {"ok", "failed", "timed out", "cancelled"}),
    ],
)
def test_the_values_are_those_of_the_code(attribute: str, values: set[str]) -> None:
    [cell] = [cell for name, cell in rows_below("Values of attributes") if name == attribute]
    assert values <= set(re.findall(r"`([^`]+)`", cell))
    assert {"ok", "failed", "timed out", "cancelled"} <= {*RunOutcome}


def test_metrics_are_named_as_prometheus_gets_them() -> None:
    counters = Counters()
    for each in INSTRUMENTS:
        values = ("x",) * len(each.attributes)
        if each.kind is Kind.COUNTER:
            counters.add(each, *values)
        elif each.kind is Kind.HISTOGRAM:
            counters.observe(each, 1.0, *values)
    gauges = {Series(each.name, ()): 1.0 for each in INSTRUMENTS if each.kind is Kind.GAUGE}
    body, _ = prometheus_text({**counters.counted(), **gauges}, "text/plain")
    samples = [line for line in body.decode().splitlines() if line and not line.startswith("#")]
    given: dict[str, set[str]] = {}
    for line in samples:
        name, _, rest = line.partition("{") if "{" in line else line.partition(" ")
        labels = set(re.findall(r'(\w+)="', rest)) if "{" in line else set()
        given.setdefault(name, set()).update(labels)
    assert {name: labels for name, labels in given.items() if not name.endswith("_created")} == SERIES


def dashboard_expressions() -> Iterator[tuple[str, str]]:
    """Title and expression of each target."""
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['title']} {target['refId']}", target["expr"]


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return list(group["rules"])


EXPRESSIONS = [*dashboard_expressions(), *((rule["alert"], rule["expr"]) for rule in rules())]


class Query:
    """What an expression selects, and by what it groups."""

    def __init__(self, text: str) -> None:
        self.selected: list[tuple[str, set[str]]] = []
        """Names, and the labels that are matched."""
        self.grouped: set[str] = set()
        self.summed: set[str] = set()
        """What is inside of `sum`."""
        self._walk(promql_parser.parse(text.replace("$__rate_interval", "5m")), in_sum=False)

    def _walk(self, node: Any, *, in_sum: bool) -> None:
        match type(node).__name__:
            case "VectorSelector":
                labels = {matcher.name for matcher in node.matchers.matchers}
                self.selected.append((node.name, labels))
                if in_sum:
                    self.summed.add(node.name)
            case "MatrixSelector":
                self._walk(node.vector_selector, in_sum=in_sum)
            case "AggregateExpr":
                if node.modifier is not None:
                    self.grouped |= set(node.modifier.labels)
                self._walk(node.expr, in_sum=str(node.op) == "sum")
            case "Call":
                for argument in node.args:
                    self._walk(argument, in_sum=in_sum)
            case "BinaryExpr":
                self._walk(node.lhs, in_sum=in_sum)
                self._walk(node.rhs, in_sum=in_sum)
            case "ParenExpr" | "SubqueryExpr" | "UnaryExpr":
                self._walk(node.expr, in_sum=in_sum)
            case "NumberLiteral" | "StringLiteral":
                pass
            case other:
                raise AssertionError(f"{other} in {node}")


@pytest.mark.parametrize(("name", "expression"), EXPRESSIONS, ids=[name for name, _ in EXPRESSIONS])
def test_each_expression_asks_for_metrics_and_labels_that_exist(name: str, expression: str) -> None:
    query = Query(expression)
    assert query.selected
    for metric, labels in query.selected:
        assert metric in SERIES, name
        assert labels <= SERIES[metric] | ADDED
    assert query.grouped <= ADDED.union(*(SERIES[metric] for metric, _ in query.selected))


@pytest.mark.parametrize(("name", "expression"), EXPRESSIONS, ids=[name for name, _ in EXPRESSIONS])
def test_no_expression_sums_what_all_hosts_see(name: str, expression: str) -> None:
    shared = {series for each in INSTRUMENTS if each.name in SHARED for series in series_of(each)}
    assert not Query(expression).summed & shared, name


def test_every_metric_is_on_the_dashboard() -> None:
    asked = {metric for _, expression in dashboard_expressions() for metric, _ in Query(expression).selected}
    missing = [each.name for each in INSTRUMENTS if not asked & set(series_of(each))]
    for_advice = ["millpond.live.sampled", "millpond.live.reads", "millpond.live.equal", "millpond.fetch.overdue"]
    assert missing == [*for_advice, "millpond.render.body.size"]


def test_panels_have_ids_and_places_of_their_own() -> None:
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    taken = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(at["x"] + at["w"] for at in places) == 24


def test_legends_and_summaries_name_labels_that_are_there() -> None:
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert named == (Query(target["expr"]).grouped - {"le", "job"}), panel["title"]
    for rule in rules():
        named = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        assert named <= Query(rule["expr"]).grouped, rule["alert"]


def test_rules_have_a_severity_and_a_sentence() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]
    assert len({rule["alert"] for rule in rules()}) == len(rules())


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool isn't installed (Debian's package prometheus)")
def test_promtool_takes_the_rules() -> None:
    checked = subprocess.run(["promtool", "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
