"""The stack planner's rules, one by one, on a world in which plans are carried out."""

import pytest
from msgspec import structs

from mantle.model.errors import Invalid
from mantle.model.graph import DeletionPolicy
from mantle.model.plan import Change
from mantle.model.status import Action, Status
from mantle.model.values import Unknown
from mantle.plan.checks import check
from mantle.plan.masking import MASKED


def thing(kind="Test::Thing", **more):
    """A resource; `needs` are depends_on, what is no section is a property."""
    sections = {
        "depends_on": more.pop("needs", []),
        **{name: more.pop(name) for name in list(more) if name in SECTIONS},
    }
    return {"type": kind, "properties": more, **{k: v for k, v in sections.items() if v}}


SECTIONS = {"metadata", "deletion_policy", "external_id"}


def ref(name):
    return {"get_resource": name}


def attr(name, attribute="label"):
    return {"get_attr": [name, attribute]}


# --- create ----------------------------------------------------------------------------------


def test_a_new_stack_creates_everything_after_what_it_needs(world):
    """Unknown values name the resource that will tell them."""
    plan = world.plan(
        world.load({"web": thing(label="w", tied=[ref("net")]), "net": thing(label="n")}),
        Action.CREATE,
    )
    net, web = plan.steps
    assert (net.key, net.requires, net.unknown_after) == ("create net", (), ())
    assert (web.key, web.requires, web.unknown_after) == ("create web", ("create net",), ("net",))
    assert web.changes == (
        Change(path="label", after="w"),
        Change(path="tied", after=[Unknown(("net",))]),
    )
    assert {web.reason, net.reason} == {"new in the template"}
    assert len({net.resource_id, web.resource_id, net.token, web.token}) == 4
    assert (plan.made_at, plan.expires_at, web.timeout_seconds) == (100.0, 700.0, 60.0)
    assert check(plan) == []


def test_a_made_stack_needs_nothing(world):
    """Planning is idempotent; the names are listed."""
    template = {"net": thing(label="n"), "web": thing(tied=[ref("net")], metadata={"a": [1]})}
    plan = world.made(template).plan(world.load(template))
    assert (plan.is_empty, plan.unchanged) == (True, ("net", "web"))


def test_an_existing_object_is_adopted_and_never_deleted(world, told):
    """It is not ours: leaving the stack, it stays."""
    template = {"disk": thing(external_id="vol-1")}
    loaded = world.load(template)
    plan = world.plan(loaded)
    assert told(plan.steps) == ["create disk: adopts existing vol-1"]
    world.carry_out(plan, loaded)
    world.change("disk", deletion_policy=DeletionPolicy.RETAIN)
    assert world.plan(loaded).is_empty
    assert told(world.plan(world.load({})).steps) == ["forget disk: no longer in the template"]
    moved = world.load({"disk": thing(external_id="vol-2")})
    with pytest.raises(
        Invalid, match=r"external_id of disk .* is 'vol-1', and would become 'vol-2'"
    ):
        world.plan(moved)


# --- update ----------------------------------------------------------------------------------


def test_a_change_in_place_leaves_its_dependents_alone(world, told):
    """Their values are found, exactly, when the engine plans again."""
    before = {"net": thing(label="a"), "web": thing(peers=[attr("net")])}
    after = {"net": thing(label="b"), "web": thing(peers=[attr("net")])}
    plan = world.made(before).plan(world.load(after))
    assert told(plan.steps) == ["update net: label changes from a to b"]
    assert plan.unchanged == ("web",)
    assert plan.based_on == {world.row("net").id: world.row("net").version}
    again = world.reach(world.load(after))[1]
    assert told(again.steps) == ["update web: peers[0] changes from a to b"]


def test_a_replacement_spreads_as_far_as_its_values_do(world, told):
    """In place where the property allows it, and the old row goes when all have moved."""
    before = {
        "net": thing(size="s"),
        "port": thing(tied=[ref("net")]),
        "web": thing(peers=[ref("port")]),
        "far": thing(needs=["net"]),
    }
    plan = world.made(before).plan(world.load(before | {"net": thing(size="l")}))
    assert told(plan.steps) == [
        "create net: size changes from s to l, which needs a new one",
        "create port: tied[0] is known only after net, which needs a new one",
        "update web: peers[0] is known only after port",
        "delete port: replaced by a new port",
        "delete net: replaced by a new net",
    ]
    assert plan.steps[-1].requires == ("create net", "create port", "delete port")
    assert plan.steps[-2].requires == ("create port", "update web")
    assert plan.steps[0].replaces == plan.steps[-1].resource_id
    assert plan.unchanged == ("far",)
    assert check(plan) == []


def test_a_resource_of_another_type_is_another_resource(world, told):
    """Whatever its properties."""
    plan = world.made({"a": thing()}).plan(world.load({"a": thing("Test::Other")}))
    assert told(plan.steps) == [
        "create a: its type changes from Test::Thing to Test::Other",
        "delete a: replaced by a new a",
    ]


def test_a_change_that_the_type_refuses_is_refused_by_name(world):
    """All problems at once, each with its place and remedy."""
    before = {"a": thing(zone="x"), "b": thing(zone="x")}
    after = world.load({"a": thing(zone="y"), "b": thing(zone="z")})
    with pytest.raises(Invalid) as caught:
        world.made(before).plan(after)
    assert [problem.where for problem in caught.value.problems] == [
        "resources.a.properties.zone",
        "resources.b.properties.zone",
    ]
    assert "it is 'x', and would become 'y'" in str(caught.value)
    assert caught.value.fault == "NotSupported"


def test_a_types_own_rule_can_ask_for_a_replacement(world, told):
    """With its own words."""
    plan = world.made({"a": thing("Test::Picky", label="long")}).plan(
        world.load({"a": thing("Test::Picky", label="l")})
    )
    assert told(plan.steps)[0] == "create a: a shrunk label needs a new one"


def test_changed_metadata_is_a_change_in_place(world, told):
    """The section, not a property of that name."""
    plan = world.made({"a": thing(metadata={"r": 1})}).plan(
        world.load({"a": thing(metadata={"r": 2})})
    )
    assert told(plan.steps) == ["update a: metadata.r changes from 1 to 2"]


def test_the_row_learns_of_a_new_deletion_policy_and_new_dependencies(world, told):
    """They decide how it is deleted one day, so they are not left for later."""
    before = {"a": thing(), "b": thing()}
    after = {"a": thing(deletion_policy="Retain"), "b": thing(needs=["a"])}
    plan = world.made(before).plan(world.load(after))
    assert told(plan.steps) == [
        "update a: deletion_policy changes from Delete to Retain",
        "update b: depends_on changes from [] to ['a']",
    ]
    world.reach(world.load(after))
    assert world.plan(world.load(after)).is_empty


def test_a_group_is_updated_when_the_files_it_uses_change(world, told):
    """Its own properties are the same; the digest is not."""
    template = {"g": thing("Test::Group", label="x")}
    world.made(template, files={"a.yaml": "1"})
    assert world.plan(world.load(template, files={"a.yaml": "1"})).is_empty
    after = world.load(template, files={"a.yaml": "2"})
    plan = world.plan(after)
    assert told(plan.steps) == ["update g: the files its members are made from change"]
    assert plan.steps[0].digest == after.digests[""]


def test_a_group_is_updated_when_the_environment_changes_and_says_so(world, told):
    """Types may mean something else in it now."""
    template = {"g": thing("Test::Group", label="x")}
    world.made(template, environment={"parameter_defaults": {"a": 1}})
    plan = world.plan(world.load(template, environment={"parameter_defaults": {"a": 2}}))
    assert told(plan.steps) == ["update g: the environment its members are made in changes"]


# --- what an earlier operation left behind ---------------------------------------------------


@pytest.mark.parametrize("action", [Action.CREATE, Action.CHECK])
def test_what_is_broken_is_replaced(world, told, action):
    """A failed create, or a check that found it dead."""
    template = {"a": thing()}
    world.made(template).change("a", action=action, status=Status.FAILED, reason="no host")
    assert told(world.plan(world.load(template)).steps) == [
        f"create a: it is {action}_FAILED: no host",
        "delete a: replaced by a new a",
    ]


@pytest.mark.parametrize("action", [Action.UPDATE, Action.SUSPEND, Action.RESUME])
def test_what_failed_while_it_was_changed_is_changed_again(world, told, action):
    """Though its properties are as wanted: nobody knows how far the change came."""
    template = {"a": thing()}
    world.made(template).change("a", action=action, status=Status.FAILED, reason="busy")
    assert told(world.plan(world.load(template)).steps) == [
        f"update a: it is {action}_FAILED: busy"
    ]


def test_an_interrupted_update_is_done_again(world, told):
    """It is IN_PROGRESS, and nobody is at it."""
    template = {"a": thing()}
    world.made(template).change("a", action=Action.UPDATE, status=Status.IN_PROGRESS)
    assert told(world.plan(world.load(template)).steps) == ["update a: its update was interrupted"]


def test_a_create_that_was_never_begun_keeps_its_row_and_token(world, told):
    """With whatever is wanted now: nothing exists yet."""
    template = {"a": thing(size="s")}
    world.made(template).change("a", action=Action.INIT, physical_id=None, properties={})
    plan = world.plan(world.load({"a": thing(size="l")}))
    assert told(plan.steps) == ["create a: it was planned but not begun"]
    assert (plan.steps[0].resource_id, plan.steps[0].token) == (
        world.row("a").id,
        world.row("a").token,
    )


def test_an_interrupted_create_goes_on_with_its_token(world, told):
    """The phase looks before it creates."""
    template = {"a": thing(size="s")}
    world.made(template).change("a", action=Action.CREATE, status=Status.IN_PROGRESS)
    plan = world.plan(world.load(template))
    assert told(plan.steps) == ["create a: its creation was interrupted"]
    assert plan.steps[0].token == world.row("a").token


def test_an_interrupted_create_of_something_else_is_replaced(world, told):
    """Its token would find the object made with the old properties."""
    world.made({"a": thing(label="s")})
    world.change("a", action=Action.CREATE, status=Status.IN_PROGRESS)
    assert told(world.plan(world.load({"a": thing(label="l")})).steps) == [
        "create a: its creation was interrupted, and label changes from s to l",
        "delete a: replaced by a new a",
    ]


def test_what_is_being_deleted_is_not_brought_back(world, told):
    """Another takes its place."""
    template = {"a": thing()}
    world.made(template).change("a", action=Action.DELETE, status=Status.FAILED)
    assert told(world.plan(world.load(template)).steps) == [
        "create a: its deletion had begun (DELETE_FAILED)",
        "delete a: replaced by a new a",
    ]


def test_a_rollback_returns_to_the_old_row(world, told):
    """The update replaced `a` and then failed elsewhere; the old row is still as it was."""
    before = {"a": thing(size="s"), "b": thing(tied=[ref("a")])}
    after = world.load(before | {"a": thing(size="l")})
    plan = world.made(before).plan(after)
    world.carry_out(plan, after, steps=1)
    back = world.plan(world.load(before), Action.ROLLBACK)
    assert told(back.steps) == [
        "delete a: left over: another a is in use",
    ]
    assert back.steps[0].resource_id == plan.steps[0].resource_id
    assert back.unchanged == ("a", "b")


def test_a_second_attempt_finds_what_the_first_one_made(world, told):
    """The replacement is there; what is left is done."""
    before = {"a": thing(size="s"), "b": thing(tied=[ref("a")])}
    after = world.load(before | {"a": thing(size="l")})
    world.carry_out(world.made(before).plan(after), after, steps=1)
    assert [step.key for step in world.plan(after).steps] == [
        "create b",
        "delete b",
        "delete a",
    ]


def test_several_leftovers_of_one_resource_all_go(world):
    """Their keys are told apart by their rows."""
    world.made({"a": thing()}).add("x", "a").add("x", "a")
    plan = world.plan(world.load({"a": thing()}))
    assert [step.key for step in plan.steps] == [
        f"delete x #{row.id}" for row in reversed(world.rows) if row.name == "x"
    ]
    assert check(plan) == []


# --- removal ---------------------------------------------------------------------------------


def test_what_left_the_template_goes_after_those_that_used_it(world, told):
    """A user that stays is updated first; a user that leaves goes first."""
    before = {
        "net": thing(),
        "port": thing(tied=[ref("net")]),
        "web": thing(peers=[ref("port"), ref("net")]),
    }
    plan = world.made(before).plan(world.load({"web": thing(peers=[])}))
    assert [(step.key, step.requires) for step in plan.steps] == [
        ("update web", ()),
        ("delete port", ("update web",)),
        ("delete net", ("update web", "delete port")),
    ]


def test_deletion_policies(world, told):
    """Retain leaves the object, Snapshot takes one first, and what was never made just goes."""
    world.made(
        {
            "kept": thing(deletion_policy="Retain"),
            "saved": thing(deletion_policy="Snapshot", needs=["kept"]),
            "never": thing(deletion_policy="Retain"),
        }
    )
    world.change("never", action=Action.INIT, physical_id=None)
    plan = world.plan(None, Action.DELETE)
    assert [(step.key, step.requires) for step in plan.steps] == [
        ("delete never", ()),
        ("snapshot saved", ()),
        ("delete saved", ("snapshot saved",)),
        ("forget kept", ("delete saved",)),
    ]
    assert check(plan) == []


def test_a_stack_is_deleted_in_reverse(world, told):
    """Everything, with the same reason."""
    world.made({"a": thing(), "b": thing(needs=["a"]), "c": thing(needs=["b"])})
    plan = world.plan(None, Action.DELETE)
    assert told(plan.steps) == [
        "delete c: the stack is deleted",
        "delete b: the stack is deleted",
        "delete a: the stack is deleted",
    ]
    assert [step.requires for step in plan.steps] == [(), ("delete c",), ("delete b",)]
    assert world.plan(None, Action.ROLLBACK).steps[0].reason == "its creation is rolled back"


def test_rows_that_require_each_other_are_deleted_all_the_same(world):
    """Two templates turned a dependency round; the rows remember both."""
    world.made({"a": thing(), "b": thing()})
    world.change("a", requires=("b",), updated_at=99.0)
    world.change("b", requires=("a",), updated_at=99.0)
    plan = world.plan(None, Action.DELETE)
    assert [step.key for step in plan.steps] == ["delete a", "delete b"]
    assert check(plan) == []


def test_rows_already_deleted_are_no_rows(world):
    """They wait to be purged."""
    world.made({"a": thing()}).change("a", action=Action.DELETE, status=Status.COMPLETE)
    assert world.plan(None, Action.DELETE).is_empty


# --- check, suspend, resume ------------------------------------------------------------------


def chain(world):
    return world.made({"a": thing(), "b": thing(needs=["a"]), "c": thing(needs=["b"])})


def test_a_check_looks_at_everything_at_once(world):
    """No step waits, so that one failure hides no other."""
    plan = chain(world).plan(None, Action.CHECK)
    assert [(step.key, step.requires) for step in plan.steps] == [
        ("check a", ()),
        ("check b", ()),
        ("check c", ()),
    ]


def test_suspending_goes_backwards_and_resuming_forwards(world):
    """What serves others stops last and starts first."""
    suspend = chain(world).plan(None, Action.SUSPEND)
    assert [(step.key, step.requires) for step in suspend.steps] == [
        ("suspend c", ()),
        ("suspend b", ("suspend c",)),
        ("suspend a", ("suspend b",)),
    ]
    resume = world.plan(None, Action.RESUME)
    assert [(step.key, step.requires) for step in resume.steps] == [
        ("resume a", ()),
        ("resume b", ("resume a",)),
        ("resume c", ("resume b",)),
    ]
    assert check(suspend) == check(resume) == []


def test_what_is_suspended_already_is_left_alone(world):
    """A second attempt does only what is missing."""
    chain(world).change("b", action=Action.SUSPEND, status=Status.COMPLETE)
    plan = world.plan(None, Action.SUSPEND)
    assert ([step.key for step in plan.steps], plan.unchanged) == (
        ["suspend c", "suspend a"],
        ("b",),
    )
    assert check(plan) == []


def test_what_was_never_made_or_is_leaving_is_not_acted_upon(world):
    """Its state must go on telling what it is."""
    chain(world).change("a", action=Action.INIT)
    world.change("b", action=Action.CREATE, status=Status.FAILED)
    world.add("c", "c", created_at=99.0)
    world.rows[2] = structs.replace(world.rows[2], replaced_by=world.rows[3].id)
    world.rows[3] = structs.replace(world.rows[3], action=Action.INIT)
    assert world.plan(None, Action.CHECK).is_empty


def test_a_row_whose_replacement_is_gone_is_in_use_again(world):
    """After a rollback."""
    chain(world).change("a", replaced_by="gone")
    assert world.plan(None, Action.CHECK).steps[0].key == "check a"


# --- secrets ---------------------------------------------------------------------------------


def test_no_secret_reaches_a_plan(world):
    """Neither a secret property, nor a hidden parameter or a secret attribute that travelled."""
    parameters = {"pw": {"type": "string", "hidden": True}}
    text = {"list_join": [" ", ["pw:", {"get_param": "pw"}, attr("db", "secret")]]}
    template = {"db": thing(password="s3cret-db"), "web": thing(label=text)}
    more = {"template": {"parameters": parameters}}
    world.made(template, **more, parameters={"pw": "hunter-one"})
    later = template | {"db": thing(password="s3cret-two")}
    plan = world.plan(world.load(later, **more, parameters={"pw": "hunter-two"}))
    assert {step.key: step.changes for step in plan.steps} == {
        "update db": (Change(path="password", before=MASKED, after=MASKED),),
        "update web": (Change(path="label", before=MASKED, after=f"pw: {MASKED} {MASKED}"),),
    }
    for told in ("hunter", "s3cret", "secret of"):
        assert told not in str(plan)
