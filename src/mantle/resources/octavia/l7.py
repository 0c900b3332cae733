"""OS::Octavia::L7Policy and L7Rule: where requests go by what is in them."""

from collections.abc import Mapping
from typing import Any

from mantle.model.schema import Kind
from mantle.resources.plain import named, plain, to
from mantle.resources.plain_sheets import Sheet
from mantle.resources.schemas import boolean, number, schema, string

ACTIONS = ("REJECT", "REDIRECT_TO_POOL", "REDIRECT_TO_URL")


def _goal(properties: Mapping[str, Any]) -> list[str]:
    """A redirection says where to, and nothing else does."""
    action = properties.get("action")
    problems = []
    for wanted, name in (
        ("REDIRECT_TO_POOL", "redirect_pool"),
        ("REDIRECT_TO_URL", "redirect_url"),
    ):
        given = properties.get(name) is not None
        if action == wanted and not given:
            problems.append(f"{name}: action {action} needs it.")
        if given and action in set(ACTIONS) - {wanted}:
            problems.append(f"{name}: action {action} has none. Leave it out.")
    return problems


POLICY = Sheet(
    schema=schema(
        "OS::Octavia::L7Policy",
        "What a listener does with the requests that its rules choose.",
        {
            "name": string("The name.", update=True),
            "description": string("What it is for.", update=True),
            "admin_state_up": boolean("Whether it serves.", default=True, update=True),
            "action": string("What is done.", required=True, allowed=ACTIONS, update=True),
            "redirect_pool": string(
                "The pool to go to, by name or id.", custom="octavia.pool", update=True
            ),
            "redirect_url": string("The address to go to.", update=True),
            "position": number("Its place among the listener's policies.", low=1, update=True),
            "listener": string(
                "The listener, by name or id.", required=True, custom="octavia.listener"
            ),
        },
        {"rules": (Kind.LIST, "Its rules.")},
        since="10.0.0",
    ),
    kind="l7_policies",
    fields={
        "description": "description",
        "admin_state_up": "admin_state_up",
        "action": "action",
        "redirect_pool": to("redirect_pool_id", "pools", "OS::Octavia::Pool"),
        "redirect_url": "redirect_url",
        "position": "position",
        "listener": to("listener_id", "listeners", "OS::Octavia::Listener"),
    },
    check=_goal,
)


def _key(properties: Mapping[str, Any]) -> list[str]:
    """Headers and cookies have names."""
    kind = properties.get("type")
    if kind in {"HEADER", "COOKIE"} and properties.get("key") is None:
        return [f"key: a rule of type {kind} needs the name."]
    return []


RULE = Sheet(
    schema=schema(
        "OS::Octavia::L7Rule",
        "Chooses requests for a policy.",
        {
            "admin_state_up": boolean("Whether it counts.", default=True, update=True),
            "l7policy": string(
                "The policy, by name or id.", required=True, custom="octavia.l7policy"
            ),
            "type": string(
                "What is looked at.",
                required=True,
                allowed=("HOST_NAME", "PATH", "FILE_TYPE", "HEADER", "COOKIE"),
                update=True,
            ),
            "compare_type": string(
                "How it is compared.",
                required=True,
                allowed=("REGEX", "STARTS_WITH", "ENDS_WITH", "CONTAINS", "EQUAL_TO"),
                update=True,
            ),
            "invert": boolean("Whether all others are meant.", default=False, update=True),
            "key": string("The name of the header or cookie.", update=True),
            "value": string("What it is compared with.", required=True, update=True),
        },
        since="10.0.0",
    ),
    kind="l7_rules",
    fields={
        "admin_state_up": "admin_state_up",
        "type": "type",
        "compare_type": "compare_type",
        "invert": "invert",
        "key": "key",
        "value": "value",
    },
    parent=("l7policy", named("l7_policies")),
    named=False,
    check=_key,
)

TYPES = (plain(POLICY), plain(RULE))
