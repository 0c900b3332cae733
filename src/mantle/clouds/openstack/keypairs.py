"""Key pairs: of a user, known by their name.

Newer Novas make no keys, and a key they made would carry no token. So a pair that is to be made is
made here, and its public half handed in like any other, with the token in its comment.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from mantle.clouds import ports as p
from mantle.clouds.openstack import marks, states
from mantle.clouds.openstack.caller import Caller
from mantle.clouds.openstack.errors import Service
from mantle.clouds.openstack.kind import Raw
from mantle.model.ids import Token

NOVA = Service.COMPUTE


class KeyPairs:
    """The user's pairs, without those that Mantle made for other projects."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def create(self, spec: p.KeyPairSpec, token: Token) -> p.KeyPair:
        found = await self.find(token)
        if found is not None:
            return found
        private, public = ("", spec.public_key) if spec.public_key else new_pair()
        marked = spec.type == "ssh"
        project_id = (await self._caller.door()).project_id
        fields = {
            "name": spec.name,
            "type": spec.type,
            "public_key": marks.comment(public, token, project_id) if marked else public,
        }
        try:
            answer = await self._caller.post(NOVA, "/os-keypairs", {"keypair": fields})
        except p.Refused:
            # A certificate has no room for a token: the same one under the same name is ours.
            same = None if marked else await self._same(spec)
            if same is None:
                raise
            return same
        made = _pair(answer["keypair"])
        return p.KeyPair(
            id=made.id,
            name=made.name,
            token=token,
            public_key=public,
            fingerprint=made.fingerprint,
            private_key=private,
            type=spec.type,
        )

    async def _same(self, spec: p.KeyPairSpec) -> p.KeyPair | None:
        try:
            found = await self.get(spec.name)
        except p.Missing:
            return None
        return found if found.public_key.strip() == (spec.public_key or "").strip() else None

    async def find(self, token: Token) -> p.KeyPair | None:
        return next((each for each in await self.list() if each.token == token), None)

    async def get(self, object_id: str) -> p.KeyPair:
        raw = await self._caller.get(NOVA, f"/os-keypairs/{quote(object_id, safe='')}")
        if not await self._is_own(raw["keypair"]):
            raise p.Missing(f"There is no key pair {object_id!r} in this project.")
        return _pair(raw["keypair"])

    async def list(self) -> Sequence[p.KeyPair]:
        answer = await self._caller.get(NOVA, "/os-keypairs")
        raws = [each["keypair"] for each in answer["keypairs"]]
        return [_pair(each) for each in raws if await self._is_own(each)]

    async def update(self, object_id: str, spec: p.KeyPairSpec) -> p.KeyPair:
        found = await self.get(object_id)
        if spec.public_key and spec.public_key.strip() != found.public_key:
            raise p.Refused("A key pair cannot change.", remedy="Have it replaced.")
        return found

    async def delete(self, object_id: str) -> None:
        await self.get(object_id)
        await self._caller.delete(NOVA, f"/os-keypairs/{quote(object_id, safe='')}")

    async def _is_own(self, raw: Raw) -> bool:
        _, project_id, _ = marks.commented(raw.get("public_key") or "")
        return project_id in {"", (await self._caller.door()).project_id}


def _pair(raw: Raw) -> p.KeyPair:
    public, _, token = marks.commented(raw.get("public_key") or "")
    facts: dict[str, Any] = {"id": raw["name"], "name": raw["name"], "token": token}
    return p.KeyPair(
        **facts,
        created_at=states.seconds(raw.get("created_at")),
        public_key=public,
        fingerprint=raw.get("fingerprint") or "",
        type=raw.get("type") or "ssh",
    )


def new_pair() -> tuple[str, str]:
    """(private, public) in OpenSSH's formats."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), public.decode()
