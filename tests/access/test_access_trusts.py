"""Trusts: when one is made, looked at, replaced, refused, given back."""

import asyncio

import httpx
import pytest
from sqlalchemy import insert

from mantle.access.caller import Caller
from mantle.access.trusts import Trusts
from mantle.model.errors import Forbidden, Unavailable
from mantle.model.ids import ProjectId, UserId
from mantle.model.secrets import Secret
from mantle.model.trusts import SECRET
from mantle.stacks.trusting import GRACE_SECONDS, Trustees
from mantle.store import secrets as secret_rows
from mantle.store.database import Database
from mantle.store.tables.stacks import stacks
from mantle.store.trusts import Trusted

MAY = Caller(
    user_id=UserId("u1"),
    user_name="ann",
    project_id=ProjectId("p1"),
    project_name="work",
    roles=frozenset({"member", "reader"}),
    token="t",
)


class Keystone:
    """Answers as Keystone's pages of trusts do."""

    def __init__(self):
        self.trusts = {}
        self.asked = []
        self.down = None

    def __call__(self, request):
        self.asked.append(request.method)
        if self.down is not None:
            if isinstance(self.down, int):
                return httpx.Response(self.down)
            raise self.down
        trust_id = request.url.path.rpartition("/")[2]
        if request.method == "POST":
            trust_id = f"trust-{len(self.asked)}"
            self.trusts[trust_id] = request.content.decode()
            return httpx.Response(201, json={"trust": {"id": trust_id}})
        if request.method == "DELETE":
            return httpx.Response(204 if self.trusts.pop(trust_id, None) else 404)
        return httpx.Response(200 if trust_id in self.trusts else 404, json={})


class Time:
    at = 1000.0

    def now(self):
        return self.at


class Scene:
    """A Keystone, a clock, a store, and who asks."""

    def __init__(self):
        self.keystone, self.clock = Keystone(), Time()
        self.database = Database("sqlite://", inline=True)
        self.database.create_tables()
        self.store = Trusted(self.database)

        async def trustee():
            return "mantle"

        transport = httpx.MockTransport(self.keystone)
        self.trusts = Trusts(
            "http://keystone/v3",
            self.store,
            self.clock,
            {"far": trustee},
            client=httpx.AsyncClient(transport=transport),
        )

    def ensure(self, caller=MAY, cloud="far"):
        asyncio.run(self.trusts.ensure(caller, cloud))

    def kept(self):
        return [each.trust_id for each in asyncio.run(self.store.of_project("p1", "far"))]


@pytest.fixture
def scene():
    made = Scene()
    yield made
    made.database.close()


def test_one_trust_is_made_and_used_for_a_while(scene):
    """Not one a stack; within a few minutes it is not even looked at."""
    for _ in range(3):
        scene.ensure()
    assert (scene.kept(), scene.keystone.asked) == (["trust-1"], ["POST"])
    scene.clock.at += 301
    scene.ensure()
    assert (scene.kept(), scene.keystone.asked) == (["trust-1"], ["POST", "GET"])


def test_one_that_is_gone_is_replaced(scene):
    """By the next request of the same user."""
    scene.ensure()
    scene.keystone.trusts.clear()
    scene.clock.at += 301
    scene.ensure()
    assert scene.kept() == ["trust-3"]


def test_one_without_all_the_users_roles_is_replaced(scene):
    """Who has become more may have more done."""
    scene.ensure()
    scene.clock.at += 301
    more = Caller(**{name: getattr(MAY, name) for name in MAY.__slots__} | {"roles": {"admin"}})
    scene.ensure(more)
    assert (scene.kept(), list(scene.keystone.trusts)) == (["trust-2"], ["trust-2"])


def test_nothing_is_asked_where_nothing_is_needed(scene):
    """Another cloud, or upkeep, which has no token."""
    scene.ensure(cloud="local")
    scene.ensure(Caller(**{n: getattr(MAY, n) for n in MAY.__slots__} | {"token": ""}))
    assert scene.keystone.asked == []


def test_a_delegated_token_is_refused_unless_a_credential_is_kept(scene):
    """Keystone would refuse it later, in words that nobody understands."""
    delegated = Caller(**{n: getattr(MAY, n) for n in MAY.__slots__} | {"delegated": True})
    with pytest.raises(Forbidden, match="application credential"):
        scene.ensure(delegated)
    secret = Secret(
        id="s", project_id=ProjectId("p1"), name=SECRET, payload="{}", created_at=0, created_by="a"
    )
    asyncio.run(scene.database.write(secret_rows.add, secret))
    scene.ensure(delegated)
    assert scene.keystone.asked == []


@pytest.mark.parametrize("down", [httpx.ConnectError("no"), 500, 503])
def test_a_keystone_that_is_away_is_a_503(scene, down):
    """Nothing is accepted that could not be carried out."""
    scene.keystone.down = down
    with pytest.raises(Unavailable):
        scene.ensure()
    assert scene.kept() == []


def test_what_nobody_needs_is_given_back(scene):
    """Once the project has no live stack on the cloud, and not in the midst of a request."""
    given = []

    class Far:
        async def give_back(self, trust_id):
            given.append(trust_id)

    scene.ensure()
    round_of = Trustees(scene.store, scene.clock, {"far": Far()})
    asyncio.run(round_of.turn())
    assert (given, scene.kept()) == ([], ["trust-1"])
    scene.clock.at += GRACE_SECONDS + 1
    asyncio.run(round_of.turn())
    assert (given, scene.kept()) == (["trust-1"], [])


def stack_of(owner, **more):
    """A live stack, as far as trusts go."""
    return {
        "id": f"s-{owner}",
        "owner_id": owner,
        "project_id": "p1",
        "cloud": "far",
        "name": owner,
    } | more


def filled(values):
    """With something in every column that must have something."""
    kinds = {str: "", int: 0, float: 0.0, bool: False, dict: {}, list: []}
    needed = [each for each in stacks.columns if not each.nullable and each.name not in values]
    return values | {
        each.name: [] if each.type.python_type is list else kinds.get(each.type.python_type, "")
        for each in needed
        if each.default is None and each.server_default is None
    }


@pytest.mark.parametrize(
    ("owners", "kept"),
    [(["u1", "u2"], ["u1", "u2"]), (["u1"], ["u1"]), (["u3"], ["u1", "u2"]), ([], [])],
    ids=["both", "one", "somebody-else", "none"],
)
def test_a_trust_is_kept_while_its_users_stacks_or_nobody_elses_need_it(scene, owners, kept):
    """A stack whose owner has left no good trust is worked on by any of its project's members'."""
    other = Caller(**{n: getattr(MAY, n) for n in MAY.__slots__} | {"user_id": UserId("u2")})
    scene.ensure()
    scene.ensure(other)
    with scene.database.engine.begin() as connection:
        for owner in owners:
            connection.execute(insert(stacks).values(filled(stack_of(owner))))
    scene.clock.at += GRACE_SECONDS + 1
    gone = asyncio.run(scene.store.unused(scene.clock.at))
    assert sorted({"u1", "u2"} - {each.user_id for each in gone}) == kept


def test_a_token_is_in_no_text_of_the_caller():
    """It is kept in memory only while a request lasts."""
    assert "token" not in repr(MAY)
