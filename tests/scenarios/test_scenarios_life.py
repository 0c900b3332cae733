"""Stories of stacks on the simulated cloud, in virtual time."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.access.caller import Caller
from mantle.clouds.ports import ObjectStatus, Power
from mantle.clouds.simulated import Faults
from mantle.model.errors import Conflict, Invalid, MantleError, NotFound, NotSupported
from mantle.model.graph import TemplateSource
from mantle.model.ids import ProjectId, UserId
from mantle.model.status import Cancel
from mantle.stacks.actions import cancel_stack, check_stack, resume_stack, suspend_stack
from mantle.stacks.create import CreateRequest, create_stack, preview_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.queries import (
    EventQuery,
    find_stack,
    list_events,
    list_resources,
    show_resource,
)
from mantle.stacks.resources import mark_unhealthy, signal_by_id, signal_resource
from mantle.stacks.update import UpdateRequest, preview_update, update_stack

HEAD = "heat_template_version: 2018-08-31\n"


def hot(resources: str, rest: str = "") -> str:
    return f"{HEAD}resources:\n{resources}{rest}"


def told(plant: Plant, story) -> None:
    assert plant.life(story)


async def made(control, template, name="s", **options):
    source = options.pop("source", None) or TemplateSource(template=template)
    await create_stack(control, CALLER, CreateRequest(name=name, source=source, **options))
    return await settled(control, name)


async def settled(control, name="s"):
    await quiet(control)
    return await find_stack(control, CALLER.project_id, name)


async def states(control, stack):
    return {view.record.name: view.record.state for view in await list_resources(control, stack, 3)}


RANDOM = "  {}: {{type: OS::Heat::RandomString, properties: {{length: {}}}}}\n"


def test_a_failure_stops_what_is_not_begun_and_lets_the_rest_finish():
    """The failed resource is named with its reason; what depends on it never begins."""

    async def story(control):
        stack = await made(
            control,
            hot(
                "  bad: {type: OS::Heat::TestResource, properties: {fail: true}}\n"
                "  good: {type: OS::Heat::TestResource, properties: {wait_secs: 5}}\n"
                "  late: {type: OS::Heat::Value, depends_on: bad, properties: {value: 1}}\n"
            ),
        )
        assert stack.state == "CREATE_FAILED"
        assert "resources.bad" in stack.reason
        found = await states(control, stack)
        assert found["bad"] == "CREATE_FAILED"
        assert found["good"] == "CREATE_COMPLETE"
        assert found["late"] == "INIT_COMPLETE"

    told(Plant(), story)


def test_a_failed_stack_is_repaired_by_an_update():
    """The update replaces the failed resource and creates what never began."""

    async def story(control):
        bad = (
            "  bad: {type: OS::Heat::TestResource, properties: {fail: %s}}\n"
            "  late: {type: OS::Heat::Value, depends_on: bad, properties: {value: 1}}\n"
        )
        await made(control, hot(bad % "true"))
        stack = await find_stack(control, CALLER.project_id, "s")
        await update_stack(control, CALLER, stack, UpdateRequest(template=hot(bad % "false")))
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        assert set((await states(control, stack)).values()) == {"CREATE_COMPLETE"}

    told(Plant(), story)


def test_lost_requests_and_replies_are_retried_without_doubling():
    """One call in five fails, half of them after the deed; the stack is built all the same."""
    template = hot(
        "".join(
            f"  net{i}: {{type: OS::Neutron::Net}}\n"
            f"  sub{i}: {{type: OS::Neutron::Subnet, properties: "
            f"{{network: {{get_resource: net{i}}}, cidr: 10.{i}.0.0/24}}}}\n"
            for i in range(6)
        )
    )
    for seed in range(8):
        plant = Plant(faults=Faults(seed=seed, lost_request=0.1, lost_reply=0.1))

        async def story(control, template=template):
            stack = await made(control, template)
            assert stack.state == "CREATE_COMPLETE", stack.reason

        told(plant, story)
        assert plant.problems(plant.stack("s")) == []

        async def gone(control):
            stack = await find_stack(control, CALLER.project_id, "s")
            await delete_stack(control, CALLER, stack)
            await quiet(control)

        told(plant, gone)
        assert plant.stack("s") is None
        assert plant.problems(None) == []


def test_a_build_error_names_the_cloud_fault():
    """The reason of the failed server is what the cloud said."""

    async def story(control):
        stack = await made(
            control,
            hot(
                "  server: {type: OS::Nova::Server, properties: {flavor: m1.tiny, image: cirros}}\n"
            ),
        )
        assert stack.state == "CREATE_FAILED"
        assert "No valid host" in stack.reason

    told(Plant(faults=Faults(build_error=1.0)), story)


def test_an_update_overtakes_a_create():
    """Accepted while the create runs; running steps finish, then it plans from what is there."""

    async def story(control):
        slow = (
            "  slow: {type: OS::Heat::TestResource, properties: {wait_secs: 30}}\n"
            "  next: {type: OS::Heat::TestResource, depends_on: slow, properties: {value: %s}}\n"
        )
        await create_stack(
            control,
            CALLER,
            CreateRequest(name="s", source=TemplateSource(template=hot(slow % "a"))),
        )
        await asyncio.sleep(5)
        stack = await find_stack(control, CALLER.project_id, "s")
        await update_stack(control, CALLER, stack, UpdateRequest(template=hot(slow % "b")))
        assert (await find_stack(control, CALLER.project_id, "s")).state == "UPDATE_IN_PROGRESS"
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        view = await show_resource(control, stack, "next")
        assert view.record.attributes["output"] == "b"

    told(Plant(), story)


def test_a_delete_interrupts_a_create_that_waits():
    """Nobody waits for an hour's Delay; nothing is left behind."""
    plant = Plant()

    async def story(control):
        await create_stack(
            control,
            CALLER,
            CreateRequest(
                name="s",
                source=TemplateSource(
                    template=hot(
                        "  net: {type: OS::Neutron::Net}\n"
                        "  slow: {type: OS::Heat::Delay, depends_on: net, "
                        "properties: {min_wait: 3000}}\n"
                    )
                ),
            ),
        )
        await asyncio.sleep(10)
        begun = control.clock.now()
        stack = await find_stack(control, CALLER.project_id, "s")
        await delete_stack(control, CALLER, stack)
        await quiet(control)
        assert control.clock.now() - begun < 60
        with pytest.raises(NotFound):
            await find_stack(control, CALLER.project_id, "s")
        gone = await find_stack(control, CALLER.project_id, stack.id, deleted=True)
        assert gone.state == "DELETE_COMPLETE"

    told(plant, story)
    assert plant.problems(None) == []


def test_a_stack_being_deleted_takes_no_update():
    """The update is refused and says why; asking to delete again is fine."""

    async def story(control):
        stack = await made(
            control,
            hot(
                "  slow:\n    type: OS::Heat::TestResource\n"
                "    properties: {action_wait_secs: {delete: 20}}\n"
            ),
        )
        await delete_stack(control, CALLER, stack)
        deleting = await find_stack(control, CALLER.project_id, "s")
        with pytest.raises(MantleError, match="being deleted"):
            await update_stack(control, CALLER, deleting, UpdateRequest(template=hot("  {}\n")))
        await delete_stack(control, CALLER, deleting)

    told(Plant(), story)


@pytest.mark.parametrize(
    ("how", "end"), [(Cancel.ROLLBACK, "ROLLBACK_COMPLETE"), (Cancel.STOP, "UPDATE_FAILED")]
)
def test_an_update_is_cancelled(how, end):
    """With rollback the old template is in force again; without, it stays as far as it came."""

    async def story(control):
        chain = (
            "  a: {type: OS::Heat::TestResource, properties: {value: %s, wait_secs: 10}}\n"
            "  b: {type: OS::Heat::TestResource, depends_on: a, properties: {value: %s}}\n"
        )
        await made(control, hot(chain % ("x", "x")))
        stack = await find_stack(control, CALLER.project_id, "s")
        await update_stack(control, CALLER, stack, UpdateRequest(template=hot(chain % ("y", "y"))))
        await asyncio.sleep(2)
        await cancel_stack(control, CALLER, stack, how)
        stack = await settled(control)
        assert stack.state == end, stack.reason
        values = {
            view.record.name: view.record.attributes["output"]
            for view in await list_resources(control, stack)
        }
        assert values == ({"a": "x", "b": "x"} if how is Cancel.ROLLBACK else {"a": "y", "b": "x"})

    told(Plant(), story)


def test_cancelling_nothing_is_refused():
    """There must be an update under way."""

    async def story(control):
        stack = await made(control, hot(RANDOM.format("a", 4)))
        with pytest.raises(NotSupported):
            await cancel_stack(control, CALLER, stack, Cancel.ROLLBACK)

    told(Plant(), story)


def test_a_create_that_takes_too_long_fails_and_says_what_it_waited_for():
    """The stack's timeout bounds every wait."""

    async def story(control):
        stack = await made(
            control,
            hot("  slow: {type: OS::Heat::Delay, properties: {min_wait: 3000}}\n"),
            timeout_minutes=1,
        )
        assert stack.state == "CREATE_FAILED"
        assert "timed out" in stack.reason.lower()

    told(Plant(), story)


WAIT = hot(
    "  handle: {type: OS::Heat::WaitConditionHandle}\n"
    "  wait: {type: OS::Heat::WaitCondition, properties: "
    "{handle: {get_resource: handle}, timeout: 600, count: 2}}\n",
    "outputs:\n  data: {value: {get_attr: [wait, data]}}\n",
)


def test_a_wait_condition_counts_signals():
    """It completes at the second one, and its data holds both."""

    async def story(control):
        await create_stack(
            control, CALLER, CreateRequest(name="s", source=TemplateSource(template=WAIT))
        )
        await asyncio.sleep(5)
        stack = await find_stack(control, CALLER.project_id, "s")
        await signal_resource(control, stack, "handle", {"id": "1", "data": "one"})
        row = (await show_resource(control, stack, "handle")).record
        links = control.machine.links
        token = links.token(row.id)
        await signal_by_id(control, links.resource_of(token), {"id": "2", "data": "two"})
        stack = await settled(control)
        assert stack.state == "CREATE_COMPLETE", stack.reason
        assert "one" in stack.outputs["data"]
        assert "two" in stack.outputs["data"]
        with pytest.raises(NotFound):
            await signal_by_id(control, links.resource_of(token[:-1] + "x"), {})

    told(Plant(), story)


def test_a_wait_condition_without_signals_fails_in_time():
    """It says how many came."""

    async def story(control):
        stack = await made(control, WAIT)
        assert stack.state == "CREATE_FAILED"
        assert "0 of 2" in stack.reason

    told(Plant(), story)


def test_a_signal_for_what_takes_none_is_refused():
    """A random string has no use for signals."""

    async def story(control):
        stack = await made(control, hot(RANDOM.format("a", 4)))
        with pytest.raises(NotSupported, match="takes no signals"):
            await signal_resource(control, stack, "a", {})

    told(Plant(), story)


NESTED = {
    "child.yaml": HEAD + "parameters:\n  size: {type: number}\n"
    "resources:\n  text: {type: OS::Heat::RandomString, properties: {length: {get_param: size}}}\n"
    "  net: {type: OS::Neutron::Net}\n"
    "outputs:\n  text: {value: {get_attr: [text, value]}}\n",
}


def nested(size, files=NESTED, **extra):
    return TemplateSource(
        template=hot(
            f"  child: {{type: My::Child, properties: {{size: {size}}}}}\n",
            "outputs:\n  text: {value: {get_attr: [child, text]}}\n",
        ),
        files=files,
        environment={"resource_registry": {"My::Child": "child.yaml"}},
        **extra,
    )


def test_a_nested_template_lives_with_its_parent():
    """Created, updated through a property and through its file, and deleted with it."""
    plant = Plant()

    async def story(control):
        stack = await made(control, None, source=nested(5))
        assert stack.state == "CREATE_COMPLETE", stack.reason
        assert len(stack.outputs["text"]) == 5
        await update_stack(
            control,
            CALLER,
            stack,
            UpdateRequest(
                template=nested(7).template, files=NESTED, environment=nested(7).environment
            ),
        )
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        assert len(stack.outputs["text"]) == 7
        longer = {
            "child.yaml": NESTED["child.yaml"].replace(
                "  net: {type: OS::Neutron::Net}\n",
                "  net: {type: OS::Neutron::Net}\n  more: {type: OS::Neutron::Net}\n",
            )
        }
        await update_stack(
            control,
            CALLER,
            stack,
            UpdateRequest(
                template=nested(7).template, files=longer, environment=nested(7).environment
            ),
        )
        stack = await settled(control)
        assert "more" in await states(control, stack)
        nochange = await preview_update(
            control,
            CALLER,
            stack,
            UpdateRequest(
                template=nested(7).template, files=longer, environment=nested(7).environment
            ),
        )
        assert nochange.plan.is_empty
        await delete_stack(control, CALLER, stack)

    told(plant, story)
    assert plant.problems(None) == []


def test_a_failure_in_a_child_is_named_with_its_path():
    """The parent's reason leads down to the resource that failed."""

    async def story(control):
        files = {
            "child.yaml": HEAD + "parameters:\n  size: {type: number}\nresources:\n"
            "  bad: {type: OS::Heat::TestResource, properties: {fail: true}}\n"
            "outputs:\n  text: {value: x}\n"
        }
        stack = await made(control, None, source=nested(5, files=files))
        assert stack.state == "CREATE_FAILED"
        assert "resources.child: resources.bad" in stack.reason

    told(Plant(), story)


GROUP = (
    "  group:\n    type: OS::Heat::ResourceGroup\n    properties:\n      count: %d\n"
    "      resource_def: {type: OS::Neutron::Net, properties: {name: net-%%index%%}}\n"
)


def test_a_group_grows_and_shrinks():
    """Only the difference is made or removed."""
    plant = Plant()

    async def story(control):
        stack = await made(control, hot(GROUP % 3))
        before = {view.record.physical_id for view in await list_resources(control, stack, 1)}
        await update_stack(control, CALLER, stack, UpdateRequest(template=hot(GROUP % 5)))
        stack = await settled(control)
        grown = {view.record.physical_id for view in await list_resources(control, stack, 1)}
        assert before < grown
        assert len(grown) == 6
        await update_stack(control, CALLER, stack, UpdateRequest(template=hot(GROUP % 1)))
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        assert len(await list_resources(control, stack, 1)) == 2

    told(plant, story)
    assert plant.problems(plant.stack("s")) == []


def test_check_finds_what_disappeared_and_an_update_replaces_it():
    """Someone deletes a network by hand: CHECK_FAILED names it, the next update makes it anew."""
    plant = Plant()

    async def story(control):
        stack = await made(
            control, hot("  a: {type: OS::Neutron::Net}\n  b: {type: OS::Neutron::Net}\n")
        )
        row = (await show_resource(control, stack, "a")).record
        await control.cloud.session(CALLER.project_id).networks.delete(row.physical_id)
        await asyncio.sleep(5)
        await check_stack(control, CALLER, stack)
        stack = await settled(control)
        assert stack.state == "CHECK_FAILED"
        assert "resources.a" in stack.reason
        assert (await states(control, stack))["b"] == "CHECK_COMPLETE"
        template = hot("  a: {type: OS::Neutron::Net}\n  b: {type: OS::Neutron::Net}\n")
        await update_stack(control, CALLER, stack, UpdateRequest(template=template))
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason

    told(plant, story)
    assert plant.problems(plant.stack("s")) == []


def test_an_unhealthy_resource_is_replaced_by_the_next_update():
    """And what depends on it is told of the new one."""

    async def story(control):
        template = hot(
            "  net: {type: OS::Neutron::Net}\n"
            "  sub: {type: OS::Neutron::Subnet, properties: "
            "{network: {get_resource: net}, cidr: 10.0.0.0/24}}\n"
        )
        stack = await made(control, template)
        old = (await show_resource(control, stack, "net")).record.physical_id
        await mark_unhealthy(control, CALLER, stack, "net", unhealthy=True, reason="smells")
        assert (await states(control, stack))["net"] == "CHECK_FAILED"
        await update_stack(control, CALLER, stack, UpdateRequest(template=template))
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        new = (await show_resource(control, stack, "net")).record.physical_id
        assert new != old
        assert (await show_resource(control, stack, "sub")).record.properties["network"] == new

    told(Plant(), story)


async def one_server(control):
    """A template with one server, its stack, and the servers of the project."""
    template = hot(
        "  server: {type: OS::Nova::Server, properties: {flavor: m1.tiny, image: cirros}}\n"
    )
    stack = await made(control, template)
    return template, stack, control.cloud.session(CALLER.project_id).servers


def test_suspend_and_resume_reach_the_servers():
    """Suspended servers are suspended, resumed ones run; a suspended stack takes no update."""

    async def story(control):
        template, stack, servers = await one_server(control)
        await suspend_stack(control, CALLER, stack)
        stack = await settled(control)
        assert stack.state == "SUSPEND_COMPLETE"
        assert (await servers.list())[0].status is ObjectStatus.SUSPENDED
        with pytest.raises(NotSupported):
            await update_stack(control, CALLER, stack, UpdateRequest(template=template))
        await resume_stack(control, CALLER, stack)
        stack = await settled(control)
        assert stack.state == "RESUME_COMPLETE"
        assert (await servers.list())[0].status is ObjectStatus.ACTIVE

    told(Plant(), story)


def test_a_patch_keeps_what_it_does_not_name():
    """Template, files and parameters stay; a cleared parameter falls back to its default."""

    async def story(control):
        template = (
            HEAD + "parameters:\n  a: {type: string, default: x}\n"
            "  b: {type: string, default: x}\nresources:\n"
            "  v: {type: OS::Heat::Value, properties: {value: "
            "{list_join: ['-', [{get_param: a}, {get_param: b}]]}}}\n"
            "outputs:\n  o: {value: {get_attr: [v, value]}}\n"
        )
        stack = await made(
            control, None, source=TemplateSource(template=template, parameters={"a": "1", "b": "2"})
        )
        assert stack.outputs["o"] == "1-2"
        await update_stack(
            control, CALLER, stack, UpdateRequest(existing=True, parameters={"b": "3"})
        )
        stack = await settled(control)
        assert stack.outputs["o"] == "1-3"
        await update_stack(
            control, CALLER, stack, UpdateRequest(existing=True, clear_parameters=("a",))
        )
        stack = await settled(control)
        assert stack.outputs["o"] == "x-3"

    told(Plant(), story)


def test_a_name_is_taken_once():
    """In one project; another project may use it, and sees nothing of the first."""
    other = Caller(
        user_id=UserId("u2"),
        user_name="o",
        project_id=ProjectId("p2"),
        project_name="o",
        roles=frozenset({"member"}),
    )

    async def story(control):
        stack = await made(control, hot(RANDOM.format("a", 4)))
        request = CreateRequest(
            name="s", source=TemplateSource(template=hot(RANDOM.format("a", 4)))
        )
        with pytest.raises(Conflict, match="already exists"):
            await create_stack(control, CALLER, request)
        await create_stack(control, other, request)
        with pytest.raises(NotFound):
            await find_stack(control, other.project_id, stack.id)

    told(Plant(), story)


def test_an_output_that_fails_inside_is_told_outside():
    """The stack is made all the same; both levels say why there is no value."""
    files = {"child.yaml": hot("", "outputs:\n  broken: {value: {get_param: foo}}\n")}
    source = TemplateSource(
        template=hot(
            "  inner: {type: child.yaml}\n",
            "outputs:\n  broken: {value: {get_attr: [inner, broken]}}\n",
        ),
        files=files,
    )

    async def story(control):
        stack = await made(control, None, source=source)
        said = "Error in inner output broken: The Parameter (foo) was not provided."
        assert (stack.state, stack.output_errors) == ("CREATE_COMPLETE", {"broken": said})
        again = UpdateRequest(template=source.template, files=files)
        await update_stack(control, CALLER, stack, again)
        stack = await settled(control)
        assert (stack.state, stack.output_errors) == ("UPDATE_COMPLETE", {"broken": said})

    told(Plant(), story)


def test_a_preview_stores_nothing():
    """Everything is checked and planned; the database is as before."""

    async def story(control):
        request = CreateRequest(
            name="s", source=TemplateSource(template=hot(RANDOM.format("a", 4)))
        )
        preview = await preview_stack(control, CALLER, request)
        assert [step.resource for step in preview.plan.steps] == ["a"]
        with pytest.raises(NotFound):
            await find_stack(control, CALLER.project_id, "s")
        with pytest.raises(Invalid):
            await preview_stack(
                control,
                CALLER,
                CreateRequest(name="s", source=TemplateSource(template=hot("  a: {type: Nope}\n"))),
            )

    told(Plant(), story)


def test_events_tell_the_story_in_order():
    """The stack begins first and ends last; each resource begins before it ends."""

    async def story(control):
        stack = await made(control, hot("  a: {type: OS::Neutron::Net}\n"))
        events = await list_events(control, stack, EventQuery(sort_dir="asc"))
        assert [(view.event.resource, view.event.action, view.event.status) for view in events] == [
            ("s", "CREATE", "IN_PROGRESS"),
            ("a", "CREATE", "IN_PROGRESS"),
            ("a", "CREATE", "COMPLETE"),
            ("s", "CREATE", "COMPLETE"),
        ]

    told(Plant(), story)


def test_retain_leaves_the_object_in_place():
    """Its resource leaves the stack, the network stays."""
    plant = Plant()

    async def story(control):
        stack = await made(
            control, hot("  kept: {type: OS::Neutron::Net, deletion_policy: Retain}\n")
        )
        await delete_stack(control, CALLER, stack)

    told(plant, story)
    assert [item[0] for item in plant.world.listing() if not item[2].startswith("public")] == [
        "networks"
    ]


def test_two_hundred_stacks_at_once_all_end():
    """Nothing waits for anything else."""

    async def story(control):
        template = hot("".join(RANDOM.format(f"r{i}", 4) for i in range(5)))
        await asyncio.gather(
            *(
                create_stack(
                    control,
                    CALLER,
                    CreateRequest(name=f"s{i}", source=TemplateSource(template=template)),
                )
                for i in range(200)
            )
        )
        await quiet(control)
        stacks = [await find_stack(control, CALLER.project_id, f"s{i}") for i in range(200)]
        assert {stack.state for stack in stacks} == {"CREATE_COMPLETE"}

    told(Plant(), story)


def test_a_server_that_its_stack_keeps_suspended_passes_a_check():
    """One that somebody else suspended does not, and is resumed by nobody but its stack."""

    async def story(control):
        _, stack, servers = await one_server(control)
        (server,) = await servers.list()
        seen = []
        for verb in (suspend_stack, check_stack, resume_stack, check_stack):
            await verb(control, CALLER, stack)
            stack = await settled(control)
            seen.append(stack.state)
        await servers.power(server.id, Power.SUSPEND)
        await check_stack(control, CALLER, stack)
        stack = await settled(control)
        assert [*seen, stack.state] == [
            "SUSPEND_COMPLETE", "CHECK_COMPLETE", "RESUME_COMPLETE", "CHECK_COMPLETE",
            "CHECK_FAILED",
        ]  # fmt: skip

    told(Plant(), story)
