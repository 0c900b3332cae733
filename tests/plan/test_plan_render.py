"""A plan as text and as JSON, and the invariants that every plan keeps."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from mantle.model.ids import PlanId, ResourceId, StackId, StepKey, Token
from mantle.model.plan import Change, Plan, Step, StepKind
from mantle.model.status import Action
from mantle.model.values import Unknown
from mantle.plan.checks import check
from mantle.plan.render import plan_from_json, plan_json, render

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.lists(st.text(max_size=3), min_size=1, max_size=2).map(
        lambda names: Unknown(tuple(names))
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["unknown", "literal", "a", "b"]), inner, max_size=2)
    ),
    max_leaves=8,
)


def step(kind=StepKind.CREATE, name="web", **more):
    return Step(
        **{
            "key": StepKey(f"{kind} {name}"),
            "kind": kind,
            "resource": name,
            "resource_type": "OS::Nova::Server",
            "resource_id": ResourceId(f"row-{name}"),
            "token": Token(f"token-{name}"),
            "reason": "new in the template",
        }
        | more
    )


def plan(*steps, **more):
    return Plan(
        **{
            "id": PlanId("p"),
            "stack_id": StackId("s"),
            "stack_name": "shop",
            "action": Action.UPDATE,
            "steps": steps,
            "made_at": 1.0,
            "expires_at": 2.0,
        }
        | more
    )


@given(before=values, after=values)
def test_json_loses_nothing(before, after):
    """Unknown values, and maps that look like them, come back as they were."""
    made = step(
        changes=(Change(path="a.b[0]", before=before, after=after, forces_replacement=True),),
        requires=(StepKey("create net"),),
        replaces=ResourceId("old"),
        unknown_after=("net",),
        digest="abc",
    )
    whole = plan(made, unchanged=("db",), based_on={"old": 3})
    assert plan_from_json(json.loads(json.dumps(plan_json(whole)))) == whole


def test_an_empty_plan_says_so():
    """In one line, with the number of resources that are as wanted."""
    assert render(plan(unchanged=("a", "b"))) == (
        "Plan for stack shop (update)\n\nNothing to do: 2 resources are as wanted.\n"
    )


def test_every_step_has_its_sign_and_reason_and_the_legend_explains_the_signs():
    """Values are exact, unknowns say after what, long texts are cut."""
    script = "\n".join(f"line {number}" for number in range(9))
    shown = render(
        plan(
            step(
                changes=(
                    Change(path="flavor", after="small"),
                    Change(path="networks", after=[{"port": Unknown(("port",))}]),
                    Change(path="user_data", after=script),
                    Change(path="admin_pass", after="******"),
                )
            ),
            step(
                name="db",
                replaces=ResourceId("old"),
                reason="image changes from a to b, which needs a new one",
                changes=(Change(path="image", before="a", after="b", forces_replacement=True),),
                requires=(StepKey("create web"),),
            ),
            step(
                StepKind.DELETE, "db", resource_id=ResourceId("old"), reason="replaced by a new db"
            ),
            unchanged=("net",),
        )
    )
    assert (
        shown
        == """\
Plan for stack shop (update)

  +   create
  +/- make a new one, then delete the old
  -   delete

  +   web  (OS::Nova::Server)
        new in the template
        flavor: "small"
        networks: [{"port": "(known after port)"}]
        user_data:
        | line 0
        | line 1
        | line 2
        | line 3
        | line 4
        | line 5
        | line 6
        | line 7
        | … 1 more line
        admin_pass: ******

  +/- db  (OS::Nova::Server)
        image changes from a to b, which needs a new one
        image: "a" -> "b"  (needs a new one)
        after create web

  -   db  (OS::Nova::Server)
        replaced by a new db

1 to create, 1 to replace, 1 unchanged.
"""
    )


def test_a_changed_text_shows_the_lines_that_differ():
    """With one line around them."""
    change = Change(path="user_data", before="a\nb\nc\nd\n", after="a\nb\nC\nd\n")
    shown = render(plan(step(StepKind.UPDATE, changes=(change,))))
    assert (
        shown.split("new in the template\n")[1]
        == """\
        user_data:
        | @@ -2,3 +2,3 @@
        |  b
        | -c
        | +C
        |  d

1 to update, 0 unchanged.
"""
    )


def test_a_good_plan_breaks_nothing():
    """A replacement, its dependent, and the end of the old row."""
    net = step(name="net", replaces=ResourceId("old"))
    port = step(
        StepKind.UPDATE,
        "port",
        requires=(net.key,),
        changes=(Change(path="network", before="n", after=Unknown(("net",))),),
        unknown_after=("net",),
    )
    end = step(
        StepKind.DELETE,
        "net",
        resource_id=ResourceId("old"),
        token=Token("old"),
        requires=(net.key, port.key),
    )
    good = plan(net, port, end, based_on={"old": 1, "row-port": 4})
    assert check(good) == []
    assert check(replace(good, steps=(net, port, structs.replace(end, requires=())))) == [
        "'delete net' does not wait for 'create net'",
        "'delete net' does not wait for 'update port'",
    ]
    assert check(replace(good, steps=(port, net, end))) == [
        "'update port' stands before 'create net', which it requires"
    ]
    assert check(replace(good, based_on={"old": 1, "other": 1})) == [
        "'update port' touches a row whose version the plan does not record",
        "row other is recorded, but no step touches it",
    ]


def test_broken_plans_are_told_apart():
    """Each invariant has its words."""
    web = step()
    assert check(plan(web, web)) == [
        "two steps are called 'create web'",
        "row row-web has steps create, create",
        "'web' is made twice",
    ]
    loop = step(requires=(StepKey("create web"),))
    assert check(plan(loop)) == [
        "'create web' stands before 'create web', which it requires",
        "a cycle: create web -> create web",
    ]
    assert check(plan(step(requires=(StepKey("gone"),)))) == [
        "'create web' requires 'gone', which is no step"
    ]
    assert check(plan(web, step(name="db", token=web.token, reason=""))) == [
        "'create db' has no reason",
        "'create db' has the token of another row",
    ]
    assert check(plan(web, unchanged=("web",), expires_at=0.0)) == [
        "it expires before it is made",
        "'web' is unchanged and has a step",
    ]
    assert check(plan(step(changes=(Change(path="a", after=Unknown(("net",))),)))) == [
        "'create web' does not name just what its unknowns wait for"
    ]
    assert check(
        plan(step(changes=(Change(path="a", after=Unknown(("net",))),), unknown_after=("net",)))
    ) == ["'create web' waits for 'net' without requiring its creation"]
    assert check(plan(step(changes=(Change(path="a", before=Unknown(("b",))),)))) == [
        "'create web' does not know what a was"
    ]
