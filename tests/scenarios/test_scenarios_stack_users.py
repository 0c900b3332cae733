"""Users of stacks in another Keystone, in virtual time: the power goes at every call and write."""

import asyncio
import dataclasses
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from fake_keystone import FakeKeystone
from power import CALLER, Plant

from mantle.access.keystone import caller_of
from mantle.access.policy import POLICY, STACK_USER_DEEDS, allows
from mantle.clouds.openstack import Entry, StackDomain
from mantle.clouds.ports import Unavailable
from mantle.engine.accounts import DomainAccounts, NotConfigured
from mantle.model.errors import Invalid, NotFound
from mantle.model.graph import TemplateSource
from mantle.stacks.actions import resume_stack, suspend_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.domain_keeping import DomainKeeper, orphans
from mantle.stacks.queries import find_stack, show_resource
from mantle.stacks.users import reached

TEMPLATE = """
heat_template_version: 2018-08-31
resources:
  handle: {type: OS::Heat::WaitConditionHandle, properties: {signal_transport: HEAT_SIGNAL}}
  policy: {type: OS::Heat::AccessPolicy, properties: {AllowedResources: [handle]}}
  user: {type: "AWS::IAM::User", properties: {Policies: [{get_resource: policy}]}}
  key: {type: "AWS::IAM::AccessKey", properties: {UserName: {get_resource: user}}}
"""


class Scene:
    """A plant beside a Keystone."""

    def __init__(self, cut_at=None):
        self.plant = Plant(cut_at=cut_at)
        self.keystone = FakeKeystone(moment=self.plant.moment)
        self.plant.furnish = self.furnish

    def furnish(self, control, engine):
        machine = control.machine
        machine.links = dataclasses.replace(machine.links, keystone="http://k/v3")
        self.domain = StackDomain(Entry(name="stacks"), self.keystone)
        keys = machine.links.keys
        machine.accounts = DomainAccounts(control.database, keys, self.domain, "RegionOne")
        engine.companions.append(DomainKeeper(control, machine.accounts))

    def counts(self):
        kept = self.keystone
        return len(kept.users), len(kept.projects), len(kept.credentials), len(kept.grants)


async def create(control, template=TEMPLATE):
    await create_stack(
        control, CALLER, CreateRequest(name="s", source=TemplateSource(template=template))
    )


async def whole(control):
    """Made, and deleted; each life goes on where the last one ended."""
    try:
        stack = await find_stack(control, CALLER.project_id, "s", deleted=False)
    except NotFound:
        return
    await delete_stack(control, CALLER, stack)


def lived(scene):
    """Lives until the stack is there, then until it is gone; what was there between the two."""
    made = {"done": False}

    async def begin(control):
        scene.plant.armed = True
        if scene.plant.stack("s") is None:
            await create(control)

    while not scene.plant.life(begin):
        scene.plant.cut_at = None
    between = scene.counts()

    async def end(control):
        await whole(control)
        await asyncio.sleep(5)
        made["left"] = await orphans(control, scene.domain)

    while not scene.plant.life(end):
        scene.plant.cut_at = None
    return between


def test_accounts_are_made_and_deleted_with_their_stack():
    """A user for the handle, one for the AWS::IAM::User with its key, in one project."""
    scene = Scene()
    assert (lived(scene), scene.counts()) == ((2, 1, 1, 2), (0, 0, 0, 0))


POLLING = (
    "h: {type: OS::Nova::Server, properties: {flavor: m1.small, image: cirros, "
    "user_data_format: SOFTWARE_CONFIG, software_config_transport: POLL_SERVER_HEAT}}"
)


@pytest.mark.proves("life cycle: users of stacks in a Keystone's stack domain")
def test_a_kill_at_any_moment_doubles_none_and_leaves_none():
    """The power goes before and after writes and calls to Keystone: at every seventh such moment.

    All of them, with `range(moments)`, take half a minute.
    """
    whole_story = Scene()
    lived(whole_story)
    moments = len(whole_story.plant.moments)
    for cut_at in range(1, moments, 7):
        scene = Scene(cut_at)
        assert (cut_at, lived(scene), scene.counts()) == (cut_at, (2, 1, 1, 2), (0, 0, 0, 0))


def test_a_keystone_that_is_away_is_waited_for():
    """Nothing fails; the stack is made when it is back."""
    scene = Scene()
    scene.keystone.down = Unavailable("Keystone does not answer")

    async def story(control):
        await create(control)
        await asyncio.sleep(20)
        scene.keystone.down = None

    assert scene.plant.life(story)
    assert (scene.plant.stack("s").state, scene.counts()) == ("CREATE_COMPLETE", (2, 1, 1, 2))


def test_suspending_disables_the_user_and_resuming_enables_it():
    """As with Heat; what it may reach is asked of the row besides."""
    scene, seen = Scene(), []

    async def story(control):
        await create(control)
        while scene.plant.stack("s").state != "CREATE_COMPLETE":
            await asyncio.sleep(1)
        for act in (suspend_stack, resume_stack):
            stack = await find_stack(control, CALLER.project_id, "s")
            await act(control, CALLER, stack)
            while "IN_PROGRESS" in scene.plant.stack("s").state:
                await asyncio.sleep(1)
            enabled = {each.get("enabled", True) for each in scene.keystone.users.values()}
            row = (await show_resource(control, stack, "handle")).record
            me = dataclasses.replace(CALLER, user_id=control.machine.links.keys.user_id(row.id))
            try:
                await reached(control, me, "s", stack.id, "handle")
                seen.append((enabled, True))
            except NotFound:
                seen.append((enabled, False))

    assert scene.plant.life(story)
    assert seen == [({False}, False), ({True}, True)]


def test_others_in_the_domain_are_left_alone():
    """Several installations share one; only names that this one has derived are its own."""
    scene = Scene()
    scene.keystone.users["x"] = {"id": "x", "name": "somebody"}
    scene.keystone.users["y"] = {"id": "y", "name": "ab" * 32}
    scene.keystone.projects["z"] = {"id": "z", "name": "cd" * 32}
    lived(scene)
    assert (set(scene.keystone.users), set(scene.keystone.projects)) == ({"x", "y"}, {"z"})


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        (
            "h: {type: OS::Heat::WaitConditionHandle, properties: {signal_transport: HEAT_SIGNAL}}",
            "signal_transport = HEAT_SIGNAL",
        ),
        (
            POLLING,
            "software_config_transport = POLL_SERVER_HEAT",
        ),
        ('h: {type: "AWS::IAM::User"}', "AWS::IAM::User"),
    ],
    ids=["signal", "poll", "user"],
)
def test_without_a_stack_domain_it_is_refused_when_it_is_validated(resources, said):
    """By name, with what to do; nothing is made."""
    plant, refusals = Plant(), []

    def furnish(control, _):
        control.machine.accounts = NotConfigured()

    plant.furnish = furnish

    async def story(control):
        try:
            await create(control, f"heat_template_version: 2018-08-31\nresources:\n  {resources}\n")
        except Invalid as error:
            refusals.append(str(error))

    assert plant.life(story)
    (refusal,) = refusals
    assert said in refusal
    assert "no stack domain is configured" in refusal
    assert plant.stack("s") is None


def facts(domain, roles, project_domain="d0"):
    return {
        "user": {"id": "u", "name": "derived", "domain": {"id": domain, "name": "x"}},
        "project": {"id": "p", "name": "n", "domain": {"id": project_domain, "name": "x"}},
        "roles": [{"name": role} for role in roles],
    }


@pytest.mark.parametrize(
    ("token", "known_by", "roles"),
    [
        (facts("d0", ["heat_stack_user"]), "derived", {"heat_stack_user"}),
        (facts("d0", ["heat_stack_user", "admin"]), "derived", {"heat_stack_user"}),
        (facts("d0", ["admin"]), "derived", set()),
        (facts("d0", ["heat_stack_user", "admin"], "default"), "derived", set()),
        (facts("default", ["member"], "default"), "u", {"member"}),
    ],
    ids=["own", "also-admin", "domain-admin", "elsewhere", "person"],
)
def test_a_user_of_the_stack_domain_is_nothing_but_a_stacks_user(token, known_by, roles):
    """Whatever roles somebody has given it, and wherever."""
    caller = caller_of(token, "d0")
    assert (caller.user_id, caller.roles) == (known_by, roles)
    assert {deed for deed in POLICY if allows(caller.roles, deed)} >= (
        {"stacks:index"} if "member" in roles else set()
    )
    if "member" not in roles:
        assert {deed for deed in POLICY if allows(caller.roles, deed)} <= STACK_USER_DEEDS
