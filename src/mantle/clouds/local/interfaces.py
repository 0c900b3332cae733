"""Ports, routers and router interfaces.

A port is an address. Routers are accepted and remembered so that ordinary templates run: on the
loopback range every address reaches every other, so they have nothing to forward.
"""

from dataclasses import replace
from hashlib import sha256

from mantle.clouds.local.collection import LocalCollection
from mantle.clouds.local.networks import SubnetEntry, find_network, find_subnet, take_address
from mantle.clouds.local.shelf import Entry, Nothing
from mantle.clouds.local.state import PortNotes, Project
from mantle.clouds.ports import (
    Clash,
    FixedIp,
    Port,
    PortSpec,
    Refused,
    Router,
    RouterInterface,
    RouterInterfaceSpec,
    RouterSpec,
)
from mantle.model.ids import Token

DEFAULT_GROUP = "default"

PortEntry = Entry[Port, PortNotes]
RouterEntry = Entry[Router, Nothing]
InterfaceEntry = Entry[RouterInterface, Nothing]


def check_groups(project: Project, groups: tuple[str, ...]) -> None:
    """Every security group exists, by id or name; `default` always does."""
    known = {DEFAULT_GROUP}
    for entry in project.security_groups:
        known |= {entry.object.id, entry.object.name}
    for group in groups:
        if group not in known:
            raise Refused(f"There is no security group {group!r} in this project.")


class Ports(LocalCollection[PortSpec, Port, PortNotes]):
    """Ports; their addresses are loopback addresses."""

    kind = "port"

    def make_owned(self, spec: PortSpec, token: Token) -> Port:
        """A port that goes when its server or load balancer goes."""
        with self._state.lock:
            entry = self._shelf.find(token)
            if entry is None:
                entry = replace(self._make(spec, token), notes=PortNotes(owned=True))
                self._shelf.put(entry)
            return entry.object

    def bind(self, port_id: str, device_id: str, device_owner: str) -> Port:
        """Note what uses the port; empty texts release it."""
        entry = self.entry(port_id)
        changed = replace(entry.object, device_id=device_id, device_owner=device_owner)
        return self._shelf.put(replace(entry, object=changed)).object

    def release(self, port_id: str) -> None:
        """The port's user is gone: drop it if it was made for it, else free it."""
        entry = self._shelf.get(port_id)
        if entry is None:
            return
        if entry.notes.owned:
            self._let_go(entry)
        else:
            self.bind(port_id, "", "")

    def _make(self, spec: PortSpec, token: Token) -> PortEntry:
        network = find_network(self._project, spec.network_id).object
        check_groups(self._project, spec.security_groups or ())
        object_id, now = self._new()
        digest = sha256(object_id.encode()).hexdigest()
        mac = spec.mac_address or f"fa:16:3e:{digest[:2]}:{digest[2:4]}:{digest[4:6]}"
        port = Port(
            id=object_id,
            name=spec.name,
            token=token,
            created_at=now,
            spec=replace(spec, network_id=network.id),
            fixed_ips=self._addresses(spec, network.id, kept=()),
            mac_address=mac,
            device_id=spec.device_id,
            device_owner=spec.device_owner,
        )
        return Entry(port, PortNotes())

    def _addresses(
        self, spec: PortSpec, network_id: str, kept: tuple[FixedIp, ...]
    ) -> tuple[FixedIp, ...]:
        """What was asked for; without a wish, one address of the network's first subnet."""
        subnets = [
            entry for entry in self._project.subnets if entry.object.spec.network_id == network_id
        ]
        wishes = spec.fixed_ips or ((FixedIp(),) if subnets else ())
        if not spec.fixed_ips and kept:
            return kept
        spare = list(kept)
        given: list[FixedIp] = []
        for wish in wishes:
            if wish.subnet_id is not None:
                candidates = [find_subnet(self._project, wish.subnet_id)]
            else:
                candidates = subnets
            given.append(self._one_address(wish, candidates, spare, given))
        return tuple(given)

    def _one_address(
        self,
        wish: FixedIp,
        candidates: list[SubnetEntry],
        spare: list[FixedIp],
        given: list[FixedIp],
    ) -> FixedIp:
        problem: Refused | None = None
        for entry in candidates:
            own = [one for one in spare if one.subnet_id == entry.object.id]
            if own and wish.ip_address in (None, own[0].ip_address):
                spare.remove(own[0])
                return own[0]
            try:
                address = str(take_address(self._project, entry, wish.ip_address))
            except Refused as refused:
                problem = refused
                continue
            found = FixedIp(subnet_id=entry.object.id, ip_address=address)
            if found in given:
                raise Refused(f"The address {address} is asked for twice.")
            return found
        raise problem or Refused("The network has no subnet to take an address from.")

    def _change(self, entry: PortEntry, spec: PortSpec) -> PortEntry:
        network = find_network(self._project, spec.network_id).object
        if network.id != entry.object.spec.network_id:
            raise Refused("A port's network cannot change in place.")
        if spec.mac_address not in (None, entry.object.mac_address):
            raise Refused("A port's mac_address cannot change in place.")
        check_groups(self._project, spec.security_groups or ())
        fixed = self._addresses(spec, network.id, kept=entry.object.fixed_ips)
        if fixed != entry.object.fixed_ips and entry.object.device_id and self._in_use(entry):
            raise Clash(
                f"Port {entry.object.id} is used by {entry.object.device_id}; its addresses are "
                "known to running programs.",
                remedy="Replace the port, or detach it first.",
            )
        changed = replace(
            entry.object,
            name=spec.name,
            spec=replace(spec, network_id=network.id),
            fixed_ips=fixed,
            device_id=entry.object.device_id or spec.device_id,
            device_owner=entry.object.device_owner or spec.device_owner,
        )
        return replace(entry, object=changed)

    def _in_use(self, entry: PortEntry) -> bool:
        device = entry.object.device_id
        return (
            self._project.servers.get(device) is not None
            or self._project.load_balancers.get(device) is not None
        )

    def _check_unused(self, entry: PortEntry) -> None:
        if entry.notes.owned and self._in_use(entry):
            raise Clash(
                f"Port {entry.object.id} was made for {entry.object.device_id} and goes with it."
            )
        for interface in self._project.router_interfaces:
            if interface.object.spec.port_id == entry.object.id:
                raise Clash(
                    f"Port {entry.object.id} connects router {interface.object.spec.router_id}."
                )

    def _settle(self, object_id: str) -> None:  # noqa: ARG002 - all are looked at
        self._state.forward()


class Routers(LocalCollection[RouterSpec, Router, Nothing]):
    """Routers; one with a gateway has an address on the external network."""

    kind = "router"

    def _make(self, spec: RouterSpec, token: Token) -> RouterEntry:
        object_id, now = self._new()
        router = Router(id=object_id, name=spec.name, token=token, created_at=now, spec=spec)
        return Entry(self._with_gateway(router), Nothing())

    def _with_gateway(self, router: Router) -> Router:
        wanted = router.spec.external_network_id
        if wanted is None:
            return replace(router, external_fixed_ips=())
        network = find_network(self._project, wanted).object
        if not network.external:
            raise Refused(
                f"Network {wanted!r} is not external.", remedy="Use the network `public`."
            )
        if router.external_fixed_ips:
            return router
        subnet = next(
            one for one in self._project.subnets if one.object.spec.network_id == network.id
        )
        address = str(take_address(self._project, subnet, None))
        return replace(
            router,
            external_fixed_ips=(FixedIp(subnet_id=subnet.object.id, ip_address=address),),
        )

    def _change(self, entry: RouterEntry, spec: RouterSpec) -> RouterEntry:
        return replace(
            entry, object=self._with_gateway(replace(entry.object, name=spec.name, spec=spec))
        )

    def _check_unused(self, entry: RouterEntry) -> None:
        for interface in self._project.router_interfaces:
            if interface.object.spec.router_id == entry.object.id:
                raise Clash(f"Router {entry.object.name!r} has interfaces.")


class RouterInterfaces(LocalCollection[RouterInterfaceSpec, RouterInterface, Nothing]):
    """Connections of routers to subnets or ports."""

    kind = "router interface"

    def _make(self, spec: RouterInterfaceSpec, token: Token) -> InterfaceEntry:
        if self._project.routers.get(spec.router_id) is None:
            raise Refused(f"There is no router {spec.router_id!r} in this project.")
        if (spec.subnet_id is None) == (spec.port_id is None):
            raise Refused("A router interface needs a subnet or a port, and not both.")
        if spec.subnet_id is not None:
            subnet_id = find_subnet(self._project, spec.subnet_id).object.id
            spec = replace(spec, subnet_id=subnet_id)
            object_id = f"{spec.router_id}:subnet_id={subnet_id}"
        else:
            if self._project.ports.get(spec.port_id or "") is None:
                raise Refused(f"There is no port {spec.port_id!r} in this project.")
            object_id = f"{spec.router_id}:port_id={spec.port_id}"
        if self._shelf.get(object_id) is not None:
            raise Clash(f"The router already has this interface: {object_id}.")
        now = self._state.settings.clock.now()
        return Entry(
            RouterInterface(id=object_id, name=object_id, token=token, created_at=now, spec=spec),
            Nothing(),
        )

    def _change(self, entry: InterfaceEntry, spec: RouterInterfaceSpec) -> InterfaceEntry:
        if spec != entry.object.spec:
            raise Refused("A router interface cannot change in place.")
        return entry
