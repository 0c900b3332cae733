"""`/v2/secrets`: credentials for other clouds, kept and never shown again."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Controller, delete, get, post
from litestar.params import FromPath, JSONBody

from mantle.access.policy import enforce
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.model.secrets import Secret
from mantle.stacks.secrets import add_secret, delete_secret, list_secrets


class SecretBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A secret to keep: a text, or JSON data that is kept as text."""

    name: str
    payload: str | dict[str, Any]


class SecretItem(msgspec.Struct, kw_only=True):
    """A secret without what it holds."""

    id: str
    name: str
    created_at: str
    created_by: str


class SecretAnswer(msgspec.Struct, kw_only=True):
    """One secret."""

    secret: SecretItem


class SecretsAnswer(msgspec.Struct, kw_only=True):
    """A project's secrets by name."""

    secrets: list[SecretItem]


class SecretsController(Controller):
    """Secrets of the token's project."""

    path = "/secrets"
    tags = ["secrets"]

    @post("/", status_code=201, summary="Keep a secret")
    async def create(
        self, control: GivenControl, caller: GivenCaller, data: JSONBody[SecretBody]
    ) -> SecretAnswer:
        """Its id or name is what `credential_secret_id` of OS::Heat::Stack takes."""
        enforce(caller, "secrets:create")
        payload = data.payload
        text = payload if isinstance(payload, str) else msgspec.json.encode(payload).decode()
        return SecretAnswer(secret=_shape(await add_secret(control, caller, data.name, text)))

    @get("/", summary="List secrets")
    async def index(self, control: GivenControl, caller: GivenCaller) -> SecretsAnswer:
        """Names and ids; what they hold is shown to nobody."""
        enforce(caller, "secrets:index")
        found = await list_secrets(control, caller.project_id)
        return SecretsAnswer(secrets=[_shape(each) for each in found])

    @delete("/{name_or_id:str}", status_code=204, summary="Delete a secret")
    async def remove(
        self, control: GivenControl, caller: GivenCaller, name_or_id: FromPath[str]
    ) -> None:
        """Stacks made with it stay; to change or delete them there it has to be kept again."""
        enforce(caller, "secrets:delete")
        await delete_secret(control, caller.project_id, name_or_id)


def _shape(secret: Secret) -> SecretItem:
    return SecretItem(
        id=secret.id,
        name=secret.name,
        created_at=datetime.fromtimestamp(secret.created_at, UTC).isoformat(),
        created_by=secret.created_by,
    )
