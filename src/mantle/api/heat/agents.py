"""What an agent in a server reads: the server's metadata, with where to look again and what to do.

Heat writes both into the resource's metadata. Here they are put together when they are read, so
that they cannot be out of date.
"""

from typing import Any

from mantle.api.heat import views
from mantle.engine.operation import ref_of
from mantle.model.records import ResourceRecord, StackRecord
from mantle.resources.agent import collect_config
from mantle.software.deployments import configs_of_server
from mantle.stacks.control import Control


async def agent_metadata(
    control: Control, stack: StackRecord, row: ResourceRecord, *, secrets: bool = True
) -> dict[str, Any]:
    """The resource's own metadata; for a server with an agent, what that needs besides.

    Without `secrets` (for one who may only read) no account and no address that signals is in it.
    """
    metadata = dict(row.metadata)
    config = collect_config(
        row.resolved_type, row.properties, ref_of(row, stack), control.machine.links
    )
    if config is None:
        return metadata
    found = await configs_of_server(control.database, stack.project_id, row.physical_id or "")
    return {
        **metadata,
        "os-collect-config": config if secrets else views.MASK,
        "deployments": [views.server_config(*each, secrets=secrets) for each in found],
    }
