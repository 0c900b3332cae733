"""Software configurations and deployments. Heat answers 200 to their creation, not 201."""

from mantle.access.policy import allows, enforce
from mantle.api.door import Reply, empty
from mantle.api.heat import views
from mantle.api.heat.ask import Ask, as_object, as_objects, as_text
from mantle.model.errors import MantleError
from mantle.software import configs, deployments
from mantle.software.configs import ConfigRequest
from mantle.software.deployments import DeploymentChange, DeploymentRequest
from mantle.stacks.users import project_of_server


async def list_configs(ask: Ask) -> Reply:
    """GET /software_configs."""
    everyone = ask.flag("global_tenant")
    if everyone:
        enforce(ask.caller, "stacks:index_all_projects")
    found = await configs.list_configs(
        ask.control.database,
        None if everyone else ask.caller.project_id,
        limit=ask.number("limit"),
        marker=ask.call.first("marker"),
    )
    rows = [views.config_summary(config, with_project=everyone) for config in found]
    return Reply(body={"software_configs": rows})


async def create_config(ask: Ask) -> Reply:
    """POST /software_configs."""
    body = ask.call.json_object()
    request = ConfigRequest(
        name=as_text(body.get("name"), "name"),
        group=as_text(body.get("group"), "group", "Heat::Ungrouped"),
        config=body.get("config") if body.get("config") is not None else "",
        inputs=as_objects(body.get("inputs"), "inputs"),
        outputs=as_objects(body.get("outputs"), "outputs"),
        options=as_object(body.get("options"), "options"),
    )
    config = await configs.create_config(
        ask.control.database,
        ask.caller.project_id,
        request,
        config_id=ask.control.new_id(),
        now=ask.control.clock.now(),
    )
    return Reply(body={"software_config": views.config_detail(config)})


async def show_config(ask: Ask) -> Reply:
    """GET /software_configs/{config}."""
    config = await configs.find_config(
        ask.control.database, ask.caller.project_id, ask.names["config"]
    )
    secrets = allows(ask.caller.roles, "resources:signal")
    return Reply(body={"software_config": views.config_detail(config, secrets=secrets)})


async def delete_config(ask: Ask) -> Reply:
    """DELETE /software_configs/{config}."""
    await configs.delete_config(ask.control.database, ask.caller.project_id, ask.names["config"])
    return empty(204)


async def list_deployments(ask: Ask) -> Reply:
    """GET /software_deployments."""
    found = await deployments.list_deployments(
        ask.control.database, ask.caller.project_id, ask.call.first("server_id")
    )
    rows = [views.deployment_detail(deployment) for deployment in found]
    return Reply(body={"software_deployments": rows})


async def create_deployment(ask: Ask) -> Reply:
    """POST /software_deployments."""
    body = ask.call.json_object()
    for name in ("config_id", "server_id"):
        if not body.get(name):
            raise MantleError(f"The request body has no {name}.", remedy=f'Send "{name}".')
    request = DeploymentRequest(
        config_id=as_text(body["config_id"], "config_id"),
        server_id=as_text(body["server_id"], "server_id"),
        action=as_text(body.get("action"), "action", "CREATE"),
        status=as_text(body.get("status"), "status", "IN_PROGRESS"),
        status_reason=as_text(body.get("status_reason"), "status_reason"),
        stack_user_project_id=as_text(body.get("stack_user_project_id"), "stack_user_project_id"),
        input_values=as_object(body.get("input_values"), "input_values"),
    )
    deployment = await deployments.create_deployment(
        ask.control.database,
        ask.caller.project_id,
        request,
        deployment_id=ask.control.new_id(),
        now=ask.control.clock.now(),
    )
    return Reply(body={"software_deployment": views.deployment_detail(deployment)})


async def show_deployment(ask: Ask) -> Reply:
    """GET /software_deployments/{deployment}."""
    deployment = await deployments.find_deployment(
        ask.control.database, ask.caller.project_id, ask.names["deployment"]
    )
    return Reply(body={"software_deployment": views.deployment_detail(deployment)})


async def update_deployment(ask: Ask) -> Reply:
    """PUT /software_deployments/{deployment}."""
    body = ask.call.json_object()

    def text(name: str) -> str | None:
        return None if body.get(name) is None else as_text(body[name], name)

    def data(name: str) -> dict[str, object] | None:
        return None if body.get(name) is None else as_object(body[name], name)

    change = DeploymentChange(
        config_id=text("config_id"),
        action=text("action"),
        status=text("status"),
        status_reason=text("status_reason"),
        input_values=data("input_values"),
        output_values=data("output_values"),
    )
    deployment = await deployments.update_deployment(
        ask.control.database,
        ask.caller.project_id,
        ask.names["deployment"],
        change,
        now=ask.control.clock.now(),
    )
    return Reply(body={"software_deployment": views.deployment_detail(deployment)})


async def delete_deployment(ask: Ask) -> Reply:
    """DELETE /software_deployments/{deployment}."""
    await deployments.delete_deployment(
        ask.control.database, ask.caller.project_id, ask.names["deployment"]
    )
    return empty(204)


async def server_metadata(ask: Ask) -> Reply:
    """GET /software_deployments/metadata/{server}: what a server's agent polls."""
    project_id = ask.caller.project_id
    if ask.caller.is_stack_user:
        project_id = await project_of_server(ask.control, ask.caller, ask.names["server"])
    found = await deployments.configs_of_server(
        ask.control.database, project_id, ask.names["server"]
    )
    secrets = allows(ask.caller.roles, "resources:signal")
    rows = [views.server_config(*each, secrets=secrets) for each in found]
    return Reply(body={"metadata": rows})
