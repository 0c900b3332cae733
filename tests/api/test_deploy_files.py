"""The dashboard and the alerts that are shipped ask for what is exported, and for nothing else."""

import json
import re
from pathlib import Path

import pytest
import yaml

from mantle.api.metrics import Metrics
from mantle.lib import measures

DEPLOY = Path(__file__).parents[2] / "deploy"
METRICS_PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"

SELECTED = re.compile(r"\b((?:mantle|process)_\w+)\s*(?:\{([^}]*)\})?")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
GROUPED = re.compile(r"(?:by|without)\s*\(([^)]*)\)")
OF_PROMETHEUS = {"job", "instance"}
"""Labels that it gives every series itself."""


def exported():
    """Every series by name, with its labels, as the two pages have them."""
    found = {}
    for registry in (Metrics().registry, measures.REGISTRY):
        for family in registry.collect():
            names = {
                "histogram": ("_bucket", "_sum", "_count"),
                "counter": ("_total",),
            }.get(family.type, ("",))
            labels = set(labels_of(registry, family.name))
            for ending in names:
                own = {"le"} if ending == "_bucket" else set()
                found[f"{family.name}{ending}"] = labels | own
    return found


def labels_of(registry, name):
    """Its declared labels; those of the library's own collectors have none."""
    for collector in registry._collector_to_names:
        if getattr(collector, "_name", None) == name:
            return collector._labelnames
    return ()


def dashboard_questions():
    board = json.loads((DEPLOY / "grafana/mantle.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], target["legendFormat"]


def alerts():
    (group,) = yaml.safe_load((DEPLOY / "prometheus/mantle-alerts.yaml").read_text())["groups"]
    return group["rules"]


def questions():
    yield from dashboard_questions()
    for rule in alerts():
        yield rule["alert"], rule["expr"], rule["annotations"]["summary"]


QUESTIONS = list(questions())


@pytest.mark.parametrize(
    ("expression", "shown"),
    [each[1:] for each in QUESTIONS],
    ids=[f"{number}-{each[0]}" for number, each in enumerate(QUESTIONS)],
)
def test_every_question_is_about_what_is_exported(expression, shown):
    """Each series exists, and has each label that it is selected, grouped or shown by."""
    known = exported()
    asked = SELECTED.findall(expression)
    assert asked
    assert {name for name, _ in asked} <= set(known)
    labels = set.union(*(known[name] for name, _ in asked)) | OF_PROMETHEUS
    wanted = {label for _, inside in asked for label in MATCHER.findall(inside)}
    for inside in GROUPED.findall(expression):
        wanted |= {label.strip() for label in inside.split(",")}
    wanted |= set(re.findall(r"\{\{(?: \$labels\.)?(\w+) ?\}\}", shown)) - {"value"}
    assert wanted <= labels
    assert expression.count("(") == expression.count(")")


def test_every_metric_of_ours_is_on_the_dashboard():
    """What is exported and shown nowhere would be looked at by nobody."""
    shown = {name for _, expression, _ in dashboard_questions() for name, _ in asked_in(expression)}
    families = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in shown}
    ours = {
        re.sub(r"_(bucket|sum|count|total)$", "", name)
        for name in exported()
        if name.startswith("mantle_")
    }
    assert ours - families == set()


def asked_in(expression):
    return SELECTED.findall(expression)


def test_every_alert_says_what_happened_and_what_to_do():
    """And how urgent it is; each has a name of its own."""
    rules = alerts()
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "action"}
        assert all(text.strip() for text in rule["annotations"].values())


def test_every_metric_is_explained():
    """On the page that says which question it answers."""
    page = METRICS_PAGE.read_text()
    ours = {name for name in exported() if name.startswith("mantle_")}
    missing = {
        name for name in ours if f"`{re.sub(r'_(bucket|sum|count)$', '', name)}`" not in page
    }
    assert missing == set()
