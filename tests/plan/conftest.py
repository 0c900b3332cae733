"""A model of the engine, just enough to carry a plan out on rows: no cloud, no clock, no store."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec import structs

from mantle.model.graph import TemplateSource
from mantle.model.ids import PlanId, ResourceId, StackId, Token
from mantle.model.plan import Plan, Step, StepKind
from mantle.model.records import ResourceRecord
from mantle.model.schema import Attribute, Kind, OnChange, Property, ResourceSchema, TypeFacts
from mantle.model.status import Action, Status
from mantle.model.values import unknowns_in, walk
from mantle.plan.stack import Settled, desired_properties, plan_stack
from mantle.template.loaded import Loaded
from mantle.template.resolve import resolve
from mantle.template.validate import load_template

UPDATE = OnChange.UPDATE


def _facts(name: str, **rules: Any) -> TypeFacts:
    properties = {
        "size": Property(kind=Kind.STRING),
        "label": Property(kind=Kind.STRING, on_change=UPDATE),
        "zone": Property(kind=Kind.STRING, on_change=OnChange.REFUSE),
        "password": Property(kind=Kind.STRING, on_change=UPDATE, secret=True),
        "peers": Property(kind=Kind.LIST, on_change=UPDATE),
        "tied": Property(kind=Kind.LIST),
    }
    attributes = {"label": Attribute(), "id": Attribute(), "secret": Attribute(secret=True)}
    schema = ResourceSchema(
        type=name, properties=properties, attributes=attributes, takes_snapshots=True
    )
    return TypeFacts(schema=schema, **rules)


FACTS: Mapping[str, TypeFacts] = {
    "Test::Thing": _facts("Test::Thing"),
    "Test::Other": _facts("Test::Other"),
    "Test::Group": _facts("Test::Group", contains_resources=True),
    "Test::Picky": _facts(
        "Test::Picky",
        replace_when=lambda before, after: (
            "a shrunk label needs a new one"
            if len(after["label"] or "") < len(before["label"] or "")
            else None
        ),
    ),
}


def reference(row: ResourceRecord) -> str:
    return row.physical_id or row.name


@dataclass
class World:
    """One stack's rows, and what happens to them."""

    facts: Mapping[str, TypeFacts] = field(default_factory=lambda: FACTS)
    rows: list[ResourceRecord] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def load(self, resources: Mapping[str, Any], **source: Any) -> Loaded:
        """These resources as a loaded template."""
        template = {"heat_template_version": "2021-04-16", "resources": dict(resources)}
        template |= source.pop("template", {})
        return self.load_source(TemplateSource(template=template, **source))

    def load_source(self, source: TemplateSource) -> Loaded:
        return load_template(
            source, types=self.facts, stack_name="shop", stack_id="s", project_id="p"
        )

    def plan(self, loaded: Loaded | None, action: Action = Action.UPDATE) -> Plan:
        """What the planner says now."""
        return plan_stack(**self.request(loaded, action))

    def request(self, loaded: Loaded | None, action: Action = Action.UPDATE) -> dict[str, Any]:
        """What the planner is asked."""
        return {
            "plan_id": PlanId("plan"),
            "action": action,
            "stack_id": StackId("s"),
            "stack_name": "shop",
            "loaded": loaded,
            "rows": self.rows,
            "new_id": lambda: f"id-{next(self.numbers)}",
            "now": 100.0,
            "facts": self.facts,
            "references": reference,
            "timeout_seconds": 60.0,
            "lifetime_seconds": 600.0,
        }

    def carry_out(self, plan: Plan, loaded: Loaded | None, steps: int | None = None) -> None:
        """The plan's steps in order, or only the first few."""
        leaving = {step.resource_id for step in plan.steps if step.kind in REMOVING}
        creating = {step.resource_id for step in plan.steps if step.kind is StepKind.CREATE}
        current = {
            row.name: row for row in self.rows if row.id not in leaving and row.id not in creating
        }
        for step in plan.steps[:steps]:
            if step.kind in {StepKind.CREATE, StepKind.UPDATE}:
                assert loaded is not None
                current[step.resource] = self._made(step, loaded, Settled(reference, current))
            elif step.kind in REMOVING:
                self._nobody_uses(step)
                self.rows = [row for row in self.rows if row.id != step.resource_id]

    def reach(self, loaded: Loaded, rounds: int = 40) -> list[Plan]:
        """Plan and carry out until nothing is left to do, as the engine does."""
        plans = []
        while not (plan := self.plan(loaded)).is_empty:
            plans.append(plan)
            self.carry_out(plan, loaded)
            assert len(plans) < rounds, "the planner never comes to rest"
        return plans

    def made(self, resources: Mapping[str, Any], **source: Any) -> "World":
        """This world, with these resources made."""
        self.reach(self.load(resources, **source))
        return self

    def row(self, name: str) -> ResourceRecord:
        (found,) = [row for row in self.rows if row.name == name]
        return found

    def change(self, name: str, **fields: Any) -> "World":
        """This world, with a resource's row changed."""
        self.rows = [
            structs.replace(row, **fields) if row.name == name else row for row in self.rows
        ]
        return self

    def add(self, name: str, like: str, **fields: Any) -> "World":
        """This world, with a second row of a resource."""
        number = next(self.numbers)
        made = {"id": ResourceId(f"row-{number}"), "token": Token(f"token-{number}")}
        self.rows.append(structs.replace(self.row(like), name=name, **(made | fields)))
        return self

    def _nobody_uses(self, step: Step) -> None:
        """What a cloud would say of deleting something in use."""
        (leaving,) = [row for row in self.rows if row.id == step.resource_id]
        users = [
            row.name
            for row in self.rows
            if leaving.physical_id is not None
            and leaving.physical_id in list(walk(dict(row.properties)))
        ]
        assert not users, f"{step.key} is carried out while {users} use it"

    def _attributes(
        self, name: str, type_name: str, properties: Mapping[str, Any], loaded: Loaded
    ) -> dict[str, Any]:
        """A property of the same name, else a text that says whose attribute it is."""
        attributes = loaded.facts[type_name].schema.attributes
        return {each: properties.get(each) or f"{each} of {name}" for each in attributes}

    def _made(self, step: Step, loaded: Loaded, lookup: Settled) -> ResourceRecord:
        definition = loaded.graph.resources[step.resource]
        properties = desired_properties(loaded, step.resource, lookup)
        assert not unknowns_in(properties), f"{step.key} is carried out too early"
        old = {row.id: row for row in self.rows}.get(step.resource_id)
        physical = (old.physical_id if old else None) or f"{step.resource}-{step.token}"
        metadata = resolve(definition.metadata, loaded.scope(lookup))
        row = ResourceRecord(
            id=step.resource_id,
            stack_id=StackId("s"),
            name=step.resource,
            type=definition.type,
            resolved_type=definition.resolved_type,
            action=Action(step.kind.upper()),
            status=Status.COMPLETE,
            token=step.token,
            physical_id=definition.external_id or physical,
            properties=properties,
            attributes=self._attributes(step.resource, definition.resolved_type, properties, loaded)
            | {"id": physical},
            data={"digest": step.digest} if step.digest else {},
            metadata=metadata or {},
            requires=definition.references,
            deletion_policy=definition.deletion_policy,
            replaces=step.replaces,
            version=old.version + 1 if old else 0,
            created_at=old.created_at if old else float(next(self.numbers)),
            updated_at=float(next(self.numbers)),
        )
        self.rows = [each for each in self.rows if each.id != row.id] + [row]
        self.rows = [
            structs.replace(each, replaced_by=row.id) if each.id == step.replaces else each
            for each in self.rows
        ]
        return row


REMOVING = {StepKind.DELETE, StepKind.FORGET}


def told(steps: Sequence[Step]) -> list[str]:
    """Steps as `create web: new in the template`."""
    return [f"{step.key}: {step.reason}" for step in steps]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def new_world() -> type[World]:
    """For tests that need many."""
    return World


@pytest.fixture(scope="session", name="told")
def told_fixture() -> Any:
    return told
