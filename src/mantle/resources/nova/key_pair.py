"""OS::Nova::KeyPair: a public key that servers accept, given or made.

Note on a lost private key. The cloud answers a generated private key once, in the reply to create.
When the process dies between deed and reply, the key pair exists and its private half is gone for
ever; if it was to be kept, the pair is of no use and is deleted and made again.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mantle.clouds.ports import KeyPair, KeyPairSpec, Missing, ObjectStatus
from mantle.model.schema import Attribute, Kind, TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object, look, progress
from mantle.resources.cloud_object import delete as delete_object
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context, Done, Outcome, ResourceType, Wait
from mantle.resources.schemas import boolean, not_offered, schema, string
from mantle.resources.unique import had_once

SCHEMA = schema(
    "OS::Nova::KeyPair",
    "A key pair for logging in to servers.",
    {
        "name": string("The name.", required=True, shortest=1, longest=255),
        "save_private_key": boolean("Keep a generated private key.", default=False),
        "public_key": string("An existing public key; without it a pair is made."),
        "type": string("The kind of key.", allowed=("ssh", "x509")),
        "user": string("Another user to own the pair.", custom="keystone.user"),
    },
    {
        "public_key": (Kind.STRING, "The public key."),
        "private_key": Attribute(
            kind=Kind.STRING,
            description="A generated key that was kept.",
            secret=True,
            secret_when={"save_private_key": (True,)},
        ),
    },
    since="2014.1",
)

NOT_OFFERED = {"user": "key pairs of other users cannot be made here. Leave user out."}


async def spec(ctx: Context) -> KeyPairSpec:
    """What to ask for."""
    wanted = ctx.properties
    return KeyPairSpec(
        name=wanted["name"],
        public_key=wanted.get("public_key"),
        type=wanted.get("type") or "ssh",
    )


def written(pair: KeyPair, _: Peers) -> Mapping[str, Any]:
    """The properties that ask for this key pair."""
    return {
        "name": pair.name,
        "public_key": pair.public_key,
        "type": None if pair.type == "ssh" else pair.type,
    }


UNREADABLE = {"save_private_key": "the private key was told once, when the pair was made"}


async def attributes(ctx: Context, pair: KeyPair) -> Mapping[str, Any]:
    """Both halves; the private one only if it was made here and kept."""
    return {
        "public_key": pair.public_key,
        "private_key": ctx.ref.data.get("private_key", ""),
    }


BLUEPRINT = Blueprint(
    facts=TypeFacts(
        schema=SCHEMA,
        check_properties=not_offered(NOT_OFFERED),
        old_first=had_once("its name", "name"),
    ),
    noun="key pair",
    collection=lambda session: session.key_pairs,
    spec=spec,
    attributes=attributes,
    written=written,
    unreadable=UNREADABLE,
)


def _keeps_private_key(ctx: Context) -> bool:
    return bool(ctx.properties.get("save_private_key")) and not ctx.properties.get("public_key")


async def create(ctx: Context) -> Outcome:
    """Make it once; a generated private key that is to be kept goes into the row's data."""
    if ctx.ref.physical_id is not None and ctx.ref.data.get("private_key"):
        return Done()
    found = await look(BLUEPRINT, ctx)
    if found is not None and _keeps_private_key(ctx):
        if found.status is not ObjectStatus.DELETING:
            with suppress(Missing):
                await ctx.cloud.key_pairs.delete(found.id)
        return Wait(reason="making the key pair again: its private key was lost")
    if found is None:
        found = await ctx.cloud.key_pairs.create(await spec(ctx), ctx.ref.token)
    kept = {"private_key": found.private_key} if _keeps_private_key(ctx) else None
    return progress(BLUEPRINT, found, data=kept)


async def delete(ctx: Context) -> Outcome:
    """Unless the pair of this name is another's: a replacement has the same id, its name."""
    found = await look(BLUEPRINT, ctx)
    if found is not None and found.token != ctx.ref.token and not ctx.ref.data.get("adopted"):
        return Done(note="another key pair has its name now; that one stays")
    return await delete_object(BLUEPRINT, ctx)


TYPE: ResourceType = replace(cloud_object(BLUEPRINT), create=create, delete=delete)
