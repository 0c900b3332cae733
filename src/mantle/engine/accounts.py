"""Accounts of resources in another Keystone's stack domain: made, suspended and deleted with rows.

Where Mantle keeps the accounts itself, a resource's user is its row (`store/stack_users.py`) and
nothing is made. Where another Keystone keeps them, the rows that hand an account out have one made
in its stack domain, under the names that are derived from the rows. A row is durable before its
account is made and until it is deleted, so a kill at any moment leaves nothing that is not found.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mantle.clouds.ports import Refused
from mantle.model.keys import ACCOUNT, StackKeys
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.schema import Limitation
from mantle.store import stack_users
from mantle.store.database import Database


class DomainUser(Protocol):
    """A user as Keystone knows it."""

    @property
    def user_id(self) -> str: ...
    @property
    def project_id(self) -> str: ...
    @property
    def domain_id(self) -> str: ...


class Domain(Protocol):
    """The stack domain (`clouds.openstack.stack_domain`). All may be repeated."""

    async def ensure_user(
        self, *, name: str, password: str, project: str, about: str
    ) -> DomainUser: ...
    async def remove_user(self, name: str) -> None: ...
    async def enable_user(self, name: str, *, enabled: bool) -> None: ...
    async def remove_project(self, name: str) -> None: ...
    async def ensure_key(self, user: Any, access: str, secret: str) -> None: ...
    async def remove_key(self, access: str) -> None: ...
    async def users(self) -> Sequence[str]: ...
    async def projects(self) -> Sequence[str]: ...


class Accounts(Protocol):
    """What the engine asks for around the phases of a row that hands out an account."""

    @property
    def made(self) -> bool:
        """Whether accounts are made at all; else rows are accounts, or there are none."""
        ...

    @property
    def limitations(self) -> Sequence[Limitation]:
        """What cannot be had without them."""
        ...

    async def ensure(self, stack: StackRecord, row: ResourceRecord) -> Mapping[str, Any]:
        """Make the row's account; what the row is to remember of it, no secret among it."""
        ...

    async def allow(self, row: ResourceRecord, *, enabled: bool) -> None:
        """Let it log in, or not."""
        ...

    async def withdraw(self, stack: StackRecord, row: ResourceRecord) -> None:
        """Delete it."""
        ...


class NoAccounts:
    """Nothing is made: rows are the accounts."""

    made = False
    limitations: Sequence[Limitation] = ()

    async def ensure(self, stack: StackRecord, row: ResourceRecord) -> Mapping[str, Any]:
        """Nothing to do."""
        del stack, row
        return {}

    async def allow(self, row: ResourceRecord, *, enabled: bool) -> None:
        """Nothing to do."""

    async def withdraw(self, stack: StackRecord, row: ResourceRecord) -> None:
        """Nothing to do."""


WHY = "it needs a user of the stack, and no stack domain is configured for this Keystone"
REMEDY = (
    "Use a signal_transport that needs no user, or have the operator set a stack domain up: "
    "mantle register-domain, then --stack-domain ENTRY."
)
HANDLES = (
    "OS::Heat::WaitConditionHandle",
    "OS::Heat::SoftwareDeployment",
    "OS::Heat::StructuredDeployment",
    "OS::Heat::SoftwareDeploymentGroup",
    "OS::Heat::StructuredDeploymentGroup",
)
SERVERS = ("OS::Nova::Server", "OS::Heat::DeployedServer")


class NotConfigured(NoAccounts):
    """Another Keystone, and no stack domain in it: what needs a user is refused by name."""

    limitations: Sequence[Limitation] = (
        *(
            Limitation(
                resource_type=name,
                path="signal_transport",
                values=("HEAT_SIGNAL",),
                why=WHY,
                remedy=REMEDY,
            )
            for name in HANDLES
        ),
        *(
            Limitation(
                resource_type=name,
                path="software_config_transport",
                values=("POLL_SERVER_HEAT",),
                why=WHY,
                remedy=REMEDY,
            )
            for name in SERVERS
        ),
        *(
            Limitation(resource_type=name, path="", why=WHY, remedy=REMEDY)
            for name in (stack_users.IAM_USER, stack_users.IAM_KEY)
        ),
    )


class DomainAccounts:
    """`Accounts` in a stack domain."""

    made = True
    limitations: Sequence[Limitation] = ()

    def __init__(self, database: Database, keys: StackKeys, domain: Domain, region: str) -> None:
        self.domain = domain
        self._database = database
        self._keys = keys
        self._region = region
        self.leaving: set[str] = set()
        """Projects of which a user was deleted: their stacks may be about to end."""

    async def ensure(self, stack: StackRecord, row: ResourceRecord) -> Mapping[str, Any]:
        """The row's own user; for an AWS::IAM::AccessKey the user that it names, with the key."""
        owner = await self._owner(row)
        name = self._keys.user_id(owner.id)
        user = await self.domain.ensure_user(
            name=name,
            password=stack_users.password_of(self._keys, owner),
            project=self._keys.project_id(stack.root_id),
            about=f"Resource {owner.name} of stack {stack.name} ({stack.root_id}), by Mantle",
        )
        if row.resolved_type == stack_users.IAM_KEY:
            access = self._keys.access(row.id)
            if row.properties.get("Status") == "Inactive":
                await self.domain.remove_key(access)
            else:
                await self.domain.ensure_key(user, access, self._keys.key(access))
        return {
            "user_id": user.user_id,
            "name": name,
            "project_id": user.project_id,
            "domain_id": user.domain_id,
            "region": self._region,
        }

    async def allow(self, row: ResourceRecord, *, enabled: bool) -> None:
        """As Heat does when it suspends and resumes."""
        if row.resolved_type != stack_users.IAM_KEY:
            await self.domain.enable_user(self._keys.user_id(row.id), enabled=enabled)

    async def withdraw(self, stack: StackRecord, row: ResourceRecord) -> None:
        """The key, or the user with all its keys. Its project goes when the stack is gone."""
        self.leaving.add(self._keys.project_id(stack.root_id))
        if row.resolved_type == stack_users.IAM_KEY:
            await self.domain.remove_key(self._keys.access(row.id))
        else:
            await self.domain.remove_user(self._keys.user_id(row.id))

    async def _owner(self, row: ResourceRecord) -> ResourceRecord:
        if row.resolved_type != stack_users.IAM_KEY:
            return row
        found = await self._database.read(stack_users.user_of_key, row)
        if found is None:
            raise Refused(
                f"There is no {stack_users.IAM_USER} {row.properties.get('UserName')!r} in this "
                "stack.",
                remedy="Name one by Ref.",
            )
        return found


def with_account(row: ResourceRecord, account: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row's notes with the account among them."""
    return {**row.data, ACCOUNT: dict(account)}
