"""Types of services and interfaces that are no more: they take any property and do nothing.

Old templates name them. As in Heat they are made of nothing, are not listed, and a stack that has
some can still be updated and deleted.
"""

from dataclasses import replace

from mantle.model.schema import SupportStatus
from mantle.resources.heat import none
from mantle.resources.kit import ResourceType

NAMES = (
    ("OS::Neutron::HealthMonitor", "9.0.0"),
    ("OS::Neutron::LoadBalancer", "9.0.0"),
    ("OS::Neutron::Pool", "9.0.0"),
    ("OS::Neutron::PoolMember", "9.0.0"),
    ("OS::Glance::Image", "22.0.0"),
    ("OS::Heat::HARestarter", "10.0.0"),
)


def _placeholder(name: str, since: str) -> ResourceType:
    schema = replace(
        none.SCHEMA,
        type=name,
        description="Does nothing: what it was for is no more.",
        support=SupportStatus.HIDDEN,
        since=since,
    )
    return replace(none.TYPE, facts=replace(none.TYPE.facts, schema=schema))


PLACEHOLDERS = tuple(_placeholder(name, since) for name, since in NAMES)
