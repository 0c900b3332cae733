"""openstacksdk's orchestration proxy and its cloud layer, in the clients' own interpreter."""

import pytest

pytestmark = pytest.mark.clients

SCRIPT = """
import openstack

cloud = openstack.connect()
heat = cloud.orchestration
template = {
    "heat_template_version": "2021-04-16",
    "parameters": {"word": {"type": "string", "default": "hello"}},
    "resources": {
        "echo": {"type": "OS::Heat::TestResource", "properties": {"value": {"get_param": "word"}}}
    },
    "outputs": {"said": {"value": {"get_attr": ["echo", "output"]}}},
}
stack = heat.create_stack(name="sdk", template=template)
stack = heat.wait_for_status(stack, "CREATE_COMPLETE", failures=["CREATE_FAILED"], interval=1)
assert stack.outputs[0]["output_value"] == "hello", stack.outputs
assert heat.find_stack("sdk").id == stack.id
assert "sdk" in [one.name for one in heat.stacks()]
(resource,) = heat.resources(stack)
assert resource.status == "CREATE_COMPLETE", resource
assert heat.get_stack_template(stack).resources == template["resources"]
assert heat.get_stack_environment(stack).parameters == {}
assert heat.get_stack_files(stack) == {}
assert list(heat.stack_events(stack))
heat.check_stack(stack)
heat.wait_for_status(heat.get_stack(stack.id), "CHECK_COMPLETE", interval=1)
heat.suspend_stack(stack)
heat.wait_for_status(heat.get_stack(stack.id), "SUSPEND_COMPLETE", interval=1)
heat.resume_stack(stack)
heat.wait_for_status(heat.get_stack(stack.id), "RESUME_COMPLETE", interval=1)
assert heat.validate_template(template)["Parameters"]["word"]["Type"] == "String"
config = heat.create_software_config(
    name="c", group="script", config="echo", inputs=[], outputs=[], options={}
)
deployment = heat.create_software_deployment(
    config_id=config.id, server_id="s", action="CREATE", status="IN_PROGRESS", status_reason=""
)
heat.update_software_deployment(deployment, status="COMPLETE")
assert heat.get_software_deployment(deployment.id).status == "COMPLETE"
heat.delete_software_deployment(deployment)
heat.delete_software_config(config)
stack = heat.get_stack(stack.id)
heat.delete_stack(stack)
heat.wait_for_delete(stack, interval=1)

import json, tempfile
with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
    json.dump(template, file)
    file.flush()
    made = cloud.create_stack("layer", template_file=file.name, wait=True)
    assert made.status == "CREATE_COMPLETE", made
    made = cloud.update_stack("layer", template_file=file.name, wait=True, word="bye")
    assert cloud.get_stack("layer").outputs[0]["output_value"] == "bye"
assert [one.name for one in cloud.search_stacks("layer")] == ["layer"]
assert cloud.delete_stack("layer", wait=True)
assert cloud.get_stack("layer") is None
print("done")
"""


def test_the_orchestration_proxy(plane, tmp_path):
    """Create, watch, act, update and delete, as programs do."""
    script = tmp_path / "sdk.py"
    script.write_text(SCRIPT)
    assert plane.run("python", script).strip() == "done"
