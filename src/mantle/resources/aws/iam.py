"""AWS::IAM::User and AWS::IAM::AccessKey, and the OS::Heat::AccessPolicy that limits them.

All three are rows that the identity service reads (`store/stack_users.py`): nothing is made, so
nothing can be left behind. A user may show and signal the resources that its policies name; a key
signs requests in its user's name.
"""

from collections.abc import Mapping
from typing import Any

from mantle.model.schema import Attribute, Kind, TypeFacts
from mantle.resources.kit import Context, Done, Failed, Outcome, Ref, ResourceType
from mantle.resources.schemas import (
    integer,
    listing,
    mapping,
    not_offered,
    schema,
    string,
)

NO_ACCOUNTS = "A user of the stack cannot be made: accounts are kept in another Keystone."
REMEDY = "Run Mantle with its own identity service, or use a signal_transport that needs no user."

USER_SCHEMA = schema(
    "AWS::IAM::User",
    "An account that may show and signal what its policies name.",
    {
        "Path": string("Not used."),
        "Groups": listing("Groups."),
        "LoginProfile": mapping(
            "How it logs in.", {"Password": string("The password.", secret=True)}
        ),
        "Policies": listing("OS::Heat::AccessPolicy resources, by Ref."),
    },
)
KEY_SCHEMA = schema(
    "AWS::IAM::AccessKey",
    "A key to sign requests with.",
    {
        "Serial": integer("Not used."),
        "UserName": string("The AWS::IAM::User, by Ref.", required=True),
        "Status": string("Whether it may be used.", allowed=("Active", "Inactive")),
    },
    {
        "UserName": (Kind.STRING, "Whose key it is."),
        "SecretAccessKey": Attribute(
            kind=Kind.STRING, description="What requests are signed with.", secret=True
        ),
    },
)
POLICY_SCHEMA = schema(
    "OS::Heat::AccessPolicy",
    "Names the resources that a user may show and signal.",
    {"AllowedResources": listing("Names of resources of this stack.", required=True)},
)


def _name(ref: Ref) -> str:
    return str(ref.data.get("name") or ref.name)


async def make_user(ctx: Context) -> Outcome:
    """The row is the user; its name is how keys and people name it."""
    user = ctx.callbacks.user(ctx.ref)
    if user is None:
        return Failed(reason=NO_ACCOUNTS, remedy=REMEDY)
    return Done(physical_id=user.user_id, data={"name": ctx.name_hint})


async def make_key(ctx: Context) -> Outcome:
    """The row is the key."""
    if ctx.callbacks.user(ctx.ref) is None:
        return Failed(reason=NO_ACCOUNTS, remedy=REMEDY)
    return Done(physical_id=ctx.callbacks.access_key(ctx.ref)[0])


async def key_attributes(ctx: Context) -> Mapping[str, Any]:
    """Whose it is, and the secret."""
    return {
        "UserName": ctx.properties["UserName"],
        "SecretAccessKey": ctx.callbacks.access_key(ctx.ref)[1],
    }


async def make_policy(ctx: Context) -> Outcome:
    """Users name it by its physical name."""
    return Done(physical_id=ctx.name_hint)


USER_TYPE = ResourceType(
    facts=TypeFacts(
        schema=USER_SCHEMA,
        check_properties=not_offered({"Groups": "there are no groups. Leave Groups out."}),
    ),
    create=make_user,
    hands_account=lambda _: True,
    reference=_name,
    needs_no_cloud=True,
)
KEY_TYPE = ResourceType(
    facts=TypeFacts(schema=KEY_SCHEMA),
    create=make_key,
    hands_account=lambda _: True,
    attributes=key_attributes,
    needs_no_cloud=True,
)
POLICY_TYPE = ResourceType(
    facts=TypeFacts(schema=POLICY_SCHEMA), create=make_policy, needs_no_cloud=True
)
