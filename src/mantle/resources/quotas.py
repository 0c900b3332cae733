"""OS::…::Quota: what a project may have of each service; deleting puts the cloud's own back."""

from collections.abc import Mapping
from typing import Any

from mantle.resources.kit import Context, ResourceType
from mantle.resources.plain import SettingSheet, named, setting
from mantle.resources.schemas import integer, schema, string

_project = named("projects")


async def _target(ctx: Context) -> str:
    return str(await _project(ctx, ctx.properties["project"]))


def _quota(
    name: str, kind: str, names: tuple[str, ...], since: str, old: tuple[str, ...] = ()
) -> ResourceType:
    def check(properties: Mapping[str, Any]) -> list[str]:
        if any(properties.get(each) is not None for each in names):
            return []
        return [f"One of {', '.join(sorted(names))} must be given."]

    async def values(_: Context, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        return {each: wanted[each] for each in names if wanted.get(each) is not None}

    limits = {
        each: integer(
            f"The most {each.replace('_', ' ')}; -1 for any number.",
            low=-1,
            update=True,
            hidden=each in old,
        )
        for each in names
    }
    return setting(
        SettingSheet(
            schema=schema(
                f"OS::{name}::Quota",
                "What a project may have; without it, what the cloud gives every project.",
                {
                    "project": string(
                        "The project, by name or id.", required=True, custom="keystone.project"
                    ),
                    **limits,
                },
                since=since,
                begins_with=names[0],
            ),
            setting=kind,
            target=_target,
            values=values,
            check=check,
            admin_only=True,
        )
    )


INJECTED = ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")

TYPES = (
    _quota(
        "Nova",
        "compute_quotas",
        (
            *("cores", "fixed_ips", "floating_ips", "instances", *INJECTED, "key_pairs"),
            *("metadata_items", "ram", "security_groups", "security_group_rules"),
            *("server_groups", "server_group_members"),
        ),
        "8.0.0",
        INJECTED,
    ),
    _quota(
        "Cinder",
        "volume_quotas",
        ("gigabytes", "volumes", "backups", "backup_gigabytes", "snapshots"),
        "7.0.0",
    ),
    _quota(
        "Neutron",
        "network_quotas",
        (
            *("subnet", "network", "floatingip", "security_group_rule", "security_group"),
            *("router", "port", "subnetpool", "rbac_policy"),
        ),
        "8.0.0",
    ),
    _quota(
        "Octavia",
        "balancer_quotas",
        ("healthmonitor", "listener", "loadbalancer", "pool", "member"),
        "14.0.0",
    ),
)
