"""The policy table and the lockout, as rules."""

import pytest

from mantle.access.caller import Caller
from mantle.access.lockout import Lockout
from mantle.access.policy import INCLUDES, POLICY, Need, allows, enforce
from mantle.model.errors import Forbidden


def test_a_reader_may_only_look():
    """Every deed of a reader is one that only looks."""
    looks = {
        "index",
        "show",
        "template",
        "environment",
        "files",
        "outputs",
        "metadata",
        "validate",
        "unmanaged",
        "lookup",
    }
    allowed = {deed for deed in POLICY if allows({"reader"}, deed)}
    assert {deed.split(":")[1] for deed in allowed} <= looks


def test_roles_include_each_other():
    """What a reader may a member may, and what a member may an admin may."""
    for deed in POLICY:
        assert allows({"admin"}, deed) >= allows({"member"}, deed) >= allows({"reader"}, deed)


def test_only_an_admin_looks_beyond_the_project():
    """The engines, other projects' stacks and everybody's policy rules are for admins."""
    admins = {deed for deed, need in POLICY.items() if need is Need.ADMIN}
    assert admins == {
        "services:index",
        "stacks:index_all_projects",
        "policies:operator",
        "operations:take_over",
        "operations:all_projects",
        "limits:set",
        "admin:purge",
        "reconcile:show",
        "reconcile:apply",
        "types:cloudwide",
        "sweeps:migrate",
        "hosts:index",
        "hosts:set",
    }


@pytest.mark.parametrize("roles", [set(), {"auditor"}])
def test_unknown_roles_may_nothing(roles):
    """A role that is not in the table opens nothing."""
    assert not any(allows(roles, deed) for deed in POLICY)


def test_a_resources_own_user_may_show_and_signal_it_and_nothing_else():
    """Whatever a template hands to a server gives it no power over the project."""
    allowed = {deed for deed in POLICY if allows({"heat_stack_user"}, deed)}
    assert allowed == {
        "stacks:lookup",
        "resources:show",
        "resources:metadata",
        "resources:signal",
        "software_deployments:metadata",
    }


def test_role_names_are_compared_without_case():
    """Keystone treats role names so."""
    assert allows({"Member"}, "stacks:create")
    assert all(name == name.lower() for name in INCLUDES)


def test_a_refusal_says_which_role_is_needed():
    """The caller learns what to ask for."""
    caller = Caller("u", "u", "p", "shop", frozenset({"reader"}))
    with pytest.raises(Forbidden, match="'member' in project 'shop'"):
        enforce(caller, "stacks:create")


def test_invented_names_cannot_fill_the_lockouts_memory():
    """The oldest are forgotten first."""
    lockout = Lockout(attempts=1)
    for number in range(10_002):
        lockout.failed(f"name-{number}", 1.0)
    assert not lockout.rests("name-0", 1.0)
    assert lockout.rests("name-10001", 1.0)
