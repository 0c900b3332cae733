"""Octavia's tree: load balancers, listeners, pools, members, health monitors.

While one part of a tree changes, Octavia refuses to change another (409): such a refusal is waited
out here for a while, as it always passes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from mantle.clouds import ports as p
from mantle.clouds.openstack import marks, states
from mantle.clouds.openstack.caller import Caller
from mantle.clouds.openstack.collection import RestCollection
from mantle.clouds.openstack.errors import Service
from mantle.clouds.openstack.kind import Kind, Raw, Search, differing, given
from mantle.model.ids import Token

OCTAVIA = Service.BALANCER
CHANGING_SECONDS = 20.0
"""How long a tree that is being changed is waited for, in one call."""

AnswerT = TypeVar("AnswerT")


def base(raw: Raw) -> dict[str, Any]:
    """What every part of the tree says."""
    status = states.BALANCER.get(str(raw.get("provisioning_status")), p.ObjectStatus.BUILDING)
    return {
        "id": raw["id"],
        "name": raw.get("name") or "",
        "token": token_of(raw),
        "status": status,
        "fault": "Octavia could not set it up" if status is p.ObjectStatus.ERROR else "",
        "created_at": states.seconds(raw.get("created_at")),
    }


def token_of(raw: Raw) -> Token:
    """From the tags."""
    return marks.tagged(raw.get("tags") or ())


def _first(raw: Raw, name: str) -> str | None:
    return next((each["id"] for each in raw.get(name) or ()), None)


# --- load balancers --------------------------------------------------------------------------


def _plain(spec: Any) -> dict[str, Any]:
    """The fields that every part of the tree has and can change."""
    return {
        "name": spec.name,
        "description": spec.description,
        "admin_state_up": spec.admin_state_up,
    }


LOAD_BALANCERS = Kind(
    name="load_balancers",
    noun="load balancer",
    service=OCTAVIA,
    path="/lbaas/loadbalancers",
    one="loadbalancer",
    many="loadbalancers",
    search=Search.TAGS,
    body=lambda spec, token: given(
        {
            **_plain(spec),
            "vip_subnet_id": spec.vip_subnet_id,
            "vip_address": spec.vip_address,
            "tags": [marks.tag(token)],
        }
    ),
    change=lambda spec, raw: differing(_plain(spec), raw),
    read=lambda raw: p.LoadBalancer(
        **base(raw),
        spec=p.LoadBalancerSpec(
            name=raw["name"],
            vip_subnet_id=raw.get("vip_subnet_id") or "",
            vip_address=raw.get("vip_address"),
            description=raw.get("description") or "",
            admin_state_up=raw["admin_state_up"],
        ),
        vip_address=raw.get("vip_address") or "",
        vip_port_id=raw.get("vip_port_id") or "",
    ),
    token_of=token_of,
)

# --- listeners -------------------------------------------------------------------------------


def _listener_fields(spec: p.ListenerSpec) -> dict[str, Any]:
    return {
        **_plain(spec),
        "default_pool_id": spec.default_pool_id,
        "connection_limit": spec.connection_limit,
        "allowed_cidrs": list(spec.allowed_cidrs) or None,
    }


def _listener_change(spec: p.ListenerSpec, raw: Raw) -> dict[str, Any]:
    """A pool that was made for the listener is its default; not naming one leaves it."""
    fields = _listener_fields(spec)
    if spec.default_pool_id is None:
        del fields["default_pool_id"]
    return differing(fields, raw)


LISTENERS = Kind(
    name="listeners",
    noun="listener",
    service=OCTAVIA,
    path="/lbaas/listeners",
    one="listener",
    many="listeners",
    search=Search.TAGS,
    body=lambda spec, token: given(
        {
            **_listener_fields(spec),
            "loadbalancer_id": spec.load_balancer_id,
            "protocol": spec.protocol,
            "protocol_port": spec.protocol_port,
            "tags": [marks.tag(token)],
        }
    ),
    change=_listener_change,
    read=lambda raw: p.Listener(
        **base(raw),
        spec=p.ListenerSpec(
            name=raw["name"],
            load_balancer_id=_first(raw, "loadbalancers") or "",
            protocol=raw["protocol"],
            protocol_port=raw["protocol_port"],
            default_pool_id=raw.get("default_pool_id"),
            connection_limit=raw.get("connection_limit", -1),
            admin_state_up=raw["admin_state_up"],
            description=raw.get("description") or "",
            allowed_cidrs=tuple(raw.get("allowed_cidrs") or ()),
        ),
    ),
    token_of=token_of,
)

# --- pools -----------------------------------------------------------------------------------


def _persistence(spec: p.PoolSpec) -> dict[str, str] | None:
    return dict(spec.session_persistence) if spec.session_persistence else None


def _pool_change(spec: p.PoolSpec, raw: Raw) -> dict[str, Any]:
    change = differing({**_plain(spec), "lb_algorithm": spec.algorithm}, raw)
    present = {key: value for key, value in (raw.get("session_persistence") or {}).items() if value}
    wanted = _persistence(spec)
    if not (wanted or {}).items() <= present.items() or bool(wanted) != bool(present):
        change["session_persistence"] = wanted
    return change


def _pool(raw: Raw) -> p.Pool:
    persistence = raw.get("session_persistence") or {}
    return p.Pool(
        **base(raw),
        spec=p.PoolSpec(
            name=raw["name"],
            protocol=raw["protocol"],
            algorithm=raw["lb_algorithm"],
            listener_id=_first(raw, "listeners"),
            load_balancer_id=_first(raw, "loadbalancers"),
            description=raw.get("description") or "",
            admin_state_up=raw["admin_state_up"],
            session_persistence={
                key: value
                for key, value in persistence.items()
                if value and key in {"type", "cookie_name"}
            }
            or None,
        ),
        load_balancer_id=_first(raw, "loadbalancers") or "",
        listener_ids=tuple(each["id"] for each in raw.get("listeners") or ()),
        member_ids=tuple(each["id"] for each in raw.get("members") or ()),
        health_monitor_id=raw.get("healthmonitor_id") or "",
    )


POOLS = Kind(
    name="pools",
    noun="pool",
    service=OCTAVIA,
    path="/lbaas/pools",
    one="pool",
    many="pools",
    search=Search.TAGS,
    body=lambda spec, token: given(
        {
            **_plain(spec),
            "protocol": spec.protocol,
            "lb_algorithm": spec.algorithm,
            "listener_id": spec.listener_id,
            "loadbalancer_id": None if spec.listener_id else spec.load_balancer_id,
            "session_persistence": _persistence(spec),
            "tags": [marks.tag(token)],
        }
    ),
    change=_pool_change,
    read=_pool,
    token_of=token_of,
)

# --- health monitors -------------------------------------------------------------------------


def _monitor_fields(spec: p.HealthMonitorSpec) -> dict[str, Any]:
    by_http = spec.type in {"HTTP", "HTTPS"}
    return given(
        {
            "delay": spec.delay_seconds,
            "timeout": spec.timeout_seconds,
            "max_retries": spec.max_retries,
            "admin_state_up": spec.admin_state_up,
            "http_method": spec.http_method if by_http else None,
            "url_path": spec.url_path if by_http else None,
            "expected_codes": spec.expected_codes if by_http else None,
        }
    )


HEALTH_MONITORS = Kind(
    name="health_monitors",
    noun="health monitor",
    service=OCTAVIA,
    path="/lbaas/healthmonitors",
    one="healthmonitor",
    many="healthmonitors",
    search=Search.TAGS,
    body=lambda spec, token: {
        **_monitor_fields(spec),
        "pool_id": spec.pool_id,
        "type": spec.type,
        "tags": [marks.tag(token)],
    },
    change=lambda spec, raw: differing(_monitor_fields(spec), raw),
    read=lambda raw: p.HealthMonitor(
        **base(raw),
        spec=p.HealthMonitorSpec(
            pool_id=_first(raw, "pools") or "",
            type=raw["type"],
            delay_seconds=raw["delay"],
            timeout_seconds=raw["timeout"],
            max_retries=raw["max_retries"],
            http_method=raw.get("http_method") or "GET",
            url_path=raw.get("url_path") or "/",
            expected_codes=raw.get("expected_codes") or "200",
            admin_state_up=raw["admin_state_up"],
        ),
    ),
    token_of=token_of,
)


async def patiently(call: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
    """The call, again while the tree is being changed."""
    loop = asyncio.get_running_loop()
    end = loop.time() + CHANGING_SECONDS
    pause = 0.3
    while True:
        try:
            return await call()
        except p.Clash as clash:
            passing = "409" in clash.message and loop.time() + pause < end
            if not passing:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 2.0)


class Tree(RestCollection[Any, Any]):
    """Any part of the tree but members."""

    async def make(self, spec: Any, token: Token) -> Raw:
        parent = super().make
        return await patiently(lambda: parent(spec, token))

    async def update(self, object_id: str, spec: Any) -> Any:
        parent = super().update
        return await patiently(lambda: parent(object_id, spec))

    async def remove(self, object_id: str) -> None:
        parent = super().remove
        await patiently(lambda: parent(object_id))


# --- members ---------------------------------------------------------------------------------


def _member_fields(spec: p.MemberSpec) -> dict[str, Any]:
    return {
        "weight": spec.weight,
        "admin_state_up": spec.admin_state_up,
        "monitor_address": spec.monitor_address,
        "monitor_port": spec.monitor_port,
    }


Founds = list[p.Member]
ONLINE = {"ONLINE": True, "DEGRADED": True, "DRAINING": True, "OFFLINE": False, "ERROR": False}


def _member(raw: Raw, pool_id: str) -> p.Member:
    return p.Member(
        **base(raw),
        spec=p.MemberSpec(
            pool_id=pool_id,
            address=raw["address"],
            protocol_port=raw["protocol_port"],
            weight=raw["weight"],
            admin_state_up=raw["admin_state_up"],
            monitor_address=raw.get("monitor_address"),
            monitor_port=raw.get("monitor_port"),
            subnet_id=raw.get("subnet_id"),
            tags=marks.other_tags(raw.get("tags") or ()),
        ),
        online=ONLINE.get(str(raw.get("operating_status"))),
    )


class Members:
    """Members live below their pools; by its id alone a member is found through the pools."""

    def __init__(self, caller: Caller, pools: RestCollection[Any, Any]) -> None:
        self._caller = caller
        self._pools = pools
        self._homes: dict[str, str] = {}
        """Pool ids by member ids, of those seen."""
        self._locks: dict[Token, asyncio.Lock] = {}

    async def create(self, spec: p.MemberSpec, token: Token) -> p.Member:
        async with self._locks.setdefault(token, asyncio.Lock()):
            try:
                await self._pools.own(spec.pool_id)
                for found in await self._of(spec.pool_id, ("tags", marks.tag(token))):
                    return found
                fields = given(
                    {
                        **_member_fields(spec),
                        "address": spec.address,
                        "protocol_port": spec.protocol_port,
                        "subnet_id": spec.subnet_id,
                        "tags": [marks.tag(token), *spec.tags],
                    }
                )
                path = f"/lbaas/pools/{spec.pool_id}/members"
                answer = await patiently(
                    lambda: self._caller.post(OCTAVIA, path, {"member": fields})
                )
                return self._seen(answer["member"], spec.pool_id)
            finally:
                self._locks.pop(token, None)

    async def find(self, token: Token) -> p.Member | None:
        found = await self._everywhere(("tags", marks.tag(token)))
        return found[0] if found else None

    async def get(self, object_id: str) -> p.Member:
        pool_id = await self._home(object_id)
        answer = await self._caller.get(OCTAVIA, f"/lbaas/pools/{pool_id}/members/{object_id}")
        return self._seen(answer["member"], pool_id)

    async def list(self) -> Sequence[p.Member]:
        return sorted(await self._everywhere(), key=lambda each: each.created_at)

    async def update(self, object_id: str, spec: p.MemberSpec) -> p.Member:
        pool_id = await self._home(object_id)
        path = f"/lbaas/pools/{pool_id}/members/{object_id}"
        raw = (await self._caller.get(OCTAVIA, path))["member"]
        change = differing(_member_fields(spec), raw)
        if change:
            answer = await patiently(lambda: self._caller.put(OCTAVIA, path, {"member": change}))
            raw = answer["member"]
        return self._seen(raw, pool_id)

    async def delete(self, object_id: str) -> None:
        pool_id = await self._home(object_id)
        path = f"/lbaas/pools/{pool_id}/members/{object_id}"
        await patiently(lambda: self._caller.delete(OCTAVIA, path))

    async def _home(self, member_id: str) -> str:
        if member_id not in self._homes:
            for raw in await self._pools.raws():
                for member in raw.get("members") or ():
                    self._homes[member["id"]] = raw["id"]
        if member_id not in self._homes:
            raise p.Missing(f"There is no pool member {member_id!r} in this project.")
        return self._homes[member_id]

    async def _everywhere(self, *params: tuple[str, str]) -> Founds:
        pools = await self._pools.raws()
        parts = await asyncio.gather(*(self._of(raw["id"], *params) for raw in pools))
        return [member for part in parts for member in part]

    async def _of(self, pool_id: str, *params: tuple[str, str]) -> Founds:
        try:
            answer = await self._caller.get(OCTAVIA, f"/lbaas/pools/{pool_id}/members", *params)
        except p.Missing:
            return []
        return [self._seen(raw, pool_id) for raw in answer["members"]]

    def _seen(self, raw: Raw, pool_id: str) -> p.Member:
        self._homes[raw["id"]] = pool_id
        return _member(raw, pool_id)
