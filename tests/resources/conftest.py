"""A small cloud in memory behind the port, and an engine in miniature that drives phases over it.

The cloud keeps the port's promises (tokens, BUILDING before ACTIVE, Missing, Clash) and records its
calls. The engine keeps nothing between calls but what a row keeps; with `stutter=True` it loses the
first answer of every call, as a crash between deed and reply does.
"""

import asyncio
import itertools
from dataclasses import replace
from random import Random

import pytest
from msgspec import structs

from mantle.clouds import ports
from mantle.clouds.ports import Clash, Missing, ObjectStatus, Power
from mantle.engine.links import Links
from mantle.model.event import Signal
from mantle.resources.kit import Context, Delegate, Ref, Replace, Wait
from mantle.resources.registry import default_registry

POWER = {
    Power.ON: ObjectStatus.ACTIVE,
    Power.OFF: ObjectStatus.STOPPED,
    Power.REBOOT: ObjectStatus.ACTIVE,
    Power.SUSPEND: ObjectStatus.SUSPENDED,
    Power.RESUME: ObjectStatus.ACTIVE,
}


class Shelf:
    """One collection. `builds` is how many looks a new object stays BUILDING."""

    def __init__(self, kind, extras, *, builds=1):
        self.kind, self.extras, self.builds = kind, extras, builds
        self.objects, self.left, self.calls = {}, {}, []
        self.in_use = 0
        self.numbers = itertools.count(1)

    async def create(self, spec, token):
        self.calls.append("create")
        made = await self.find(token)
        if made is None:
            object_id = f"{self.kind.__name__.lower()}-{next(self.numbers)}"
            status = ObjectStatus.BUILDING if self.builds else ObjectStatus.ACTIVE
            name = getattr(spec, "name", "")
            made = self.kind(
                id=object_id, name=name, token=token, status=status, spec=spec, **self.extras(spec)
            )
            self.objects[object_id] = made
            self.left[object_id] = self.builds
        return made

    async def find(self, token):
        found = next((each for each in self.objects.values() if each.token == token), None)
        if found is not None and found.status is ObjectStatus.DELETING:
            del self.objects[found.id]
        return found

    async def get(self, object_id):
        found = self.objects.get(object_id)
        if found is None:
            raise Missing(f"no {object_id}")
        if found.status is ObjectStatus.DELETING:
            del self.objects[object_id]
        if found.status is ObjectStatus.BUILDING:
            self.left[object_id] -= 1
            if self.left[object_id] <= 0:
                self.objects[object_id] = replace(found, status=ObjectStatus.ACTIVE)
        return found

    async def list(self):
        return list(self.objects.values())

    async def update(self, object_id, spec):
        self.calls.append("update")
        changed = replace(self.objects[object_id], spec=spec, name=getattr(spec, "name", ""))
        self.objects[object_id] = changed
        return changed

    async def rebuild(self, object_id, spec):
        await self.update(object_id, spec)
        self.calls[-1] = "rebuild"
        self.left[object_id] = 1
        return await self.put(object_id, ObjectStatus.BUILDING)

    async def power(self, object_id, power):
        self.calls.append(power.value)
        await self.put(object_id, POWER[power])

    async def put(self, object_id, status, fault=""):
        self.objects[object_id] = replace(self.objects[object_id], status=status, fault=fault)
        return self.objects[object_id]

    async def delete(self, object_id):
        self.calls.append("delete")
        if object_id not in self.objects:
            raise Missing(f"no {object_id}")
        if self.in_use:
            self.in_use -= 1
            raise Clash("something uses it")
        await self.put(object_id, ObjectStatus.DELETING)


class KeyPairs(Shelf):
    """A key pair has no `spec`, and answers its private key once."""

    def __init__(self):
        super().__init__(ports.KeyPair, lambda _: {}, builds=0)

    async def create(self, spec, token):
        self.calls.append("create")
        made = await self.find(token)
        if made is not None:
            return made
        given = spec.public_key is not None
        made = ports.KeyPair(
            id=spec.name,
            name=spec.name,
            token=token,
            public_key=spec.public_key or f"made-{len(self.calls)}",
            fingerprint="f",
        )
        self.objects[made.id] = made
        return made if given else replace(made, private_key=f"secret of {made.public_key}")


def server_extras(spec):
    nets = [nic.network_id or "net" for nic in spec.nics] or ["default"]
    return {
        "addresses": tuple(
            ports.Address(address=f"10.0.0.{at}", network=net) for at, net in enumerate(nets, 5)
        )
    }


EXTRAS = {
    "servers": (ports.Server, server_extras),
    "networks": (ports.Network, lambda _: {}),
    "subnets": (ports.Subnet, lambda spec: {"gateway_ip": spec.gateway_ip or "10.0.0.1"}),
    "ports": (ports.Port, lambda spec: {"fixed_ips": spec.fixed_ips, "mac_address": "02::1"}),
    "routers": (ports.Router, lambda _: {}),
    "server_groups": (ports.ServerGroup, lambda _: {}),
    "router_interfaces": (ports.RouterInterface, lambda _: {}),
    "security_groups": (ports.SecurityGroup, lambda _: {}),
    "floating_ips": (ports.FloatingIp, lambda _: {"address": "203.0.113.5"}),
    "floating_ip_associations": (ports.FloatingIpAssociation, lambda _: {}),
    "volumes": (ports.Volume, lambda _: {}),
    "volume_attachments": (ports.VolumeAttachment, lambda _: {}),
    "load_balancers": (ports.LoadBalancer, lambda _: {"vip_address": "10.0.0.9"}),
    "listeners": (ports.Listener, lambda _: {}),
    "pools": (ports.Pool, lambda spec: {"load_balancer_id": spec.load_balancer_id or ""}),
    "members": (ports.Member, lambda _: {}),
    "health_monitors": (ports.HealthMonitor, lambda _: {}),
}


class Tiny:
    """A project's session."""

    project_id = "p1"

    def __init__(self, builds=1):
        self.key_pairs = KeyPairs()
        for name, (kind, extras) in EXTRAS.items():
            setattr(self, name, Shelf(kind, extras, builds=builds))

    def count(self):
        """All objects there are."""
        shelves = [self.key_pairs, *(getattr(self, name) for name in EXTRAS)]
        return sum(len(shelf.objects) for shelf in shelves)


def filled(schema, given):
    """Every property, with defaults, as coercion gives them; old names are taken as today's."""
    known = schema.properties
    assert given.keys() <= known.keys(), given.keys() - known.keys()
    return {name: given.get(name, each.default) for name, each in known.items()}


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.seconds = 1000.0

    def now(self):
        return self.seconds


class PowerCut(BaseException):
    """Raised out of a cloud's call: the process died there, and is started again."""


class Row:
    """One resource row and the miniature engine that drives its phases."""

    def __init__(self, cloud, kind, properties, *, name="it", **context):
        self.cloud = cloud
        self.type = default_registry().get(kind)
        self.properties = filled(self.type.schema, properties)
        self.ref = Ref(
            id="0d1f0000-0000-4000-8000-000000000001",
            name=name,
            stack_id="s1",
            stack_name="st",
            project_id="p1",
            token=f"token-{1 if name == 'it' else name}",
        )
        self.clock = context.pop("clock", None) or Clock()
        self.random = Random(7).randbytes
        self.context = context
        self.waits = []

    @property
    def now(self):
        return self.clock.now()

    def ctx(self, **changes):
        base = {
            "ref": self.ref,
            "properties": self.properties,
            "cloud": self.cloud,
            "now": self.now,
            "started_at": self.now,
            "random": self.random,
            "callbacks": Links(base_url="http://m", key=b"k" * 32),
            "name_hint": f"st-{self.ref.name}-000000000001",
        }
        return Context(**{**base, **self.context, **changes})

    def drive(self, phase, *, stutter=False, fresh=False, limit=30, **changes):
        """Call a phase until it ends; with `stutter` each call is made twice, one answer lost."""
        return asyncio.run(self._drive(phase, stutter, fresh, limit, changes))

    async def _drive(self, phase, stutter, fresh, limit, changes):
        self.waits = []
        call = getattr(self.type, phase)
        started_at = self.now
        for _ in range(limit):
            ctx = self.ctx(fresh=fresh, **{"started_at": started_at, **changes})
            try:
                outcome = await call(ctx)
                if stutter:
                    outcome = await call(structs.replace(ctx, fresh=False))
            except PowerCut:
                continue
            finally:
                fresh = False
            if isinstance(outcome, Delegate | Replace):
                return outcome
            self.ref = structs.replace(
                self.ref,
                physical_id=outcome.physical_id or self.ref.physical_id,
                data=self.ref.data if outcome.data is None else outcome.data,
            )
            if not isinstance(outcome, Wait):
                self.clock.seconds += 1
                return outcome
            self.waits.append(outcome)
            self.clock.seconds += outcome.again_after_seconds or 1.0
        raise AssertionError(f"{phase} did not end: {self.waits[-1]}")

    def create(self, **options):
        return self.drive("create", fresh=True, **options)

    def update(self, properties, **options):
        """An update to these properties."""
        before, self.properties = self.properties, filled(self.type.schema, properties)
        return self.drive("update", before=before, **options)

    def attributes(self):
        return asyncio.run(self.type.attributes(self.ctx()))

    @property
    def reference(self):
        return self.type.reference(self.ref)


@pytest.fixture
def cloud():
    return Tiny()


@pytest.fixture
def row(cloud):
    """Make a row of a type over the cloud: `row("OS::Nova::Server", {...})`."""

    def make(kind, properties=None, **context):
        return Row(cloud, kind, properties or {}, **context)

    return make


@pytest.fixture
def rows():
    """The row class, for stories over another cloud."""
    return Row


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def power_cut():
    """The exception that stands for a dying process."""
    return PowerCut


@pytest.fixture
def signal():
    """A signal with this body."""
    numbers = itertools.count(1)
    return lambda **body: Signal(id=str(next(numbers)), body=body, at=1000.0)


@pytest.fixture
def made(cloud):
    """Put an object on a shelf and answer its id: `made("networks", spec)`."""

    def make(shelf, spec):
        found = asyncio.run(getattr(cloud, shelf).create(spec, f"other-{next(numbers)}"))
        asyncio.run(getattr(cloud, shelf).put(found.id, ObjectStatus.ACTIVE))
        return found.id

    numbers = itertools.count(1)
    return make
