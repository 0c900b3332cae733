"""OS::Keystone::…: domains, projects, groups, users, roles, and who has which role where."""

from collections.abc import Mapping
from typing import Any

from mantle.model.schema import Kind, Property
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context
from mantle.resources.plain import SettingSheet, named, plain, setting, to
from mantle.resources.plain_sheets import Part, Sheet, To
from mantle.resources.schemas import boolean, listing, maps, schema, string, strings

ROLES = maps(
    "Roles, each in a project or a domain.",
    {
        "role": string("The role, by name or id.", required=True, custom="keystone.role"),
        "project": string("The project, by name or id.", custom="keystone.project"),
        "domain": string("The domain, by name or id.", custom="keystone.domain"),
    },
    update=True,
)


async def roles(ctx: Context, value: Any) -> Mapping[str, Any]:
    """`{place}/{its id}/{role id}`, each set."""
    found = {}
    for each in value or ():
        place = "projects" if each.get("project") else "domains"
        where = await named(place)(ctx, each.get("project") or each.get("domain"))
        found[f"{place}/{where}/{await named('roles')(ctx, each['role'])}"] = True
    return found


def whole_roles(properties: Mapping[str, Any]) -> list[str]:
    """A role is in one place."""
    entries = properties.get("roles")
    problems = []
    for at, each in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(each, Mapping):
            given = [name for name in ("project", "domain") if each.get(name) is not None]
            if len(given) != 1:
                problems.append(f"roles[{at}]: give either a project or a domain.")
    return problems


async def _groups(ctx: Context, value: Any) -> Mapping[str, Any]:
    return dict.fromkeys(await named("groups")(ctx, list(value or ())), True)


def _domain() -> Property:
    return string(
        "The domain, by name or id.", default="default", custom="keystone.domain", update=True
    )


def _enabled() -> Property:
    return boolean("Whether it may be used.", default=True, update=True)


IN_DOMAIN = to("domain_id", "domains", "OS::Keystone::Domain")

DOMAIN = Sheet(
    schema=schema(
        "OS::Keystone::Domain",
        "Where projects, users and groups are at home.",
        {
            "name": string("The name.", update=True),
            "description": string("What it is for.", update=True),
            "enabled": _enabled(),
        },
        since="8.0.0",
    ),
    kind="domains",
    fields={"description": "description", "enabled": "enabled"},
    unique=("name",),
    admin_only=True,
)


def _parent(fields: Mapping[str, Any], peers: Peers) -> Any:
    """What is right below a domain has no project above it."""
    above = fields.get("parent_id")
    return None if above == fields.get("domain_id") else peers("OS::Keystone::Project", above)


PROJECT = Sheet(
    schema=schema(
        "OS::Keystone::Project",
        "What owns servers, networks and volumes.",
        {
            "name": string("The name.", update=True),
            "domain": _domain(),
            "description": string("What it is for.", default="", update=True),
            "enabled": _enabled(),
            "parent": string("The project above it.", custom="keystone.project"),
            "tags": strings("Tags.", default=[], update=True),
        },
        {
            "domain_id": (Kind.STRING, "Its domain."),
            "enabled": (Kind.BOOLEAN, "Whether it may be used."),
            "is_domain": (Kind.BOOLEAN, "Whether it is a domain."),
            "name": (Kind.STRING, "The name."),
            "parent_id": (Kind.STRING, "What is above it."),
        },
        since="2015.1",
    ),
    kind="projects",
    fields={
        "domain": IN_DOMAIN,
        "description": "description",
        "enabled": "enabled",
        "parent": To(
            name="parent_id", resolve=named("projects"), kind="OS::Keystone::Project", back=_parent
        ),
        "tags": "tags",
    },
    unique=("name",),
    admin_only=True,
)

GROUP = Sheet(
    schema=schema(
        "OS::Keystone::Group",
        "Users who have roles together.",
        {
            "name": string("The name.", update=True),
            "domain": _domain(),
            "description": string("What it is for.", default="", update=True),
            "roles": ROLES,
        },
        since="2015.1",
    ),
    kind="groups",
    fields={"domain": IN_DOMAIN, "description": "description"},
    parts={"roles": Part(setting="group_roles", values=roles)},
    check=whole_roles,
    unique=("name",),
    admin_only=True,
)

USER = Sheet(
    schema=schema(
        "OS::Keystone::User",
        "Who may log in.",
        {
            "name": string("The name.", update=True),
            "domain": _domain(),
            "description": string("Who it is.", default="", update=True),
            "enabled": _enabled(),
            "email": string("The mail address.", update=True),
            "password": string("The password.", secret=True, update=True),
            "default_project": string(
                "The project of who names none.", custom="keystone.project", update=True
            ),
            "groups": listing(
                "The groups.", string("By name or id.", custom="keystone.group"), update=True
            ),
            "roles": ROLES,
        },
        {
            "default_project_id": (Kind.STRING, "The project of who names none."),
            "domain_id": (Kind.STRING, "The domain."),
            "enabled": (Kind.BOOLEAN, "Whether it may be used."),
            "name": (Kind.STRING, "The name."),
            "password_expires_at": (Kind.STRING, "Until when the password is good."),
        },
        since="2015.1",
    ),
    kind="users",
    fields={
        "domain": IN_DOMAIN,
        "description": "description",
        "enabled": "enabled",
        "email": "email",
        "password": "password",
        "default_project": to("default_project_id", "projects", "OS::Keystone::Project"),
    },
    parts={
        "groups": Part(setting="user_groups", values=_groups),
        "roles": Part(setting="user_roles", values=roles),
    },
    check=whole_roles,
    unique=("name",),
    admin_only=True,
)

ROLE = Sheet(
    schema=schema(
        "OS::Keystone::Role",
        "A name for what may be done.",
        {
            "name": string("The name.", update=True),
            "domain": string("The domain it is good in.", custom="keystone.domain"),
        },
        since="2015.1",
    ),
    kind="roles",
    fields={"domain": IN_DOMAIN},
    unique=("name",),
    admin_only=True,
)


def _assignment(who: str, since: str) -> SettingSheet:
    async def target(ctx: Context) -> str:
        return str(await named(f"{who}s")(ctx, ctx.properties[who]))

    async def values(ctx: Context, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        return await roles(ctx, wanted.get("roles"))

    return SettingSheet(
        schema=schema(
            f"OS::Keystone::{who.title()}RoleAssignment",
            f"Roles of a {who} that is there.",
            {
                who: string(
                    f"The {who}, by name or id.",
                    required=True,
                    custom=f"keystone.{who}",
                    update=True,
                ),
                "roles": ROLES,
            },
            since=since,
        ),
        setting=f"{who}_roles",
        target=target,
        values=values,
        check=whole_roles,
        admin_only=True,
    )


TYPES = (
    *(plain(each) for each in (DOMAIN, PROJECT, GROUP, USER, ROLE)),
    setting(_assignment("user", "5.0.0")),
    setting(_assignment("group", "5.0.0")),
)
