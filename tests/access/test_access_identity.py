"""The embedded identity service: who gets a token, what it means, and when it ends."""

import asyncio
from dataclasses import replace

import pytest
from argon2 import PasswordHasher

from mantle.access.accounts import CredentialRequest, create_credential, update_user
from mantle.access.bootstrap import ensure_accounts
from mantle.access.identity import (
    CredentialProof,
    EmbeddedIdentity,
    PasswordProof,
    Scope,
    TokenProof,
    digest,
)
from mantle.access.lockout import ATTEMPTS, REST_SECONDS
from mantle.access.passwords import Passwords
from mantle.lib.ids import new_id, random_bytes
from mantle.model.errors import Conflict, Forbidden, MantleError, Unauthorized
from mantle.model.identity import Grant
from mantle.store.database import Database
from mantle.store.identity import IdentityStore

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def now(self) -> float:
        return self.at


def story(tell) -> None:
    """Run a coroutine over an identity service with the accounts of a new installation."""

    async def run() -> None:
        database = Database("sqlite://")
        database.create_tables()
        time = Time()
        identity = EmbeddedIdentity(
            IdentityStore(database), time, random_bytes, passwords=Passwords(CHEAP)
        )
        await ensure_accounts(
            identity, admin_password="admin-pw", demo_password="demo-pw", new_id=new_id
        )
        try:
            await tell(identity, time)
        finally:
            database.close()

    asyncio.run(run())


def demo(password: str = "demo-pw") -> PasswordProof:
    return PasswordProof(user_name="demo", password=password)


def test_a_password_gives_a_token_for_the_default_project():
    """Without a scope the token is for the user's own project, with the roles there."""

    async def tell(identity, time):
        issued = await identity.log_in([demo()], None)
        caller = await identity.authenticate(issued.token)
        assert (caller.user_name, caller.project_name, caller.roles) == (
            "demo",
            "demo",
            frozenset({"member"}),
        )

    story(tell)


def test_every_refusal_reads_the_same():
    """A wrong password, an unknown user and a foreign project cannot be told apart."""

    async def tell(identity, time):
        said = set()
        for proof, scope in [
            (demo("wrong"), None),
            (PasswordProof(user_name="nobody", password="x"), None),
            (demo(), Scope(project_name="admin")),
            (demo(), Scope(project_name="no such project")),
        ]:
            with pytest.raises(Unauthorized) as refusal:
                await identity.log_in([proof], scope)
            said.add(str(refusal.value))
        assert len(said) == 1

    story(tell)


def test_a_token_is_stored_by_its_hash_only():
    """Whoever reads the database cannot use what is in it."""

    async def tell(identity, time):
        issued = await identity.log_in([demo()], None)
        assert await identity.store.get_token(issued.token) is None
        record = await identity.store.get_token(digest(issued.token))
        assert issued.token not in repr(record)
        assert issued.token not in repr(issued)

    story(tell)


def test_passwords_are_argon2id():
    """The stored text names the algorithm."""

    async def tell(identity, time):
        user = await identity.store.find_user("demo")
        assert user.password_hash.startswith("$argon2id$")

    story(tell)


def test_a_token_ends_at_its_time():
    """One second before it works, at the second it does not."""

    async def tell(identity, time):
        issued = await identity.log_in([demo()], None)
        time.at = issued.session.record.expires_at - 1
        await identity.authenticate(issued.token)
        time.at += 1
        with pytest.raises(Unauthorized):
            await identity.authenticate(issued.token)

    story(tell)


def test_a_token_exchanged_does_not_live_longer():
    """Exchanging tokens for tokens must not prolong a log-in."""

    async def tell(identity, time):
        first = await identity.log_in([demo()], None)
        time.at += 3600
        second = await identity.log_in([TokenProof(token=first.token)], None)
        assert second.session.record.expires_at == first.session.record.expires_at
        assert second.session.record.methods == ("password", "token")

    story(tell)


def test_revoked_disabled_and_ungranted_tokens_stop_at_once():
    """Nothing about a token is kept but who and where: all else is looked up when it is used."""

    async def tell(identity, time):
        user = await identity.store.find_user("demo")
        project = await identity.store.find_project("demo")
        revoked = (await identity.log_in([demo()], None)).token
        await identity.revoke(revoked)
        with pytest.raises(Unauthorized):
            await identity.authenticate(revoked)

        token = (await identity.log_in([demo()], None)).token
        await identity.store.delete_grant(
            Grant(user_id=user.id, project_id=project.id, role="member")
        )
        assert (await identity.authenticate(token)).roles == frozenset()

        await identity.store.save_user(replace(user, enabled=False))
        with pytest.raises(Unauthorized):
            await identity.authenticate(token)

    story(tell)


def test_a_new_password_ends_every_session():
    """Tokens got by the old password are worthless after the change."""

    async def tell(identity, time):
        token = (await identity.log_in([demo()], None)).token
        user = await identity.store.find_user("demo")
        await update_user(identity, user, "another")
        with pytest.raises(Unauthorized):
            await identity.authenticate(token)
        await identity.log_in([demo("another")], None)

    story(tell)


def test_many_wrong_passwords_make_the_account_rest():
    """Then even the right one is refused, until the rest is over."""

    async def tell(identity, time):
        for _ in range(ATTEMPTS):
            with pytest.raises(Unauthorized):
                await identity.log_in([demo("guess")], None)
        with pytest.raises(Unauthorized):
            await identity.log_in([demo()], None)
        time.at += REST_SECONDS
        await identity.log_in([demo()], None)

    story(tell)


def test_an_application_credential_stays_in_its_project():
    """Its token is for the project it was made in, and cannot be exchanged for another's."""

    async def tell(identity, time):
        admin = PasswordProof(user_name="admin", password="admin-pw")
        session = (await identity.log_in([admin], Scope(project_name="demo"))).session
        made, secret = await create_credential(
            identity, session, "c1", CredentialRequest(name="ci")
        )
        proof = CredentialProof(credential_id=made.id, secret=secret)
        issued = await identity.log_in([proof], Scope(project_name="admin"))
        assert (await identity.authenticate(issued.token)).project_name == "demo"
        with pytest.raises(Unauthorized):
            await identity.log_in([TokenProof(token=issued.token)], Scope(project_name="admin"))
        with pytest.raises(Forbidden):
            await create_credential(identity, issued.session, "c2", CredentialRequest(name="more"))

    story(tell)


def test_an_application_credential_may_hold_no_role_its_maker_lacks():
    """And no name twice."""

    async def tell(identity, time):
        session = (await identity.log_in([demo()], None)).session
        with pytest.raises(MantleError, match="admin"):
            await create_credential(
                identity, session, "c1", CredentialRequest(name="ci", roles=("admin",))
            )
        await create_credential(identity, session, "c1", CredentialRequest(name="ci"))
        with pytest.raises(Conflict, match="ci"):
            await create_credential(identity, session, "c2", CredentialRequest(name="ci"))

    story(tell)


def test_a_credential_loses_what_its_user_loses():
    """Its roles are those it was given and the user still has."""

    async def tell(identity, time):
        session = (await identity.log_in([demo()], None)).session
        made, secret = await create_credential(
            identity, session, "c1", CredentialRequest(name="ci", expires_at=time.at + 10)
        )
        proof = CredentialProof(credential_name="ci", user_name="demo", secret=secret)
        token = (await identity.log_in([proof], None)).token
        await identity.store.delete_grant(
            Grant(user_id=made.user_id, project_id=made.project_id, role="member")
        )
        assert (await identity.authenticate(token)).roles == frozenset()
        time.at += 10
        with pytest.raises(Unauthorized):
            await identity.log_in([proof], None)

    story(tell)


def test_starting_again_changes_no_password():
    """The accounts of a new installation are made once."""

    async def tell(identity, time):
        await ensure_accounts(
            identity, admin_password="other", demo_password="other", new_id=new_id
        )
        await identity.log_in([demo()], None)
        with pytest.raises(Unauthorized):
            await identity.log_in([demo("other")], None)

    story(tell)
