"""Floating addresses: loopback addresses of the network `public` that really lead to a port.

One process (`forwarder.py`) passes connections on for all of them. It is looked for, and started
again if it is not there, whenever a floating address changes and when the control plane starts.
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec

from mantle.clouds.local import forwarder
from mantle.clouds.local.collection import LocalCollection
from mantle.clouds.local.groups import allowed_ports
from mantle.clouds.local.networks import find_network, reachable, take_address
from mantle.clouds.local.processes import Process, is_alive
from mantle.clouds.local.shelf import Entry, Nothing, write_whole
from mantle.clouds.local.state import Project, State
from mantle.clouds.ports import (
    Clash,
    FloatingIp,
    FloatingIpAssociation,
    FloatingIpAssociationSpec,
    FloatingIpSpec,
    Port,
    Refused,
)
from mantle.model.ids import Token

START_TIMEOUT_SECONDS = 30

FloatingEntry = Entry[FloatingIp, Nothing]
AssociationEntry = Entry[FloatingIpAssociation, Nothing]


def forward(state: State) -> None:
    """Write what leads where, and see that someone does it. Called whenever any of it changed."""
    with state.lock:
        entries = [
            {
                "floating": floating.object.address,
                "fixed": floating.object.fixed_ip_address,
                "allowed": allowed_ports(project, port.object),
            }
            for project in state.projects.values()
            for floating in project.floating_ips
            if (port := project.ports.get(floating.object.port_id or "")) is not None
        ]
        folder = state.settings.data_dir / "forwarder"
        path = folder / "map.json"
        if not entries and not path.exists():
            return
        folder.mkdir(exist_ok=True, mode=0o700)
        content = msgspec.json.encode(entries)
        if not path.exists() or path.read_bytes() != content:
            write_whole(path, content)
        if entries and forwarder_process(folder) is None:
            script = str(Path(forwarder.__file__))
            subprocess.run(  # noqa: S603 - our own script, by our own interpreter
                [sys.executable, "-I", "-S", script, str(folder)],
                check=True,
                timeout=START_TIMEOUT_SECONDS,
                stdin=subprocess.DEVNULL,
            )


def forwarder_process(folder: Path) -> Process | None:
    """The forwarder, if it is alive."""
    try:
        process = msgspec.json.decode((folder / "pid.json").read_bytes(), type=Process)
    except FileNotFoundError:
        return None
    return process if is_alive(process) else None


def _fixed_address(project: Project, port: Port, asked: str | None) -> str:
    addresses = [fixed.ip_address or "" for fixed in port.fixed_ips]
    if asked is not None:
        asked = reachable(project, asked)
        if asked not in addresses:
            raise Refused(f"Port {port.id} does not have the address {asked}.")
        return asked
    if not addresses:
        raise Refused(f"Port {port.id} has no address a floating address could lead to.")
    return addresses[0]


class FloatingIps(LocalCollection[FloatingIpSpec, FloatingIp, Nothing]):
    """Floating addresses of one project."""

    kind = "floating address"

    def _make(self, spec: FloatingIpSpec, token: Token) -> FloatingEntry:
        network = find_network(self._project, spec.network_id).object
        if not network.external:
            raise Refused(
                f"Network {spec.network_id!r} hands out no floating addresses.",
                remedy="Use the network `public`.",
            )
        subnet = next(
            one for one in self._project.subnets if one.object.spec.network_id == network.id
        )
        object_id, now = self._new()
        address = str(take_address(self._project, subnet, spec.address))
        floating = FloatingIp(
            id=object_id,
            name=address,
            token=token,
            created_at=now,
            spec=replace(spec, network_id=network.id),
            address=address,
        )
        return Entry(self._led(floating, spec.port_id, spec.fixed_ip_address), Nothing())

    def _led(self, floating: FloatingIp, port_id: str | None, fixed: str | None) -> FloatingIp:
        if port_id is None:
            return replace(floating, port_id=None, fixed_ip_address=None)
        port = self._project.ports.get(port_id)
        if port is None:
            raise Refused(f"There is no port {port_id!r} in this project.")
        chosen = _fixed_address(self._project, port.object, fixed)
        for other in self._shelf:
            same = other.object.port_id == port_id and other.object.fixed_ip_address == chosen
            if same and other.object.id != floating.id:
                raise Clash(f"Port {port_id} has the floating address {other.object.address}.")
        return replace(floating, port_id=port_id, fixed_ip_address=chosen)

    def lead(self, floating_id: str, port_id: str | None, fixed: str | None) -> None:
        """Lead it to another port, or nowhere."""
        entry = self.entry(floating_id)
        self._shelf.put(replace(entry, object=self._led(entry.object, port_id, fixed)))

    def _change(self, entry: FloatingEntry, spec: FloatingIpSpec) -> FloatingEntry:
        network = find_network(self._project, spec.network_id).object
        if network.id != entry.object.spec.network_id:
            raise Refused("A floating address's network cannot change in place.")
        if spec.address not in (None, entry.object.address):
            raise Refused("A floating address cannot become another in place.")
        led = self._led(entry.object, spec.port_id, spec.fixed_ip_address)
        return replace(entry, object=replace(led, spec=replace(spec, network_id=network.id)))

    def _view(self, entry: FloatingEntry) -> FloatingIp:
        return led_by_now(self._project, entry.object)

    def _settle(self, object_id: str) -> None:  # noqa: ARG002 - all are looked at
        self._state.forward()

    def _let_go(self, entry: FloatingEntry) -> None:
        self._project.associations.drop(entry.object.id)
        self._shelf.drop(entry.object.id)


def led_by_now(project: Project, floating: FloatingIp) -> FloatingIp:
    """As it is: an address whose port is gone leads nowhere."""
    port = project.ports.get(floating.port_id or "")
    if port is None:
        return replace(floating, port_id=None, fixed_ip_address=None)
    return floating


class Associations(LocalCollection[FloatingIpAssociationSpec, FloatingIpAssociation, Nothing]):
    """Associations of floating addresses; the id is the floating address's."""

    kind = "floating address association"

    def _make(self, spec: FloatingIpAssociationSpec, token: Token) -> AssociationEntry:
        if self._shelf.get(spec.floating_ip_id) is not None:
            raise Clash(f"Floating address {spec.floating_ip_id} is associated already.")
        self._floating_ips().lead(spec.floating_ip_id, spec.port_id, spec.fixed_ip_address)
        association = FloatingIpAssociation(
            id=spec.floating_ip_id,
            name=spec.floating_ip_id,
            token=token,
            created_at=self._state.settings.clock.now(),
            spec=spec,
        )
        return Entry(association, Nothing())

    def _floating_ips(self) -> FloatingIps:
        return FloatingIps(self._state, self._project, self._project.floating_ips)

    def _change(self, entry: AssociationEntry, spec: FloatingIpAssociationSpec) -> AssociationEntry:
        if spec.floating_ip_id != entry.object.spec.floating_ip_id:
            raise Refused("An association's floating address cannot change in place.")
        self._floating_ips().lead(spec.floating_ip_id, spec.port_id, spec.fixed_ip_address)
        return replace(entry, object=replace(entry.object, spec=spec))

    def _let_go(self, entry: AssociationEntry) -> None:
        floating = self._project.floating_ips.get(entry.object.id)
        if floating is not None:
            self._floating_ips().lead(entry.object.id, None, None)
        self._shelf.drop(entry.object.id)

    def _settle(self, object_id: str) -> None:  # noqa: ARG002 - all are looked at
        self._state.forward()
