"""The service catalog: where a client finds Heat's API and the identity service."""

from typing import Any

from mantle.model.ids import ProjectId

REGION = "RegionOne"


def service_catalog(base_url: str, project_id: ProjectId | None) -> list[dict[str, Any]]:
    """Built from the address the request came to, so that it is reachable from where it was asked.

    An unscoped token has no catalog, as in Keystone.
    """
    if not project_id:
        return []
    return [
        _service("orchestration", "heat", f"{base_url}/heat/v1/{project_id}"),
        _service("cloudformation", "heat-cfn", f"{base_url}/cfn/v1"),
        _service("identity", "keystone", f"{base_url}/identity/v3"),
        _service("mantle", "mantle", f"{base_url}/v2"),
    ]


def _service(kind: str, name: str, url: str) -> dict[str, Any]:
    return {
        "id": f"{name}-service",
        "type": kind,
        "name": name,
        "endpoints": [
            {
                "id": f"{name}-{interface}",
                "interface": interface,
                "region": REGION,
                "region_id": REGION,
                "url": url,
            }
            for interface in ("public", "internal", "admin")
        ],
    }
