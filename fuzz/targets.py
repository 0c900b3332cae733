"""What reads hostile text, and what must hold: our own errors only, in bounded time and memory."""

import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from mantle.model.errors import Invalid, MantleError, Problem
from mantle.model.graph import TemplateSource
from mantle.model.schema import Attribute, Kind, OnChange, Property, ResourceSchema, TypeFacts
from mantle.model.status import Action
from mantle.plan.stack import plan_stack
from mantle.template.environment import load_environment
from mantle.template.lint.fix import fixed
from mantle.template.lint.run import lint
from mantle.template.load import parse
from mantle.template.loaded import NothingYet
from mantle.template.resolve import resolve
from mantle.template.rewrite.convert import converted
from mantle.template.rewrite.layout import formatted
from mantle.template.rewrite.summary import drawn, summary, told
from mantle.template.validate import load_template

SECONDS_EACH = 10
"""For one input through all targets: ten times what the slowest honest one takes."""
MOST_GROWTH_MB = 512
"""Of resident memory over a whole run."""

KINDS = {
    "value": Kind.ANY,
    "size": Kind.INTEGER,
    "amount": Kind.NUMBER,
    "text": Kind.STRING,
    "flag": Kind.BOOLEAN,
    "items": Kind.LIST,
    "map": Kind.MAP,
}
ANY = TypeFacts(
    schema=ResourceSchema(
        type="Any",
        properties={
            name: Property(kind=kind, on_change=OnChange.UPDATE) for name, kind in KINDS.items()
        },
        attributes={"out": Attribute(kind=Kind.ANY)},
    )
)
TYPES = {"Any": ANY}


class Hang(Exception):
    """One input took longer than it may."""


def _source(text: str, environment: str, child: str) -> TemplateSource:
    return TemplateSource(
        template=text,
        environment=environment,
        files={"child.yaml": child, "a": "file", "env.yaml": environment, "own.yaml": child},
        environment_files=("env.yaml",),
    )


def merged(text: str, environment: str, other: str) -> None:
    """Two environment files as one, for the parameters of a template."""
    load_environment(
        TemplateSource(
            template=text,
            files={"one.yaml": environment, "two.yaml": other},
            environment_files=("one.yaml", "two.yaml"),
        )
    )


def as_data(text: str, environment: str, child: str) -> None:
    """The template and its environment as stock clients send them: as JSON, and all required."""
    load_template(
        TemplateSource(
            template=_mapping(text),
            environment=_mapping(environment),
            files={"child.yaml": child, "a": "file"},
        ),
        types=TYPES,
        stack_name="s",
        stack_id="i",
        project_id="p",
    )


def _mapping(text: str) -> dict[str, Any]:
    data = parse(text).data
    return data if isinstance(data, dict) else {}


def whole(text: str, environment: str, child: str) -> None:
    """Load, resolve every value, plan a creation."""
    loaded = load_template(
        _source(text, environment, child),
        types=TYPES,
        stack_name="s",
        stack_id="i",
        project_id="p",
        require_values=False,
    )
    scope = loaded.scope(NothingYet())
    for definition in loaded.graph.resources.values():
        resolve(definition.properties, scope)
        resolve(definition.metadata, scope)
    for output in loaded.graph.outputs.values():
        resolve(output.value, scope)
    ids = iter(range(10**9))
    plan_stack(
        plan_id="plan",
        action=Action.CREATE,
        stack_id="i",
        stack_name="s",
        loaded=loaded,
        rows=(),
        new_id=lambda: str(next(ids)),
        now=0.0,
        facts=loaded.facts,
        references=lambda row: row.name,
        timeout_seconds=60.0,
        lifetime_seconds=60.0,
    )


def _summed(text: str) -> None:
    found = summary(text)
    told(found)
    drawn(found, "dot")
    drawn(found, "mermaid")


def _laid_out(text: str) -> None:
    once = formatted(text).text
    assert formatted(once).text == once, "fmt does not settle"


def targets(text: str, environment: str, child: str) -> dict[str, Callable[[], Any]]:
    """Each reader by its name."""
    return {
        "load_template, resolve, plan_stack": lambda: whole(text, environment, child),
        "load_environment": lambda: load_environment(_source(text, text, child)),
        "environment files": lambda: merged(text, environment, child),
        "as data": lambda: as_data(text, environment, child),
        "lint": lambda: lint(text),
        "lint --fix": lambda: fixed(text),
        "fmt": lambda: _laid_out(text),
        "convert": lambda: converted(text),
        "show": lambda: _summed(text),
    }


def try_all(text: str, environment: str = "{}", child: str = "{}") -> dict[str, BaseException]:
    """Target to what escaped from it: nothing, when all is well."""
    escaped: dict[str, BaseException] = {}
    with _bounded():
        for name, run in targets(text, environment, child).items():
            try:
                run()
            except Invalid as error:
                # What is wrong has a place and a remedy, whoever found it.
                bare = [each for each in error.problems if not (each.remedy and _placed(each))]
                if bare:
                    escaped[name] = AssertionError(f"{bare[0].code}: {bare[0]}")
            except MantleError:
                continue
            except Exception as error:  # noqa: BLE001 - whatever escapes is the finding
                escaped[name] = error
                if isinstance(error, Hang):
                    break
    return escaped


def _placed(problem: Problem) -> bool:
    return problem.mark is not None or bool(problem.path)


@contextmanager
def _bounded() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang(f"more than {SECONDS_EACH} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS_EACH)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def resident_mb() -> float:
    """The most this process ever used."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def as_block(text: str) -> str:
    """JSON as block YAML where it can be read at all."""
    try:
        data = yaml.safe_load(text)
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text


def deadline(seconds: float) -> Callable[[], bool]:
    """Whether the time is up."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end
