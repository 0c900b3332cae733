"""Software deployments in virtual time: an agent polls, runs and answers, and the power goes."""

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.model.errors import NotFound
from mantle.model.graph import TemplateSource
from mantle.software.deployments import (
    DeploymentChange,
    configs_of_server,
    list_deployments,
    update_deployment,
)
from mantle.stacks.actions import resume_stack, suspend_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.queries import find_stack, list_resources, show_resource
from mantle.stacks.resources import signal_by_id
from mantle.stacks.update import UpdateRequest, update_stack
from mantle.store import software as software_rows

TEMPLATE = """
heat_template_version: 2018-08-31
parameters:
  word: {type: string, default: hello}
resources:
  script:
    type: OS::Heat::SoftwareConfig
    properties:
      group: script
      config: echo $word
      inputs: [{name: word}]
      outputs: [{name: said}]
  server:
    type: OS::Nova::Server
    properties: {flavor: m1.small, image: cirros, user_data_format: SOFTWARE_CONFIG}
  deployment:
    type: OS::Heat::SoftwareDeployment
    properties:
      config: {get_resource: script}
      server: {get_resource: server}
      input_values: {word: {get_param: word}}
      actions: [CREATE, UPDATE, DELETE, SUSPEND, RESUME]
outputs:
  said: {value: {get_attr: [deployment, said]}}
  code: {value: {get_attr: [deployment, deploy_status_code]}}
"""
GROUP = (
    TEMPLATE.replace("OS::Heat::SoftwareDeployment", "OS::Heat::SoftwareDeploymentGroup")
    .replace(
        "server: {get_resource: server}", "servers: {one: {get_resource: server}, two: elsewhere}"
    )
    .replace(
        "get_attr: [deployment, deploy_status_code]", "get_attr: [deployment, deploy_status_codes]"
    )
)


class Agent:
    """Polls every server that is deployed to, as os-collect-config does, and answers."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.ran: list[tuple[str, str]] = []
        self.answered: set[str] = set()

    async def poll(self, control) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(3)
            for each in await list_deployments(control.database, CALLER.project_id):
                for config, deployment in await configs_of_server(
                    control.database, CALLER.project_id, each.server_id
                ):
                    await self.run(control, config, deployment)

    async def run(self, control, config, deployment) -> None:
        if config.id in self.answered or deployment.status != "IN_PROGRESS":
            return
        inputs = {each["name"]: each["value"] for each in config.inputs}
        self.ran.append((inputs["deploy_action"], inputs["word"]))
        body = {"said": f"{config.config}: {inputs['word']}", "deploy_status_code": self.code}
        await signal_by_id(control, deployment.id, body)
        self.answered.add(config.id)


def lived(story, agent: Agent | None = None, plant: Plant | None = None) -> Plant:
    """One life of a control plane with an agent beside it."""
    plant = plant or Plant()

    async def both(control):
        polling = asyncio.ensure_future(agent.poll(control)) if agent else None
        try:
            await story(control)
        finally:
            if polling is not None:
                polling.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await polling

    assert plant.life(both)
    return plant


async def made(control, template=TEMPLATE, **options):
    source = TemplateSource(template=template)
    await create_stack(control, CALLER, CreateRequest(name="s", source=source, **options))
    await quiet(control)
    return await find_stack(control, CALLER.project_id, "s")


async def settled(control):
    await quiet(control)
    return await find_stack(control, CALLER.project_id, "s")


@pytest.mark.proves("life cycle: software deployments")
def test_a_deployment_lives_with_its_stack():
    """Run by each action that it names, with the values of then; nothing is left at the end."""
    agent = Agent()

    async def story(control):
        stack = await made(control)
        assert stack.state == "CREATE_COMPLETE", stack.reason
        assert stack.outputs == {"said": "echo $word: hello", "code": 0}
        request = UpdateRequest(existing=True, parameters={"word": "bye"})
        await update_stack(control, CALLER, stack, request)
        stack = await settled(control)
        assert (stack.state, stack.outputs["said"]) == ("UPDATE_COMPLETE", "echo $word: bye")
        await suspend_stack(control, CALLER, stack)
        stack = await settled(control)
        assert stack.state == "SUSPEND_COMPLETE", stack.reason
        await resume_stack(control, CALLER, stack)
        stack = await settled(control)
        assert stack.state == "RESUME_COMPLETE", stack.reason
        await delete_stack(control, CALLER, stack)
        await quiet(control)
        with pytest.raises(NotFound):
            await find_stack(control, CALLER.project_id, "s")
        assert await list_deployments(control.database, CALLER.project_id) == []
        left = software_rows.list_configs
        assert await control.database.read(left, CALLER.project_id, None, None) == []

    lived(story, agent)
    assert agent.ran == [
        ("CREATE", "hello"),
        ("UPDATE", "bye"),
        ("SUSPEND", "bye"),
        ("RESUME", "bye"),
        ("DELETE", "bye"),
    ]


def test_a_deployment_that_fails_fails_the_stack():
    """With the exit status; an update puts another in its place, and ends what failed."""
    agent = Agent(code=3)

    async def story(control):
        stack = await made(control)
        assert stack.state == "CREATE_FAILED"
        assert "Deployment exited with non-zero status code: 3" in stack.reason
        agent.code = 0
        request = UpdateRequest(existing=True, parameters={"word": "mended"})
        await update_stack(control, CALLER, stack, request)
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        assert stack.outputs["said"] == "echo $word: mended"

    lived(story, agent)


def test_a_record_that_is_changed_over_the_api_ends_the_wait():
    """Agents without signals report so."""

    async def story(control):
        source = TemplateSource(template=TEMPLATE)
        await create_stack(control, CALLER, CreateRequest(name="s", source=source))
        while not (found := await list_deployments(control.database, CALLER.project_id)):
            await asyncio.sleep(1)
        change = DeploymentChange(status="COMPLETE", output_values={"said": "put"})
        await update_deployment(
            control.database, CALLER.project_id, found[0].id, change, now=control.clock.now()
        )
        stack = await settled(control)
        assert (stack.state, stack.outputs["said"]) == ("CREATE_COMPLETE", "put")

    lived(story)


@pytest.mark.proves("life cycle: software deployment groups")
def test_a_group_deploys_to_many_servers():
    """And answers for each by its name; a server that leaves is run for DELETE."""
    agent = Agent()

    async def story(control):
        stack = await made(control, GROUP)
        assert stack.state == "CREATE_COMPLETE", stack.reason
        assert stack.outputs["code"] == {"one": 0, "two": 0}
        assert stack.outputs["said"] == dict.fromkeys(("one", "two"), "echo $word: hello")
        smaller = GROUP.replace(", two: elsewhere", "")
        await update_stack(control, CALLER, stack, UpdateRequest(template=smaller))
        stack = await settled(control)
        assert (stack.state, stack.outputs["code"]) == ("UPDATE_COMPLETE", {"one": 0})
        found = await list_resources(control, stack, 2)
        assert {view.record.name for view in found} == {"script", "server", "deployment", "one"}

    lived(story, agent)
    assert agent.ran == [("CREATE", "hello"), ("CREATE", "hello"), ("DELETE", "hello")]


def test_a_server_that_never_answers_is_told_in_time():
    """The stack's timeout ends it, naming what it waited for."""

    async def story(control):
        stack = await made(control, timeout_minutes=5)
        assert stack.state == "CREATE_FAILED"
        row = (await show_resource(control, stack, "deployment")).record
        assert "has not answered CREATE" in row.reason + stack.reason

    lived(story)


@pytest.mark.parametrize("point", range(0, 60, 3))
def test_a_deployment_survives_a_power_cut(point):
    """Whatever the moment, one deployment with one derived config is there, answered once or again.

    The agent runs on while the control plane is away, and remembers what it has answered.
    """
    agent, plant = Agent(), Plant()
    plant.armed, plant.cut_at = True, point

    async def story(control):
        polling = asyncio.ensure_future(agent.poll(control))
        try:
            with contextlib.suppress(NotFound):
                await find_stack(control, CALLER.project_id, "s")
                await quiet(control)
                return
            source = TemplateSource(template=TEMPLATE)
            await create_stack(control, CALLER, CreateRequest(name="s", source=source))
            await quiet(control)
        finally:
            polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await polling

    if not plant.life(story):
        plant.armed = False
        assert plant.life(story)
    plant.armed = False
    stack = plant.stack("s")
    assert stack.state == "CREATE_COMPLETE", stack.reason
    assert plant.problems(stack) == []
    with plant.database.engine.connect() as connection:
        (deployment,) = software_rows.list_deployments(connection, CALLER.project_id, None)
        configs = software_rows.list_configs(connection, CALLER.project_id, None, None)
    assert deployment.status == "COMPLETE"
    assert [config.id for config in configs] == [deployment.config_id]
