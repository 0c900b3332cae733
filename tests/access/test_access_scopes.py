"""Tokens that are for no project: of a domain, of the whole system, of nothing."""

import pytest

from mantle.access.caller import Scope
from mantle.access.keystone import caller_of
from mantle.access.policy import POLICY, SYSTEM_DEEDS, SYSTEM_READS, enforce
from mantle.model.errors import Forbidden


def caller(scope, *roles):
    facts = {
        "user": {"id": "u", "name": "ann", "domain": {"id": "default", "name": "Default"}},
        "roles": [{"name": role} for role in roles],
    }
    return caller_of(facts | scope)


PROJECT = {"project": {"id": "p", "name": "work", "domain": {"id": "default", "name": "Default"}}}
DOMAIN = {"domain": {"id": "d", "name": "users"}}
SYSTEM = {"system": {"all": True}}


def may(who):
    found = set()
    for deed in POLICY:
        try:
            enforce(who, deed)
        except Forbidden:
            continue
        found.add(deed)
    return found


@pytest.mark.parametrize(
    ("facts", "scope"),
    [
        (PROJECT, Scope.PROJECT),
        (DOMAIN, Scope.DOMAIN),
        (SYSTEM, Scope.SYSTEM),
        ({}, Scope.NONE),
        ({"system": {}}, Scope.NONE),
    ],
)
def test_what_a_token_is_for_is_read_from_it(facts, scope):
    """As Keystone tells it."""
    assert caller(facts).scope is scope


@pytest.mark.proves("life cycle: tokens of system and domain scope")
@pytest.mark.parametrize(
    ("roles", "deeds"),
    [
        (("admin", "member", "reader"), SYSTEM_DEEDS),
        (("reader",), SYSTEM_READS),
        (("member", "reader"), SYSTEM_READS),
        (("heat_stack_user",), frozenset()),
        ((), frozenset()),
    ],
)
def test_a_token_for_the_system_does_what_is_in_no_project(roles, deeds):
    """Nothing in a project can be done or seen with it, whatever its roles."""
    assert may(caller(SYSTEM, *roles)) == deeds


def test_a_token_for_a_domain_does_nothing_and_is_told_why():
    """Stacks belong to projects."""
    admin = caller(DOMAIN, "admin")
    assert may(admin) == set()
    with pytest.raises(Forbidden, match="for a domain"):
        enforce(admin, "stacks:index")


def test_a_token_for_nothing_does_nothing():
    """It can be exchanged for one that is for a project."""
    assert may(caller({}, "admin")) == set()
