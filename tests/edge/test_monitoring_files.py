"""Alert rules and dashboard: they parse, speak of nothing that the agent does not export, and the docs explain each."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from edge_agent.config import AgentConfig
from edge_agent.health import Health
from edge_agent.link_state import LinkState
from edge_agent.metric_names import KNOWN
from edge_agent.metrics import render
from edge_agent.metrics_port import Page
from edge_agent.process_gauges import ProcessGauges
from edge_agent.verdict import RULES

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "packaging" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "packaging" / "grafana" / "enginear-agent.json"
HOW_TO = ROOT / "docs" / "how-to" / "monitor.md"

METRIC = re.compile(r"\bedge_agent_\w+")
LABELS = re.compile(r"(\bedge_agent_\w+)\{([^}]*)\}")
SCRAPE_LABELS = {"instance", "job"}
COLUMNS = 24


@pytest.fixture
def exported(
    make_config: Callable[..., AgentConfig], make_health: Callable[[AgentConfig], Health]
) -> dict[str, set[str]]:
    """Labels by sample name, of everything the agent can export."""
    health = make_health(make_config())
    health.process = ProcessGauges(rss_bytes=1, pss_bytes=1, state_dir_free_bytes=1)
    health.heard_s = {"a/1": 1.0}
    health.link = LinkState(round_trip_ms=1.0, ends={"refused": 1})
    for name, metric in KNOWN.items():
        health.counters.add(f"{name.removesuffix('.')}.x" if metric.label else name)
    document = health.document({})
    document["clock"] = "synchronised"
    text = Page.of(document, render(document, ())).metrics(1.0).decode()
    return {
        sample.name: set(sample.labels) for family in text_string_to_metric_families(text) for sample in family.samples
    }


def test_reference_lists_what_is_exported(exported: dict[str, set[str]]) -> None:
    """The table of the reference has every metric with its labels, and no other."""
    text = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    listed = {
        name: set(re.findall(r"`(\w+)`", labels))
        for name, labels in re.findall(r"^\| `(\w+)` \| \w+ \| (.*?) \| ", text, re.MULTILINE)
    }
    families: dict[str, set[str]] = {}
    for name, labels in exported.items():
        families[re.sub(r"_(bucket|sum|count)$", "", name)] = labels - {"le"}
    assert listed == families


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    document = yaml.safe_load(ALERTS.read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """The panels of the dashboard, rows included."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions() -> Iterator[tuple[str, str]]:
    """Where an expression stands, and the expression."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_expression_names_what_is_exported(exported: dict[str, set[str]], where: str, expression: str) -> None:
    """Every metric of an expression exists, and so does every label that it selects by."""
    names = METRIC.findall(expression)
    assert names, where
    assert set(names) <= set(exported), where
    for name, selectors in LABELS.findall(expression):
        selected = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selectors))
        assert selected <= exported[name] | SCRAPE_LABELS, where
    assert expression.count("(") == expression.count(")")


def test_rule_sees_the_first_count(
    make_config: Callable[..., AgentConfig], make_health: Callable[[AgentConfig], Health]
) -> None:
    """What the rules ask for by the kind of a decision of trust, and every disk error, is exported while it is zero."""
    document = make_health(make_config()).document({})
    document["clock"] = "synchronised"
    text = Page.of(document, render(document, ())).metrics(1.0).decode()
    asked = "\n".join(rule["expr"] for rule in rules())
    wanted = set(re.findall(r'edge_agent_trust_events_total\{kind="\w+"\}', asked))
    wanted |= set(re.findall(r"edge_agent_(?:\w+_write_errors|status_not_written|audit_not_noted)_total", asked))
    assert len(wanted) > 6
    assert [name for name in sorted(wanted) if f"{name} 0" not in text] == []


def test_rules_are_whole() -> None:
    """Each rule has a severity, says what and why, and has its place in the docs."""
    text = HOW_TO.read_text()
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert f"`{rule['alert']}`" in text


def test_reasons_are_explained() -> None:
    """What to do is written down for every reason of a verdict."""
    text = HOW_TO.read_text()
    assert [rule.reason for rule in RULES if f"| `{rule.reason}` |" not in text] == []


def test_dashboard_is_whole() -> None:
    """Panels have numbers of their own, stay on the grid, do not overlap, and follow the variables."""
    document = json.loads(DASHBOARD.read_text())
    assert len({panel["id"] for panel in panels()}) == len(panels())
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= COLUMNS
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert all('instance=~"$instance"' in target["expr"] for target in panel["targets"])
    assert [variable["name"] for variable in document["templating"]["list"]] == ["datasource", "instance"]


@pytest.mark.parametrize("arguments", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")])
def test_promtool(arguments: tuple[str, ...]) -> None:
    """Prometheus itself accepts the rules, and they fire and keep quiet as alerts_test.yml says."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    verdict = subprocess.run(["promtool", *arguments], check=False, cwd=ALERTS.parent, capture_output=True, text=True)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


def test_promtool_reads_the_dashboard(tmp_path: Path) -> None:
    """Every expression of the dashboard, its variables filled in, is PromQL."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    filled = [
        target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
        for panel in panels()
        for target in panel.get("targets", ())
    ]
    path = tmp_path / "rules.yml"
    recorded = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(filled)]
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    verdict = subprocess.run(["promtool", "check", "rules", path], check=False, capture_output=True, text=True)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
