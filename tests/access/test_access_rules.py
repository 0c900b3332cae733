"""Access rules of application credentials: what they let through here, and nothing else."""

import pytest

from mantle.access.access_rules import AccessRule, allowed, rules_of


def rule(path, method="GET", service="orchestration"):
    return AccessRule(service=service, method=method, path=path)


@pytest.mark.parametrize(
    ("rules", "call", "may"),
    [
        (None, ("DELETE", "/heat/v1/p/stacks/s/1"), True),
        ((), ("GET", "/v2/stacks"), False),
        ((rule("/v1/*/stacks"),), ("GET", "/heat/v1/p/stacks"), True),
        ((rule("/v1/{project}/stacks"),), ("GET", "/heat/v1/p/stacks"), True),
        ((rule("/v1/*/stacks"),), ("POST", "/heat/v1/p/stacks"), False),
        ((rule("/v1/*/stacks"),), ("GET", "/heat/v1/p/stacks/s/1"), False),
        ((rule("/v1/**"),), ("GET", "/heat/v1/p/stacks/s/1"), True),
        ((rule("/v2/servers", service="mantle"),), ("GET", "/v2/servers"), True),
        ((rule("/v2/servers", service="compute"),), ("GET", "/v2/servers"), False),
        ((rule("/v2/.*"),), ("GET", "/v2/servers"), False),
        ((rule("**", method="get"),), ("GET", "/v2/servers"), True),
    ],
)
def test_a_call_needs_a_rule_that_means_it(rules, call, may):
    """By service, method and path; no rules at all is another thing than an empty list."""
    assert allowed(rules, *call) is may


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({}, None),
        ({"application_credential": {"id": "a", "restricted": True}}, None),
        ({"application_credential": {"access_rules": []}}, ()),
        (
            {
                "application_credential": {
                    "access_rules": [
                        {"path": "/v2/x", "method": "GET", "service": "mantle", "id": "1"},
                        "nonsense",
                    ]
                }
            },
            (rule("/v2/x", service="mantle"),),
        ),
    ],
)
def test_rules_are_read_from_the_token(facts, found):
    """What is no rule allows nothing."""
    assert rules_of(facts) == found
