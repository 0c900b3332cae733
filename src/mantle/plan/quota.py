"""What a plan needs of the cloud's quotas, and what is left of them.

A replacement is made before the old object goes, so it counts in full: what the plan frees is told
but not counted upon. One whose old object goes first takes its place and counts as nothing.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from mantle.model.plan import Plan, StepKind

NEEDS: Mapping[str, str] = {
    "OS::Nova::Server": "servers",
    "OS::Nova::KeyPair": "key_pairs",
    "OS::Neutron::Net": "networks",
    "OS::Neutron::Subnet": "subnets",
    "OS::Neutron::Port": "ports",
    "OS::Neutron::Router": "routers",
    "OS::Neutron::SecurityGroup": "security_groups",
    "OS::Neutron::FloatingIP": "floating_ips",
    "OS::Cinder::Volume": "volumes",
    "OS::Octavia::LoadBalancer": "load_balancers",
    "OS::Octavia::Listener": "listeners",
    "OS::Octavia::Pool": "pools",
}
"""Resource type to the collection of the cloud it takes a place in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaVerdict:
    """One collection: what is needed against what is left. `left` None: the cloud cannot say."""

    what: str
    needs: int
    frees: int
    left: int | None
    limit: int | None

    @property
    def word(self) -> str:
        """`enough`, `short`, or `not known`."""
        if self.left is None:
            return "not known"
        return "enough" if self.needs <= self.left else "short"


def counted(plan: Plan) -> tuple[Counter[str], Counter[str]]:
    """How many objects of each collection the plan makes, and how many it removes."""
    needs: Counter[str] = Counter()
    frees: Counter[str] = Counter()
    places = {step.replaces for step in plan.steps if step.old_first}
    for step in plan.steps:
        what = NEEDS.get(step.resource_type)
        if what is None:
            continue
        if step.kind is StepKind.CREATE and step.old_first:
            continue  # it takes the place of the old one
        if step.kind is StepKind.CREATE:
            needs[what] += 1
        elif step.kind is StepKind.DELETE and step.resource_id not in places:
            frees[what] += 1
    return needs, frees


def verdicts(
    needs: Counter[str],
    frees: Counter[str],
    quotas: Mapping[str, tuple[int, int]] | None,
) -> list[QuotaVerdict]:
    """For every collection the plan changes. `quotas` gives (used, limit); absent: not known."""
    found: list[QuotaVerdict] = []
    for what in sorted({*needs, *frees}):
        used, limit = (quotas or {}).get(what, (None, None))
        left = None if used is None or limit is None else max(0, limit - used)
        found.append(
            QuotaVerdict(what=what, needs=needs[what], frees=frees[what], left=left, limit=limit)
        )
    return found
