"""All resource types, by name."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from mantle.model.errors import NotFound
from mantle.model.schema import TypeFacts
from mantle.resources import quotas
from mantle.resources.aws import iam
from mantle.resources.aws import wait_condition as aws_wait_condition
from mantle.resources.cinder import volume, volume_attachment, volume_type
from mantle.resources.glance import web_image
from mantle.resources.heat import (
    cloud_config,
    delay,
    deployment_group,
    multipart_mime,
    none,
    random_string,
    resource_chain,
    resource_group,
    software_config,
    software_deployment,
    stack,
    structured_config,
    swift_signal,
    template_resource,
    test_resource,
    value,
    wait_condition,
    wait_condition_handle,
)
from mantle.resources.keystone import catalog, identity
from mantle.resources.kit import ResourceType
from mantle.resources.neutron import (
    floating_ip,
    floating_ip_association,
    net,
    port,
    provider_net,
    qos,
    router,
    router_interface,
    routes,
    security_group,
    sharing,
    subnet,
    trunk,
)
from mantle.resources.nova import flavor, key_pair, server, server_group
from mantle.resources.nova import floating_ip as nova_floating_ip
from mantle.resources.octavia import (
    health_monitor,
    l7,
    listener,
    load_balancer,
    offers,
    pool,
    pool_member,
)
from mantle.resources.placeholders import PLACEHOLDERS

DEFAULT: tuple[ResourceType, ...] = (
    iam.KEY_TYPE,
    iam.POLICY_TYPE,
    iam.USER_TYPE,
    aws_wait_condition.HANDLE_TYPE,
    aws_wait_condition.TYPE,
    aws_wait_condition.UPDATE_HANDLE_TYPE,
    volume.TYPE,
    volume_attachment.TYPE,
    cloud_config.TYPE,
    delay.TYPE,
    multipart_mime.TYPE,
    none.TYPE,
    random_string.TYPE,
    resource_chain.TYPE,
    resource_group.TYPE,
    software_config.TYPE,
    software_deployment.STRUCTURED_TYPE,
    software_deployment.TYPE,
    structured_config.COMPONENT_TYPE,
    structured_config.TYPE,
    deployment_group.OLD_STRUCTURED_TYPE,
    deployment_group.OLD_TYPE,
    deployment_group.STRUCTURED_TYPE,
    deployment_group.TYPE,
    stack.TYPE,
    swift_signal.HANDLE_TYPE,
    swift_signal.TYPE,
    test_resource.TYPE,
    value.TYPE,
    wait_condition.TYPE,
    wait_condition_handle.TYPE,
    floating_ip.TYPE,
    floating_ip_association.TYPE,
    net.TYPE,
    port.TYPE,
    router.TYPE,
    router_interface.TYPE,
    security_group.TYPE,
    subnet.TYPE,
    key_pair.TYPE,
    server.TYPE,
    server_group.TYPE,
    nova_floating_ip.ADDRESS_TYPE,
    nova_floating_ip.ASSOCIATION_TYPE,
    health_monitor.TYPE,
    listener.TYPE,
    load_balancer.TYPE,
    pool.TYPE,
    pool_member.TYPE,
    provider_net.TYPE,
    web_image.TYPE,
    *qos.TYPES,
    *sharing.TYPES,
    *trunk.TYPES,
    *routes.TYPES,
    *quotas.TYPES,
    *flavor.TYPES,
    *volume_type.TYPES,
    *identity.TYPES,
    *catalog.TYPES,
    *l7.TYPES,
    *offers.TYPES,
    *PLACEHOLDERS,
)


@dataclass(frozen=True)
class Registry:
    """The types of one installation."""

    types: Mapping[str, ResourceType]

    @cached_property
    def facts(self) -> Mapping[str, TypeFacts]:
        """What the pure layers may know of them."""
        return MappingProxyType({name: each.facts for name, each in self.types.items()})

    def get(self, name: str) -> ResourceType:
        """The type with this name; `NotFound` names the nearest one.

        A template file's name is a type as well: the nested stack.
        """
        found = self.types.get(name)
        if found is None and name.endswith(template_resource.SUFFIXES):
            return template_resource.TYPE
        if found is None:
            raise NotFound(
                f"The Resource Type ({name}) could not be found.", remedy=self._near(name)
            )
        return found

    def _near(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.types, n=1)
        return f"Did you mean {near[0]}?" if near else "`resource_types` lists what there is."


def registry_of(types: Iterable[ResourceType]) -> Registry:
    """A registry of these types."""
    return Registry(MappingProxyType({each.schema.type: each for each in types}))


def default_registry() -> Registry:
    """Every type that comes with Mantle."""
    return registry_of(DEFAULT)
