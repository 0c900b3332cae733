"""Servers: real processes from a boot script, on addresses of their own.

A server is ACTIVE once its boot script has finished well, or has run for a moment without ending:
a script that stays is the server's program. One that ends badly, at whatever time, puts the server
into ERROR with the end of its console log. Two metadata keys of a server make that stricter:
`mantle:boot` = `complete` means that the script must finish, and `mantle:boot_timeout_seconds` says
within which time (600 by default).
"""

import re
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mantle.clouds.local.boot import boot_parts
from mantle.clouds.local.collection import LocalCollection
from mantle.clouds.local.flavors import find_flavor
from mantle.clouds.local.interfaces import Ports, check_groups
from mantle.clouds.local.isolation import Tier, search_path
from mantle.clouds.local.keeping import (
    check_bootable,
    check_not_copied,
    find_kept_image,
    kept_folder,
)
from mantle.clouds.local.machine import BOOT_TIMEOUT_SECONDS, Machine, Report, Start
from mantle.clouds.local.networks import find_network
from mantle.clouds.local.shelf import Entry
from mantle.clouds.local.state import Project, ServerNotes, State
from mantle.clouds.local.volumes import ZONES, Attachments, Volumes
from mantle.clouds.ports import (
    Address,
    BlockDevice,
    Clash,
    Deed,
    Exhausted,
    FixedIp,
    Move,
    Nic,
    ObjectStatus,
    PortSpec,
    Power,
    Refused,
    Server,
    ServerSpec,
    VolumeAttachmentSpec,
    VolumeSpec,
)
from mantle.model.ids import Token

BOOT_KEY = "mantle:boot"
BOOT_TIMEOUT_KEY = "mantle:boot_timeout_seconds"
PORT_KEY = "port"
DEFAULT_PORT = "8080"
SETTLED_AFTER_SECONDS = 0.5
"""A boot script that has run this long has started its program."""
FAULT_LINES = 12
DEVICE_OWNER = "compute:local"

ServerEntry = Entry[Server, ServerNotes]

# One lock per server: starting one must not wait for ending another, and the same never overlap.
_locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)


class LocalServers(LocalCollection[ServerSpec, Server, ServerNotes]):
    """Servers of one project."""

    kind = "server"

    def __init__(self, state: State, project: Project, tier: Tier) -> None:
        super().__init__(state, project, project.servers)
        self._tier = tier
        self._ports = Ports(state, project, project.ports)
        self._volumes = Volumes(state, project, project.volumes)
        self._attachments = Attachments(state, project, project.attachments)

    async def power(self, server_id: str, power: Power) -> None:
        await self._state.run(self._power_now, server_id, power)

    async def rebuild(self, server_id: str, spec: ServerSpec) -> Server:
        return await self._state.run(self._rebuild_now, server_id, spec)

    async def console(self, server_id: str, lines: int) -> str:
        return await self._state.run(
            lambda: self.machine(self.entry(server_id).object.id).console(lines)
        )

    async def resize(self, server_id: str, flavor: str) -> None:
        await self._state.run(self._resize_now, server_id, flavor)

    async def migrate(self, server_id: str, how: Move, host: str | None) -> None:  # noqa: ARG002 - the port's
        await self._state.run(self.entry, server_id)
        raise Refused(
            "The local cloud has one host, this machine: nothing can migrate.",
            remedy="Choose servers of another cloud.",
        )

    async def deeds(self, server_id: str) -> Sequence[Deed]:
        """A boot is all that this cloud remembers; each but the first is a reboot."""
        entry = await self._state.run(self.entry, server_id)
        return [Deed(id=f"boot-{boot}", verb="reboot") for boot in range(entry.notes.boot, 1, -1)]

    def machine(self, server_id: str) -> Machine:
        """The processes of a server."""
        folder = self._project.folder / "machines" / server_id
        hide = self._state.settings.data_dir.resolve()
        return Machine(server_id, folder, self._tier, hide)

    def recover(self) -> None:
        """After a restart: finish what was begun, boot again what the machine cut off."""
        for entry in self._shelf:
            if entry.notes.wanted == "on" and self.machine(entry.object.id).was_cut_off():
                self._keep(entry, replace(entry.notes, boot=entry.notes.boot + 1))
            self._settle(entry.object.id)
        for port in self._project.ports:
            server = self._shelf.get(port.object.device_id)
            # A port is taken before its server's record is written. One whose device was only
            # named by whoever made the port is theirs to name.
            taken = port.object.device_owner == DEVICE_OWNER and (
                port.notes.owned or port.object.device_id != port.object.spec.device_id
            )
            if taken and (server is None or port.object.id not in server.notes.port_ids):
                self._ports.release(port.object.id)

    # --- what a server is --------------------------------------------------------------------

    def _make(self, spec: ServerSpec, token: Token) -> ServerEntry:
        self._check(spec)
        object_id, now = self._new()
        port_ids = self._take_ports(spec, object_id, token, {})
        server = Server(
            id=object_id,
            name=spec.name,
            token=token,
            created_at=now,
            spec=spec,
            host="localhost",
            instance_name=f"instance-{object_id[:8]}",
        )
        secret = self._state.settings.random(24).hex()
        fill = 1 if find_kept_image(self._project, spec.image) else 0
        return Entry(server, ServerNotes(secret=secret, port_ids=port_ids, fill=fill))

    def _check(self, spec: ServerSpec, *, booted: str | None = None) -> None:
        """`booted` is the image it has: that may be gone."""
        find_flavor(spec.flavor)
        devices = spec.block_devices
        has_disk = any(each.image or each.volume_id or each.snapshot_id for each in devices)
        if not has_disk and (booted is None or spec.image != booted):
            check_bootable(self._project, spec.image)
        boot_parts(spec.user_data)
        _boot_timeout(spec)
        check_groups(self._project, spec.security_groups)
        if spec.key_name is not None and self._project.key_pairs.get(spec.key_name) is None:
            raise Refused(f"There is no key pair {spec.key_name!r} in this project.")
        for refused, name in (
            (spec.scheduler_hints, "scheduler_hints"),
            (spec.config_drive, "config_drive"),
            (spec.admin_password, "admin_password"),
            (spec.availability_zone not in ZONES, "availability_zone"),
        ):
            if refused:
                raise Refused(
                    f"The local cloud cannot honour {name}: its servers run on this machine.",
                    remedy=f"Leave {name} out.",
                )
        for device in devices:
            snapshot_id = device.snapshot_id
            if snapshot_id and self._project.volume_snapshots.get(snapshot_id) is None:
                raise Refused(f"There is no volume snapshot {snapshot_id!r} in this project.")
            if device.volume_id and self._project.volumes.get(device.volume_id) is None:
                raise Refused(f"There is no volume {device.volume_id!r} in this project.")

    def _take_ports(
        self, spec: ServerSpec, server_id: str, token: Token, kept: dict[Nic, str]
    ) -> tuple[str, ...]:
        """The ports of a server's nics; what was taken before a refusal is given back."""
        taken: list[str] = []
        fresh: list[str] = []
        try:
            for number, nic in enumerate(spec.nics or (Nic(),)):
                port_id = kept.pop(nic, None)
                if port_id is None:
                    port_id = self._take_port(nic, spec, server_id, Token(f"{token}/nic-{number}"))
                    fresh.append(port_id)
                taken.append(port_id)
        except (Refused, Clash, Exhausted):
            for port_id in fresh:
                self._ports.release(port_id)
            raise
        return tuple(taken)

    def _take_port(self, nic: Nic, spec: ServerSpec, server_id: str, token: Token) -> str:
        if nic.port_id is not None:
            port = self._project.ports.get(nic.port_id)
            if port is None:
                raise Refused(f"There is no port {nic.port_id!r} in this project.")
            if port.object.device_id not in ("", server_id):
                raise Clash(f"Port {nic.port_id} is used by {port.object.device_id}.")
            return self._ports.bind(nic.port_id, server_id, DEVICE_OWNER).id
        network = find_network(self._project, nic.network_id or "private").object
        wish = (FixedIp(ip_address=nic.fixed_ip),) if nic.fixed_ip else ()
        made = self._ports.make_owned(
            PortSpec(
                name="",
                network_id=network.id,
                fixed_ips=wish,
                security_groups=spec.security_groups or None,
                device_id=server_id,
                device_owner=DEVICE_OWNER,
            ),
            Token(f"{token}/{server_id}"),
        )
        if not made.fixed_ips:
            self._ports.release(made.id)
            raise Refused(
                f"Network {network.name!r} has no subnet, so a server on it has no address.",
                remedy="Make a subnet on it first.",
            )
        return made.id

    def _change(self, entry: ServerEntry, spec: ServerSpec) -> ServerEntry:
        before = entry.object.spec
        for name in ("image", "user_data", "key_name", "block_devices", "availability_zone"):
            if getattr(before, name) != getattr(spec, name):
                raise Refused(f"A server's {name} cannot change in place; rebuild or replace it.")
        self._check(spec, booted=before.image)
        notes = entry.notes
        if before.flavor != spec.flavor:
            notes = replace(notes, boot=notes.boot + 1)
        if before.nics != spec.nics:
            notes = replace(notes, port_ids=self._exchange_ports(entry, spec))
        return Entry(replace(entry.object, name=spec.name, spec=spec), notes)

    def _exchange_ports(self, entry: ServerEntry, spec: ServerSpec) -> tuple[str, ...]:
        nics = entry.object.spec.nics or (Nic(),)
        kept = dict(zip(nics, entry.notes.port_ids, strict=True))
        token = Token(f"{entry.object.token}/{self._state.settings.new_id()}")
        taken = self._take_ports(spec, entry.object.id, token, kept)
        for port_id in entry.notes.port_ids:
            if port_id not in taken:
                self._ports.release(port_id)
        return taken

    def _check_unused(self, entry: ServerEntry) -> None:
        check_not_copied(self._project, entry.object.id, "server")

    def _let_go(self, entry: ServerEntry) -> None:
        self._keep(entry, replace(entry.notes, deleting=True))

    def get_now(self, object_id: str) -> Server:
        """As it is now; what was begun and cut short is taken up again."""
        entry = self.entry(object_id)
        machine = self.machine(object_id)
        if entry.notes.deleting or (
            entry.notes.wanted == "on" and machine.report(entry.notes.boot) is None
        ):
            self._settle(object_id)
            entry = self.entry(object_id)
        return self._view(entry)

    def _view(self, entry: ServerEntry) -> Server:
        status, fault = self._status(entry)
        return replace(entry.object, status=status, fault=fault, addresses=self._addresses(entry))

    def _addresses(self, entry: ServerEntry) -> tuple[Address, ...]:
        found: list[Address] = []
        for port_id in entry.notes.port_ids:
            port = self._project.ports.get(port_id)
            if port is None:
                continue
            network = self._project.networks.get(port.object.spec.network_id)
            name = network.object.name if network else ""
            same = Address(
                address="", network=name, mac_address=port.object.mac_address, port_id=port_id
            )
            found += [
                replace(same, address=fixed.ip_address or "") for fixed in port.object.fixed_ips
            ]
            found += [
                replace(same, address=floating.object.address, type="floating")
                for floating in self._project.floating_ips
                if floating.object.port_id == port_id
            ]
        return tuple(found)

    def _status(self, entry: ServerEntry) -> tuple[ObjectStatus, str]:
        notes = entry.notes
        if notes.deleting:
            return ObjectStatus.DELETING, ""
        machine = self.machine(entry.object.id)
        if notes.wanted == "off":
            running = machine.supervisor() is not None
            return (ObjectStatus.ACTIVE if running else ObjectStatus.STOPPED), ""
        report = machine.report(notes.boot)
        if report is None:
            return ObjectStatus.BUILDING, ""
        if report.phase == "failed":
            return ObjectStatus.ERROR, self._fault(entry, report, machine)
        if machine.supervisor() is None:
            return ObjectStatus.ERROR, (
                f"The supervisor of server {entry.object.name!r} was killed, and its processes "
                "with it. Switch the server off and on, or replace it."
            )
        if notes.wanted == "suspended":
            return ObjectStatus.SUSPENDED, ""
        if report.phase == "booted":
            return ObjectStatus.ACTIVE, ""
        parts = len(boot_parts(entry.object.spec.user_data))
        last = report.part >= parts and not _must_finish(entry.object.spec)
        settled = time.time() - report.since >= SETTLED_AFTER_SECONDS
        return (ObjectStatus.ACTIVE if last and settled else ObjectStatus.BUILDING), ""

    def _fault(self, entry: ServerEntry, report: Report, machine: Machine) -> str:
        parts = boot_parts(entry.object.spec.user_data)
        part = parts[report.part - 1].name if 0 < report.part <= len(parts) else "boot"
        if report.why:
            what = f"was ended because {report.why}"
        elif report.signal is not None:
            what = f"was killed by signal {report.signal} ({_signal_name(report.signal)})"
        else:
            what = f"ended with exit code {report.exit_code}"
        tail = machine.console(FAULT_LINES)
        said = f"its console log ends with:\n{tail}" if tail else "its console log is empty."
        return f"The boot script ({part}) of server {entry.object.name!r} {what}; {said}"

    # --- what is done ------------------------------------------------------------------------

    def _settle(self, object_id: str) -> None:
        """Bring the processes to what is recorded. Safe to repeat, also after any interruption."""
        with _locks[object_id]:
            entry = self._shelf.get(object_id)
            if entry is None:
                return
            machine = self.machine(object_id)
            if entry.notes.deleting:
                self._tear_down(entry, machine)
            elif entry.notes.wanted == "off":
                machine.end(hard=False)
            else:
                self._attach_boot_volumes(entry)
                machine.start(self._start_of(entry))
                self._filled(entry)
                machine.freeze(thaw=entry.notes.wanted == "on")

    def _filled(self, entry: ServerEntry) -> None:
        """Its folder needs the image no more."""
        if not entry.notes.fill:
            return
        with self._state.lock:
            now = self.entry(entry.object.id)
            if now.notes.fill == entry.notes.boot:
                self._keep(now, replace(now.notes, fill=0))

    def _tear_down(self, entry: ServerEntry, machine: Machine) -> None:
        machine.end(hard=True)
        with self._state.lock:
            for attachment in self._project.attachments:
                if attachment.object.spec.server_id == entry.object.id:
                    self._attachments.detach(attachment)
            for volume_id in entry.notes.doomed_volume_ids:
                if self._project.volumes.get(volume_id) is not None:
                    self._volumes.delete_now(volume_id)
            for port_id in entry.notes.port_ids:
                self._ports.release(port_id)
        machine.remove()
        self._shelf.drop(entry.object.id)
        self._state.forward()

    def _attach_boot_volumes(self, entry: ServerEntry) -> None:
        devices = entry.object.spec.block_devices
        if len(entry.notes.boot_volume_ids) == len(devices):
            return
        volumes: list[str] = []
        doomed: list[str] = []
        for number, device in enumerate(devices):
            volume_id = self._volume_of(device, entry, number)
            volumes.append(volume_id)
            if device.delete_on_termination:
                doomed.append(volume_id)
            spec = VolumeAttachmentSpec(
                server_id=entry.object.id, volume_id=volume_id, mountpoint=device.device_name
            )
            self._attachments.create_now(spec, Token(f"{entry.object.token}/attach-{number}"))
        self._keep(
            self.entry(entry.object.id),
            replace(entry.notes, boot_volume_ids=tuple(volumes), doomed_volume_ids=tuple(doomed)),
        )

    def _volume_of(self, device: BlockDevice, entry: ServerEntry, number: int) -> str:
        if device.volume_id is not None:
            return device.volume_id
        spec = VolumeSpec(
            name=f"{entry.object.name}-disk-{number}",
            size_gib=device.size_gib or self._size_of(device.snapshot_id),
            snapshot_id=device.snapshot_id,
        )
        token = Token(f"{entry.object.token}/disk-{number}")
        return self._volumes.create_now(spec, token).id

    def _size_of(self, snapshot_id: str | None) -> int:
        snapshot = self._project.volume_snapshots.get(snapshot_id) if snapshot_id else None
        return snapshot.object.size_gib if snapshot else 1

    def _start_of(self, entry: ServerEntry) -> Start:
        spec = entry.object.spec
        return Start(
            boot=entry.notes.boot,
            parts=boot_parts(spec.user_data),
            flavor=find_flavor(spec.flavor),
            host_name=re.sub(r"[^A-Za-z0-9-]+", "-", spec.name).strip("-")[:63] or "server",
            environment=self._environment(entry),
            nameservers=self._nameservers(entry),
            must_finish=_must_finish(spec),
            boot_timeout_seconds=_boot_timeout(spec),
            fill=self._fill_of(entry),
        )

    def _fill_of(self, entry: ServerEntry) -> Path | None:
        """What its folder is to hold before this boot, if anything new."""
        if entry.notes.fill != entry.notes.boot:
            return None
        image = find_kept_image(self._project, entry.object.spec.image)
        return None if image is None else kept_folder(self._project, image.id)

    def _nameservers(self, entry: ServerEntry) -> tuple[str, ...]:
        """What the subnets of its ports name, once each."""
        found: list[str] = []
        for port_id in entry.notes.port_ids:
            port = self._project.ports.get(port_id)
            for fixed in port.object.fixed_ips if port else ():
                subnet = self._project.subnets.get(fixed.subnet_id or "")
                found += subnet.object.spec.dns_nameservers if subnet else ()
        return tuple(dict.fromkeys(found))

    def _environment(self, entry: ServerEntry) -> dict[str, str]:
        addresses = [one.address for one in self._addresses(entry) if one.type == "fixed"]
        root = str(self.machine(entry.object.id).root.resolve())
        base = self._state.settings.metadata_base_url
        environment = {
            "HOME": root,
            "PATH": search_path(),
            "LANG": "C.UTF-8",
            "SHELL": "/bin/sh",
            "TERM": "dumb",
            "PYTHONUNBUFFERED": "1",
            "SERVER_ID": entry.object.id,
            "SERVER_NAME": entry.object.name,
            "SERVER_IP": addresses[0] if addresses else "",
            "SERVER_IPS": " ".join(addresses),
            "PORT": entry.object.spec.metadata.get(PORT_KEY, DEFAULT_PORT),
        }
        if base is not None:
            url = f"{base.rstrip('/')}/{entry.notes.secret}"
            environment["MANTLE_METADATA_URL"] = url
        return environment

    def _power_now(self, server_id: str, power: Power) -> None:
        with self._state.lock:
            entry = self.entry(server_id)
            status, _ = self._status(entry)
            notes = entry.notes
            match power:
                case Power.ON if status in (ObjectStatus.STOPPED, ObjectStatus.ERROR):
                    notes = replace(notes, wanted="on", boot=notes.boot + 1)
                case Power.REBOOT | Power.HARD_REBOOT:
                    notes = replace(notes, wanted="on", boot=notes.boot + 1)
                case Power.OFF:
                    notes = replace(notes, wanted="off")
                case Power.SUSPEND if status in (ObjectStatus.ACTIVE, ObjectStatus.SUSPENDED):
                    notes = replace(notes, wanted="suspended")
                case Power.RESUME if status in (ObjectStatus.ACTIVE, ObjectStatus.SUSPENDED):
                    notes = replace(notes, wanted="on")
                case Power.ON if status is ObjectStatus.ACTIVE:
                    return
                case _:
                    raise Clash(f"Server {entry.object.name!r} is {status}, so it cannot {power}.")
            self._keep(entry, notes)
        if power is Power.HARD_REBOOT:
            self.machine(server_id).end(hard=True)
        self._settle(server_id)

    def _resize_now(self, server_id: str, flavor: str) -> None:
        wanted = find_flavor(flavor)
        spec = self.entry(server_id).object.spec
        if find_flavor(spec.flavor) != wanted:
            self._update_now(server_id, replace(spec, flavor=wanted.name))

    def _rebuild_now(self, server_id: str, spec: ServerSpec) -> Server:
        with self._state.lock:
            entry = self.entry(server_id)
            same = replace(
                entry.object.spec,
                image=spec.image,
                user_data=spec.user_data,
                key_name=spec.key_name,
            )
            check_bootable(self._project, spec.image)
            changed = self._change(replace(entry, object=replace(entry.object, spec=same)), spec)
            boot = changed.notes.boot + 1
            fill = boot if find_kept_image(self._project, spec.image) else 0
            notes = replace(changed.notes, wanted="on", boot=boot, fill=fill)
            self._shelf.put(replace(changed, notes=notes))
        self._settle(server_id)
        return self.get_now(server_id)


def _must_finish(spec: ServerSpec) -> bool:
    return spec.metadata.get(BOOT_KEY) == "complete"


def _boot_timeout(spec: ServerSpec) -> float:
    text = spec.metadata.get(BOOT_TIMEOUT_KEY, str(BOOT_TIMEOUT_SECONDS))
    try:
        seconds = float(text)
    except ValueError as problem:
        raise Refused(f"{BOOT_TIMEOUT_KEY} is not a number of seconds: {text!r}.") from problem
    if not 0 < seconds <= 86_400:
        raise Refused(f"{BOOT_TIMEOUT_KEY} must lie between 0 and 86400: {text!r}.")
    return seconds


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
