"""Every route of Heat's API under `/v1/{project}`, with what its caller must be allowed to do.

Rows are tried in order. The two-part paths that redirect (`stacks/{name}/events`) come before
`stacks/{name}/{id}`, which they would fit too.
"""

from mantle.api.door import Reply
from mantle.api.heat import (
    events,
    parts,
    resources,
    service,
    snapshots,
    software,
    stacks,
    templates,
    types,
    validation,
)
from mantle.api.heat.ask import Ask, Handler
from mantle.api.routing import Route, Router

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

STACK = "stacks/{name}/{id}"
RESOURCE = STACK + "/resources/{resource}"


def _lookup_below(path: str) -> Handler:
    """Redirects a path below a stack's name alone."""

    async def lookup(ask: Ask) -> Reply:
        return await stacks.lookup(ask, path)

    return lookup


ROUTES: tuple[Route[Handler], ...] = (
    Route("GET", "build_info", service.build_info, "build_info:show"),
    Route("GET", "services", service.services, "services:index"),
    Route("POST", "validate", validation.validate, "stacks:validate"),
    Route("GET", "resource_types", types.index, "types:index"),
    Route("GET", "resource_types/{type}", types.show, "types:show"),
    Route("GET", "resource_types/{type}/template", types.template, "types:show"),
    Route("GET", "template_versions", templates.versions, "types:index"),
    Route("GET", "template_versions/{version}/functions", templates.functions, "types:index"),
    Route("GET", "stacks", stacks.index, "stacks:index"),
    Route("POST", "stacks", stacks.create, "stacks:create"),
    Route("GET", "stacks/detail", stacks.detail, "stacks:index"),
    Route("POST", "stacks/preview", stacks.preview, "stacks:preview"),
    *(Route(method, "stacks/{name}", _lookup_below(""), "stacks:lookup") for method in METHODS),
    *(
        Route("GET", f"stacks/{{name}}/{path}", _lookup_below(path), "stacks:lookup")
        for path in ("resources", "events", "template", "environment", "files")
    ),
    Route("POST", "stacks/{name}/actions", _lookup_below("actions"), "stacks:lookup"),
    Route("GET", STACK, stacks.show, "stacks:show"),
    Route("PUT", STACK, stacks.update, "stacks:update"),
    Route("PATCH", STACK, stacks.patch, "stacks:update"),
    Route("DELETE", STACK, stacks.delete, "stacks:delete"),
    Route("PUT", STACK + "/preview", stacks.preview_put, "stacks:preview"),
    Route("PATCH", STACK + "/preview", stacks.preview_patch, "stacks:preview"),
    Route("POST", STACK + "/actions", parts.action, "stacks:action"),
    Route("GET", STACK + "/template", parts.template, "stacks:template"),
    Route("GET", STACK + "/environment", parts.environment, "stacks:environment"),
    Route("GET", STACK + "/files", parts.files, "stacks:files"),
    Route("GET", STACK + "/outputs", parts.outputs, "stacks:outputs"),
    Route("GET", STACK + "/outputs/{key}", parts.output, "stacks:outputs"),
    Route("GET", STACK + "/export", snapshots.export, "stacks:export"),
    Route("DELETE", STACK + "/abandon", snapshots.abandon, "stacks:abandon"),
    Route("GET", STACK + "/snapshots", snapshots.index, "snapshots:index"),
    Route("POST", STACK + "/snapshots", snapshots.take, "snapshots:create"),
    Route("GET", STACK + "/snapshots/{snapshot}", snapshots.show, "snapshots:index"),
    Route("DELETE", STACK + "/snapshots/{snapshot}", snapshots.delete, "snapshots:delete"),
    Route("POST", STACK + "/snapshots/{snapshot}/restore", snapshots.restore, "snapshots:restore"),
    Route("GET", STACK + "/resources", resources.index, "resources:index"),
    Route("GET", RESOURCE, resources.show, "resources:show"),
    Route("PATCH", RESOURCE, resources.mark, "resources:mark_unhealthy"),
    Route("GET", RESOURCE + "/metadata", resources.metadata, "resources:metadata"),
    Route("POST", RESOURCE + "/signal", resources.signal, "resources:signal"),
    Route("GET", STACK + "/events", events.index, "events:index"),
    Route("GET", RESOURCE + "/events", events.of_resource, "events:index"),
    Route("GET", RESOURCE + "/events/{event}", events.show, "events:show"),
    Route("GET", "software_configs", software.list_configs, "software_configs:index"),
    Route("POST", "software_configs", software.create_config, "software_configs:create"),
    Route("GET", "software_configs/{config}", software.show_config, "software_configs:show"),
    Route("DELETE", "software_configs/{config}", software.delete_config, "software_configs:delete"),
    Route("GET", "software_deployments", software.list_deployments, "software_deployments:index"),
    Route(
        "POST", "software_deployments", software.create_deployment, "software_deployments:create"
    ),
    Route(
        "GET",
        "software_deployments/metadata/{server}",
        software.server_metadata,
        "software_deployments:metadata",
    ),
    Route(
        "GET",
        "software_deployments/{deployment}",
        software.show_deployment,
        "software_deployments:show",
    ),
    Route(
        "PUT",
        "software_deployments/{deployment}",
        software.update_deployment,
        "software_deployments:update",
    ),
    Route(
        "DELETE",
        "software_deployments/{deployment}",
        software.delete_deployment,
        "software_deployments:delete",
    ),
)

ROUTER: Router[Handler] = Router(ROUTES)
