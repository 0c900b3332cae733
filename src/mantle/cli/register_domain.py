"""`mantle register-domain`: a stack domain and Mantle's own accounts in a Keystone.

What Heat's installation guide has its readers do by hand, done once, from a plan that is shown:
the role of stacks' users, their domain, who administers it, and the account that Mantle checks
tokens with. Both log-ins go into a clouds.yaml. Running it again finishes what is missing.
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from mantle.cli.credentials import find_credentials
from mantle.cli.exits import Exit, Stop
from mantle.cli.options import NOTHING, Common
from mantle.cli.register import Keystone

ROLE = "heat_stack_user"
SERVICE_ENTRY, DOMAIN_ENTRY = "mantle-service", "mantle-stacks"
HERE = "is there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What there is to be in the end."""

    domain: str
    user: str
    """Mantle's own account."""
    auth_url: str
    region: str
    file: Path

    @property
    def admin(self) -> str:
        """Who administers the domain."""
        return f"{self.domain}-admin"


def register_domain(
    *,
    name: Annotated[str, Parameter(help="The domain of stacks' users.")] = "mantle",
    user: Annotated[str, Parameter(help="Mantle's own account, in the domain Default.")] = "mantle",
    into: Annotated[
        Path, Parameter(help="The clouds.yaml that gets the two log-ins; the one Mantle is given.")
    ] = Path("clouds.yaml"),
    region: Annotated[str, Parameter(help="The region that agents are told.")] = "RegionOne",
    yes: Annotated[
        bool, Parameter(name=["--yes", "-y"], negative="", help="Do not ask after the plan.")
    ] = False,
    dry_run: Annotated[bool, Parameter(negative="", help="Show the plan only.")] = False,
    common: Common = NOTHING,
) -> Exit:
    r"""Set up, in another Keystone, what users of stacks and Mantle itself need there.

    The role heat_stack_user; a domain; who administers it (in that domain only); the account that
    Mantle checks tokens and signatures with. Their passwords are made here and kept in the file, as
    the entries mantle-stacks and mantle-service. Log in as an administrator. Running it again
    changes nothing that is there.

    Try:

        mantle register-domain --cloud real-admin --into /etc/mantle/clouds.yaml --dry-run
        mantle register-domain --cloud real-admin --into /etc/mantle/clouds.yaml
        mantle up … --openstack-config /etc/mantle/clouds.yaml \
            --service-account mantle-service --stack-domain mantle-stacks
    """
    import httpx  # noqa: PLC0415 - `--help` needs no HTTP

    screen = common.screen
    who = find_credentials(os.environ, Path.home(), common.cloud)
    wanted = Wanted(domain=name, user=user, auth_url=who.auth_url, region=region, file=into)
    known = entries_of(into)
    with httpx.Client(timeout=30.0) as http:
        keystone = Keystone(http, who)
        plan = list(carried_out(keystone, wanted, known, really=False))
        screen.table(("what", "name", "is to be"), plan)
        todo = [each for each in plan if each[2] != HERE]
        if dry_run or not todo:
            screen.answer(rows_of(plan))
            return Exit.OK
        if screen.asks and not yes:
            answer = screen.out.input("\n[bold]Do this?[/bold] \\[y/N] ").strip().lower()
            if answer not in {"y", "yes"}:
                raise Stop(Exit.DECLINED, "Nothing was changed.")
        done = list(carried_out(keystone, wanted, known, really=True))
    screen.answer(rows_of(done), "Done." if not screen.json else None)
    return Exit.OK


Row = tuple[str, str, str]


def rows_of(rows: list[Row]) -> list[dict[str, str]]:
    """For one JSON document."""
    return [dict(zip(("what", "name", "done"), row, strict=True)) for row in rows]


def carried_out(
    keystone: Keystone, wanted: Wanted, known: Mapping[str, Any], *, really: bool
) -> Iterator[Row]:
    """Each part: what, its name, and what is done about it; nothing is unless `really`."""
    hand = Hand(keystone, really)
    role = hand.named("roles", "role", ROLE)
    yield "role", ROLE, role.done
    domain = hand.named(
        "domains", "domain", wanted.domain, description="Users of stacks, by Mantle"
    )
    yield "domain", wanted.domain, domain.done
    passwords = {
        name: password_of(known.get(name)) or secrets.token_urlsafe(24)
        for name in (DOMAIN_ENTRY, SERVICE_ENTRY)
    }
    kept = {name: bool(password_of(known.get(name))) for name in passwords}

    admin = hand.user(wanted.admin, domain.id, passwords[DOMAIN_ENTRY], kept[DOMAIN_ENTRY])
    yield "user", f"{wanted.admin} (in {wanted.domain})", admin.done
    granted = hand.granted(f"/domains/{domain.id}", admin.id, "admin", domain.id and admin.id)
    yield "role", f"admin of {wanted.admin} on the domain {wanted.domain}", granted

    project = hand.named("projects", "project", "service", domain_id="default")
    yield "project", "service", project.done
    service = hand.user(wanted.user, "default", passwords[SERVICE_ENTRY], kept[SERVICE_ENTRY])
    yield "user", f"{wanted.user} (in Default)", service.done
    may = "service" if hand.find("roles", "service") else "admin"
    granted = hand.granted(f"/projects/{project.id}", service.id, may, project.id and service.id)
    yield "role", f"{may} of {wanted.user} in the project service", granted

    entries = {
        DOMAIN_ENTRY: _entry(
            wanted,
            username=wanted.admin,
            password=passwords[DOMAIN_ENTRY],
            user_domain_name=wanted.domain,
            domain_name=wanted.domain,
        ),
        SERVICE_ENTRY: _entry(
            wanted,
            username=wanted.user,
            password=passwords[SERVICE_ENTRY],
            user_domain_name="Default",
            project_name="service",
            project_domain_name="Default",
        ),
    }
    for name, entry in entries.items():
        yield "entry", f"{name} in {wanted.file}", HERE if known.get(name) == entry else "written"
    if really and any(known.get(name) != entry for name, entry in entries.items()):
        write_entries(wanted.file, entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One object of Keystone's: its id, empty while it is only planned, and what is done."""

    id: str
    done: str


class Hand:
    """Finds and makes; only finds unless `really`."""

    def __init__(self, keystone: Keystone, really: bool) -> None:
        self._keystone = keystone
        self._really = really

    def find(self, kind: str, name: str, **where: str) -> Mapping[str, Any] | None:
        """By its name."""
        query = "&".join(f"{key}={value}" for key, value in {"name": name, **where}.items())
        listed = self._keystone.send("GET", f"/{kind}?{query}")[kind]
        return next((each for each in listed if each["name"] == name), None)

    def named(self, kind: str, one: str, name: str, **more: str) -> Found:
        """Something that has but a name."""
        where = {key: value for key, value in more.items() if key == "domain_id"}
        found = self.find(kind, name, **where)
        if found is not None:
            return Found(id=str(found["id"]), done=HERE)
        if not self._really:
            return Found(id="", done="made")
        made = self._keystone.send("POST", f"/{kind}", {one: {"name": name, **more}})
        return Found(id=str(made[one]["id"]), done="made")

    def user(self, name: str, domain_id: str, password: str, kept: bool) -> Found:
        """A user; one that is there and whose password is nowhere gets another."""
        found = self.find("users", name, domain_id=domain_id) if domain_id else None
        if found is not None and kept:
            return Found(id=str(found["id"]), done=HERE)
        if not self._really:
            return Found(
                id=str((found or {}).get("id", "")), done="a new password" if found else "made"
            )
        if found is not None:
            self._keystone.send("PATCH", f"/users/{found['id']}", {"user": {"password": password}})
            return Found(id=str(found["id"]), done="a new password")
        body = {"user": {"name": name, "password": password, "domain_id": domain_id}}
        return Found(id=str(self._keystone.send("POST", "/users", body)["user"]["id"]), done="made")

    def granted(self, where: str, user_id: str, role: str, known: str) -> str:
        """A role of a user in a project or a domain."""
        if not known:
            return "granted"
        scope, _, scope_id = where.strip("/").partition("/")
        key = f"scope.{scope.removesuffix('s')}.id"
        found = self.find("roles", role)
        if found is None:
            raise Stop(Exit.SERVER, f"This Keystone has no role {role!r}.")
        query = f"user.id={user_id}&role.id={found['id']}&{key}={scope_id}"
        if self._keystone.send("GET", f"/role_assignments?{query}")["role_assignments"]:
            return HERE
        if self._really:
            self._keystone.send("PUT", f"{where}/users/{user_id}/roles/{found['id']}")
        return "granted"


# --- the file --------------------------------------------------------------------------------


def _entry(wanted: Wanted, **auth: str) -> dict[str, Any]:
    return {
        "auth": {"auth_url": wanted.auth_url, **auth},
        "region_name": wanted.region,
        "identity_api_version": 3,
    }


def entries_of(file: Path) -> Mapping[str, Any]:
    """What a clouds.yaml has; nothing when it is not there."""
    import yaml  # noqa: PLC0415 - read by few commands

    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError) as error:
        raise Stop(Exit.REFUSED, f"Cannot read {file}: {error}") from None
    clouds = data.get("clouds") if isinstance(data, dict) else None
    return clouds if isinstance(clouds, dict) else {}


def password_of(entry: object) -> str:
    """Of an entry; empty when it has none."""
    auth = entry.get("auth") if isinstance(entry, dict) else None
    return str(auth.get("password") or "") if isinstance(auth, dict) else ""


def write_entries(file: Path, entries: Mapping[str, Any]) -> None:
    """Put them among the others, for the file's owner only; what was there is kept beside it."""
    import yaml  # noqa: PLC0415

    text = file.read_text(encoding="utf-8") if file.exists() else ""
    data = yaml.safe_load(text) or {}
    data["clouds"] = {**(data.get("clouds") or {}), **entries}
    if text:
        _write(file.with_name(file.name + ".before"), text)
    _write(file, yaml.safe_dump(data, sort_keys=False))


def _write(file: Path, text: str) -> None:
    part = file.with_name(file.name + ".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        opened.write(text)
    part.replace(file)
