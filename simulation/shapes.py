"""Stacks of the simulation: each as a template, and as what must exist when it is whole. Pure.

A template carries its own shape in its description, so that whatever template is in force at the
end says by itself what must be there, and the product is asked nothing about it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from simulation.chance import Dice

Expected = frozenset[tuple[str, str, str]]
"""(collection, name, what else must be true of it)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a template declares. `mark` goes into every name, so that stacks are told apart."""

    mark: str
    nets: int = 1
    volume: bool = False
    zone: str = "nova"
    """Another one replaces the volume."""
    server: bool = False
    flavor: str = "m1.small"
    word: str = "a"
    """Goes into names: another one is an update in place."""
    members: int = 0
    inner: int = 0
    """Volumes in a nested stack; 0: there is none."""
    waits: bool = False
    """A wait condition, which needs a signal."""
    broken: bool = False
    """A resource that fails."""
    rolls_back: bool = False

    def template(self) -> str:
        """As HOT, in JSON, which is YAML."""
        return json.dumps(
            {
                "heat_template_version": "2018-08-31",
                "description": json.dumps(asdict(self), sort_keys=True),
                "resources": self._resources(),
            }
        )

    def files(self) -> Mapping[str, str]:
        """The template of the stack inside."""
        if not self.inner:
            return {}
        resources = {
            f"v{number}": _volume(f"{self.mark}.v{number}.{self.word}", "nova")
            for number in range(self.inner)
        }
        return {
            "inner.yaml": json.dumps(
                {"heat_template_version": "2018-08-31", "resources": resources}
            )
        }

    def _resources(self) -> dict[str, object]:
        made: dict[str, object] = {
            f"net{number}": {
                "type": "OS::Neutron::Net",
                "properties": {"name": f"{self.mark}.net{number}.{self.word}"},
            }
            for number in range(self.nets)
        }
        if self.volume:
            made["volume"] = _volume(f"{self.mark}.volume.{self.word}", self.zone)
        if self.server:
            made["server"] = {
                "type": "OS::Nova::Server",
                "properties": {
                    "name": f"{self.mark}.server",
                    "flavor": self.flavor,
                    "image": "cirros",
                    "networks": [{"network": {"get_resource": "net0"}}],
                },
            }
        if self.members:
            made["members"] = {
                "type": "OS::Heat::ResourceGroup",
                "properties": {
                    "count": self.members,
                    "resource_def": _volume(f"{self.mark}.m%index%", "nova"),
                },
            }
        if self.inner:
            made["inner"] = {"type": "inner.yaml"}
        if self.waits:
            made["handle"] = {"type": "OS::Heat::WaitConditionHandle"}
            made["wait"] = {
                "type": "OS::Heat::WaitCondition",
                "depends_on": ["net0"],
                "properties": {"handle": {"get_resource": "handle"}, "timeout": 600, "count": 1},
            }
        if self.broken:
            made["broken"] = {
                "type": "OS::Heat::TestResource",
                "depends_on": ["net0"],
                "properties": {"fail": True},
            }
        return made

    def expected(self) -> Expected:
        """What exists when it is whole."""
        made = {
            ("networks", f"{self.mark}.net{number}.{self.word}", "") for number in range(self.nets)
        }
        if self.volume:
            made.add(("volumes", f"{self.mark}.volume.{self.word}", self.zone))
        if self.server:
            made.add(("servers", f"{self.mark}.server", self.flavor))
        made |= {("volumes", f"{self.mark}.m{number}", "nova") for number in range(self.members)}
        made |= {
            ("volumes", f"{self.mark}.v{number}.{self.word}", "nova")
            for number in range(self.inner)
        }
        return frozenset(made)


def shape_of(template: str) -> Shape:
    """What a template says of itself."""
    return Shape(**json.loads(json.loads(template)["description"]))


def _volume(name: str, zone: str) -> dict[str, object]:
    return {
        "type": "OS::Cinder::Volume",
        "properties": {"name": name, "size": 1, "availability_zone": zone},
    }


def first_shape(dice: Dice, mark: str) -> Shape:
    """Any."""
    return Shape(
        mark=mark,
        nets=1 + dice.below(2),
        volume=dice.strikes(0.6),
        server=dice.strikes(0.4),
        members=dice.choice((0, 0, 0, 2, 3)),
        inner=dice.choice((0, 0, 0, 1, 2)),
        waits=dice.strikes(0.15),
        broken=dice.strikes(0.08),
        rolls_back=dice.strikes(0.4),
    )


def next_shape(dice: Dice, before: Shape) -> Shape:
    """A change of it: in place, by replacement, by more or less of something."""
    changed = replace(before, broken=dice.strikes(0.12), rolls_back=dice.strikes(0.5))
    for _ in range(1 + dice.below(2)):
        match dice.below(7):
            case 0:
                changed = replace(changed, nets=1 + dice.below(3))
            case 1:
                changed = replace(changed, word=dice.choice("abcd"))
            case 2:
                changed = replace(changed, zone=dice.choice(("nova", "north")), volume=True)
            case 3:
                changed = replace(changed, members=dice.below(4))
            case 4:
                changed = replace(changed, inner=dice.below(3))
            case 5:
                changed = replace(
                    changed, server=True, flavor=dice.choice(("m1.small", "m1.medium"))
                )
            case _:
                changed = replace(changed, volume=dice.strikes(0.5))
    return changed
