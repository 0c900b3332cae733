"""What this cloud cannot honour: types whose service is not in its catalog. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from mantle.clouds.openstack.errors import Service
from mantle.clouds.plain import KINDS, SETTINGS
from mantle.model.schema import Limitation

TYPES: Mapping[Service, Sequence[str]] = {
    Service.COMPUTE: ("OS::Nova::Server", "OS::Nova::ServerGroup", "OS::Nova::KeyPair"),
    Service.NETWORK: (
        "OS::Neutron::Net",
        "OS::Neutron::ProviderNet",
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


def limitations(
    services: Collection[Service], extensions: Collection[str] | None = None
) -> tuple[Limitation, ...]:
    """One for each type that has no service here, or whose part of Neutron is not there.

    Without knowing Neutron's extensions, all of them count as there.
    """
    absent = tuple(
        Limitation(
            resource_type=name,
            path="",
            why=f"this cloud's catalog has no {service.value} service ({service.title})",
            remedy="Leave the resource out, or choose another cloud.",
        )
        for service, names in (*TYPES.items(), *_plain())
        if service not in services
        for name in names
    )
    if extensions is None or Service.NETWORK not in services:
        return absent
    return absent + tuple(
        Limitation(
            resource_type=name,
            path="",
            why=f"this cloud's Neutron has no extension {extension}",
            remedy="Leave the resource out, or choose another cloud.",
        )
        for extension, names in _extended()
        if extension not in extensions
        for name in names
    )


def _plain() -> Iterable[tuple[Service, Sequence[str]]]:
    for kind in KINDS.values():
        yield Service(kind.service), kind.types
    for setting in SETTINGS.values():
        yield Service(setting.service), setting.types


def _extended() -> Iterable[tuple[str, Sequence[str]]]:
    yield "provider", ("OS::Neutron::ProviderNet",)
    for kind in KINDS.values():
        if kind.extension:
            yield kind.extension, kind.types
    for setting in SETTINGS.values():
        if setting.extension:
            yield setting.extension, setting.types
