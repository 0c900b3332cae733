"""Writes docs/compatibility.md: each feature and route of Heat's, with the tests that prove it.

Run as `.venv/bin/python scripts/compatibility.py`; `tests/test_compatibility.py` fails when the
page is not what this would write. Nothing is listed that no test is collected for.
"""

import re
import subprocess
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.template import rule_table

from mantle.api.heat.routes import ROUTES
from mantle.resources.registry import default_registry
from mantle.template.functions import callable_in, condition_functions_of
from mantle.template.hot.versions import known_versions

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "compatibility.md"
MARK = re.compile(r"proves\(\s*\"([^\"]+)\"\s*\)")
TEST = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)
SHOWN = 3

HEAD = """# Compatibility, proved

What of Heat works here, each line with tests that prove it: a test in brackets is one case of a
table. Written by `scripts/compatibility.py` out of the tests themselves; the suite fails when this
page is out of date.

What Heat has and Mantle does not: types whose service no cloud behind the port offers are refused
by name when a template is validated; `files_container` and Zaqar too, and secrets of Barbican.
"""


@cache
def collected() -> list[str]:
    """Every test's id, as pytest collects them."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return [line for line in done.stdout.splitlines() if "::" in line]


def marked() -> dict[str, list[str]]:
    """Feature to tests, by the marks above them; a module's mark stands for all of its tests."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text()
        where = path.relative_to(ROOT)
        for line in re.findall(r"^pytestmark = .*$", text, re.MULTILINE):
            for feature in MARK.findall(line):
                found[feature].append(str(where))
        for block in re.split(r"\n\n\n", text):
            name = TEST.search(block)
            if name is None:
                continue
            for feature in MARK.findall(block[: name.start()]):
                found[feature].append(f"{where}::{name[1]}")
    return found


def page(ids: list[str]) -> str:
    """The whole page."""
    parts = [HEAD]
    features = marked()
    for feature, tests in _proved_by_rules(ids).items():
        features[feature] = [*features.get(feature, []), *tests]
    areas: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
    for feature, tests in sorted(features.items()):
        area, _, what = feature.partition(": ")
        areas[area].append((what, tests))
    parts += [_table(area.capitalize(), areas[area]) for area in sorted(areas)]
    parts.append(_table("The language, rule by rule", _rules(ids)))
    parts.append(_table("Template versions", _versions(ids)))
    parts.append(_table("Functions", _functions(ids)))
    parts.append(_table("Resource types", _types(ids)))
    parts.append(_table("Routes of Heat's API", _routes(ids)))
    parts.append(_table("The Heat project's own tests", _own(ids)))
    return "\n".join(parts)


def _table(title: str, rows: list[tuple[str, list[str]]]) -> str:
    lines = [f"\n## {title}\n", "| what | proved by |", "|---|---|"]
    for what, tests in rows:
        if tests:
            shown = [f"`{_short(test)}`" for test in tests[:SHOWN]]
            more = f" and {len(tests) - SHOWN} more" if len(tests) > SHOWN else ""
            lines.append(f"| {_cell(what)} | {', '.join(shown)}{more} |")
    return "\n".join(lines) + "\n"


def _short(test: str) -> str:
    text = test.removeprefix("tests/").encode("unicode_escape").decode()
    return _cell(text if len(text) <= 110 else f"{text[:107]}...")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("`", "'")


def _rules(ids: list[str]) -> list[tuple[str, list[str]]]:
    """Each rule of the table in tests/template/rules; refusals first."""
    rows = []
    for rule in rule_table.rules():
        start = f"[{rule_table.name_of(rule)}-"
        mine = sorted(
            (each for each in ids if start in each), key=lambda each: "refused" not in each
        )
        rows.append((f"{rule['section']}: {rule['rule']}", mine))
    return rows


def _proved_by_rules(ids: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for rule, (_, tests) in zip(rule_table.rules(), _rules(ids), strict=True):
        found[rule["proves"]] += tests
    return found


def _versions(ids: list[str]) -> list[tuple[str, list[str]]]:
    rows = []
    for version, _, aliases in known_versions():
        date = version.partition(".")[2]
        names = [date, *(alias.partition(".")[2] for alias in aliases)]
        mine = [each for each in ids if "/template/" in each and any(n in each for n in names)]
        rows.append((version + (f" ({', '.join(names[1:])})" if names[1:] else ""), mine))
    return rows


def _functions(ids: list[str]) -> list[tuple[str, list[str]]]:
    dates = [version.partition(".")[2] for version, _, _ in known_versions()]
    names = {name for date in dates for name in callable_in(date)}
    names |= {name for date in dates for name, _ in condition_functions_of(date)}
    rows = []
    for name in sorted(names):
        form = re.compile(rf"\{{'?{re.escape(name)}'?:")
        mine = [each for each in ids if "/template/" in each and form.search(each)]
        rows.append((name, mine or _files_with(form)))
    return rows


def _files_with(form: re.Pattern[str]) -> list[str]:
    """Where a function is used in a template that a test reads whole."""
    files = sorted((ROOT / "tests" / "template").glob("test_*.py"))
    return [str(path.relative_to(ROOT)) for path in files if form.search(path.read_text())]


def _types(ids: list[str]) -> list[tuple[str, list[str]]]:
    return [
        (name, [each for each in ids if "/resources/" in each and f"[{name}" in each])
        for name in sorted(default_registry().types)
    ]


def _routes(ids: list[str]) -> list[tuple[str, list[str]]]:
    return [
        (
            f"{route.method} /v1/{{project}}/{route.path}",
            [
                each
                for each in ids
                if "_api_" in each and each.endswith(f"{route.method} {route.path}]")
            ],
        )
        for route in ROUTES
    ]


def _own(ids: list[str]) -> list[tuple[str, list[str]]]:
    rows = []
    for file, what in (("gabbi", "API scenarios (gabbi)"), ("tempest", "functional tests")):
        mine = [each for each in ids if f"test_clients_{file}.py" in each and "[" in each]
        rows += [
            (f"{what}: {each.partition('[')[2].rstrip(']')}", [each.partition("[")[0]])
            for each in mine
        ]
    return rows


if __name__ == "__main__":
    PAGE.write_text(page(collected()))
