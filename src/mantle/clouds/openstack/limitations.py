"""What this cloud cannot honour: types whose service is not in its catalog. Pure."""

from collections.abc import Collection, Mapping, Sequence

from mantle.clouds.openstack.errors import Service
from mantle.model.schema import Limitation

TYPES: Mapping[Service, Sequence[str]] = {
    Service.COMPUTE: ("OS::Nova::Server", "OS::Nova::ServerGroup", "OS::Nova::KeyPair"),
    Service.NETWORK: (
        "OS::Neutron::Net",
        "OS::Neutron::Subnet",
        "OS::Neutron::Port",
        "OS::Neutron::Router",
        "OS::Neutron::RouterInterface",
        "OS::Neutron::SecurityGroup",
        "OS::Neutron::FloatingIP",
        "OS::Neutron::FloatingIPAssociation",
        "OS::Nova::FloatingIP",
        "OS::Nova::FloatingIPAssociation",
    ),
    Service.VOLUME: ("OS::Cinder::Volume", "OS::Cinder::VolumeAttachment"),
    Service.BALANCER: (
        "OS::Octavia::LoadBalancer",
        "OS::Octavia::Listener",
        "OS::Octavia::Pool",
        "OS::Octavia::PoolMember",
        "OS::Octavia::HealthMonitor",
    ),
}


def limitations(services: Collection[Service]) -> tuple[Limitation, ...]:
    """One for each type that has no service here."""
    return tuple(
        Limitation(
            resource_type=name,
            path="",
            why=f"this cloud's catalog has no {service.value} service ({service.title})",
            remedy="Leave the resource out, or choose another cloud.",
        )
        for service, names in TYPES.items()
        if service not in services
        for name in names
    )
