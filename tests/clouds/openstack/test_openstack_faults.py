"""Bad days, over real HTTP with the real SDK: what is tried again, what not, what is said."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))

from fake_openstack import PROJECT, Answer, serving

from mantle.clouds import ports as p
from mantle.clouds.openstack import Entry, OpenStackCloud
from mantle.model.ids import ProjectId, Token

MINE = ProjectId(PROJECT)
NET, VOL = "1" * 32, "2" * 32
NETWORK = {
    "id": NET,
    "name": "n",
    "admin_state_up": True,
    "status": "ACTIVE",
    "project_id": PROJECT,
    "description": "(mantle:t)",
    "created_at": "2026-11-21T08:00:00Z",
}


def story(tell, tmp_path, **said):
    """Run it with a session of a cloud whose services answer as the test scripts."""

    async def run(fake):
        cloud = OpenStackCloud(Entry(name="fake", file=fake.clouds_yaml(tmp_path, **said)))
        await cloud.start()
        try:
            await tell(fake, cloud.session(MINE), cloud)
        finally:
            await cloud.stop()

    with serving() as fake:
        asyncio.run(run(fake))


def test_an_endpoint_that_cannot_be_discovered_is_told(tmp_path):
    """The service is in the catalog and leads nowhere: who is to correct it is said."""

    async def tell(fake, session, _):
        with pytest.raises(p.Unavailable, match="catalog, but cannot be found") as told:
            await session.images()
        assert "operator" in told.value.remedy

    story(tell, tmp_path, image_endpoint_override="http://127.0.0.1:9/v2")


def test_too_many_requests_wait_as_long_as_the_service_says(tmp_path):
    """429 with Retry-After: nothing was done, so even a POST is sent again, and then it is made."""

    async def tell(fake, session, _):
        fake.answers = [
            Answer(200, {"networks": []}),
            Answer(429, {"overLimit": {"message": "slow"}}, {"Retry-After": "0.2"}),
            Answer(201, {"network": NETWORK}),
        ]
        began = asyncio.get_running_loop().time()
        made = await session.networks.create(p.NetworkSpec(name="n"), Token("t"))
        assert (made.id, made.token) == (NET, "t")
        assert asyncio.get_running_loop().time() - began >= 0.2
        assert [each.method for each in fake.asked] == ["GET", "POST", "POST"]

    story(tell, tmp_path)


def test_an_unavailable_service_is_asked_again_for_reading(tmp_path):
    """503 and a closed connection pass; the third try answers."""

    async def tell(fake, session, _):
        fake.answers = [
            Answer(503, headers={"Retry-After": "0"}),
            Answer(hang_up=True),
            Answer(200, {"network": NETWORK}),
        ]
        assert (await session.networks.get(NET)).id == NET

    story(tell, tmp_path)


def test_a_create_whose_answer_is_lost_is_not_sent_twice(tmp_path):
    """The caller is told that the deed may have been done; asked again, it is found."""

    async def tell(fake, session, _):
        fake.answers = [Answer(200, {"networks": []}), Answer(hang_up=True)]
        with pytest.raises(p.Unavailable, match="Neutron does not answer"):
            await session.networks.create(p.NetworkSpec(name="n"), Token("t"))
        fake.answers = [Answer(200, {"networks": [NETWORK]})]
        made = await session.networks.create(p.NetworkSpec(name="n"), Token("t"))
        assert made.id == NET
        assert [each.method for each in fake.asked].count("POST") == 1

    story(tell, tmp_path)


def test_a_token_that_expires_in_the_middle_is_renewed(tmp_path):
    """A 401 is one new log-in, and the call is sent again with the new token."""

    async def tell(fake, session, _):
        fake.otherwise = lambda asked: (
            Answer(200, {"network": NETWORK})
            if asked.token not in {"token-1", "token-2"}
            else Answer(401, {"error": {"message": "expired"}})
        )
        assert (await session.networks.get(NET)).id == NET
        assert fake.log_ins == 3  # the cloud's own, the project's, and the renewed one

    story(tell, tmp_path)


def test_a_service_that_turns_a_fresh_token_away_is_asked_again(tmp_path):
    """Nothing was done, so it is safe, also for a create."""

    async def tell(fake, session, _):
        fake.answers = [
            Answer(200, {"networks": []}),
            Answer(401),
            Answer(401),
            Answer(201, {"network": NETWORK}),
        ]
        made = await session.networks.create(p.NetworkSpec(name="n"), Token("t"))
        assert made.id == NET

    story(tell, tmp_path)


def test_a_service_that_never_takes_the_token_says_so(tmp_path):
    """It is not asked for ever, and what is asked for is not taken for absent."""

    async def tell(fake, session, _):
        fake.otherwise = lambda _: Answer(401)
        with pytest.raises(p.Unavailable, match="Neutron"):
            await session.networks.get(NET)

    story(tell, tmp_path)


def test_a_quota_is_told_with_its_service_and_request(tmp_path):
    """As the port's error, with what to do; and it is not tried again."""

    async def tell(fake, session, _):
        message = "Quota exceeded for resources: ['network']."
        fake.answers = [
            Answer(200, {"networks": []}),
            Answer(
                409,
                {"NeutronError": {"type": "OverQuota", "message": message, "detail": ""}},
                {"x-openstack-request-id": "req-7"},
            ),
        ]
        with pytest.raises(p.Exhausted, match=r"Neutron: POST /networks .*req-7") as caught:
            await session.networks.create(p.NetworkSpec(name="n"), Token("t"))
        assert caught.value.remedy
        assert len(fake.asked) == 2

    story(tell, tmp_path)


def test_many_waiting_phases_share_one_call(tmp_path):
    """Fifty gets at one moment: one list call, and each is answered its own."""

    async def tell(fake, session, _):
        ids = [f"{number:032x}" for number in range(50)]
        fake.otherwise = lambda _: Answer(
            200, {"networks": [{**NETWORK, "id": each} for each in ids]}
        )
        found = await asyncio.gather(*(session.networks.get(each) for each in ids))
        assert [each.id for each in found] == ids
        assert len(fake.asked) == 1

    story(tell, tmp_path)


def test_a_question_is_not_answered_with_something_older(tmp_path):
    """Who asks while a call is on its way is served by the next one."""

    async def tell(fake, session, _):
        answers = iter(["BUILD", "ACTIVE"])
        fake.otherwise = lambda _: Answer(
            200, {"volumes": [], "volume": {**VOLUME, "status": next(answers)}}
        )
        first = asyncio.create_task(session.volumes.get(VOL))
        while not fake.asked:
            await asyncio.sleep(0.001)
        second = await session.volumes.get(VOL)
        assert (await first).status is p.ObjectStatus.BUILDING
        assert second.status is p.ObjectStatus.BUILDING
        assert len(fake.asked) == 2

    story(tell, tmp_path)


VOLUME = {
    "id": VOL,
    "name": "v",
    "size": 1,
    "status": "creating",
    "metadata": {"mantle_token": "t"},
    "attachments": [],
}


def test_a_cloud_that_is_away_does_not_keep_mantle_from_starting(tmp_path):
    """Its session says what is wrong; nothing secret is in it."""

    async def run(file):
        cloud = OpenStackCloud(Entry(name="fake", file=file))
        await cloud.start()
        assert "does not answer" in cloud.info.facts["problem"]
        with pytest.raises(p.Unavailable) as caught:
            await cloud.session(MINE).networks.list()
        assert "a secret password" not in str(caught.value)
        await cloud.stop()

    with serving() as fake:
        file = fake.clouds_yaml(tmp_path)
    asyncio.run(run(file))


def test_types_without_a_service_are_limitations(tmp_path):
    """From the catalog, before anything is made."""

    async def run(fake):
        cloud = OpenStackCloud(Entry(name="fake", file=fake.clouds_yaml(tmp_path)))
        await cloud.start()
        types = {each.resource_type for each in cloud.limitations}
        assert "OS::Octavia::LoadBalancer" in types
        assert "OS::Nova::Server" not in types
        assert {each.path for each in cloud.limitations} == {""}
        with pytest.raises(p.Refused, match="no load-balancer service"):
            await cloud.session(MINE).load_balancers.list()
        await cloud.stop()

    with serving() as fake:
        fake.services = ("compute", "network")
        asyncio.run(run(fake))


def test_a_project_that_the_cloud_was_not_given_to_is_refused(tmp_path):
    """With Mantle's own accounts, one entry serves one project."""

    async def serves(project_id):
        return project_id == "given"

    async def run(fake):
        entry = Entry(name="fake", file=fake.clouds_yaml(tmp_path))
        cloud = OpenStackCloud(entry, serves=serves)
        await cloud.start()
        fake.otherwise = lambda _: Answer(200, {"networks": [NETWORK]})
        assert len(await cloud.session(ProjectId("given")).networks.list()) == 1
        with pytest.raises(p.Denied):
            await cloud.session(ProjectId("other")).networks.list()
        await cloud.stop()

    with serving() as fake:
        asyncio.run(run(fake))


def test_nothing_passed_on_says_whose_an_object_is(tmp_path):
    """A project or a mark among the extra values is refused before anything is sent."""

    async def tell(fake, session, _):
        for name in ("project_id", "tenant_id", "description"):
            spec = p.NetworkSpec(name="n", extra={name: "another"})
            with pytest.raises(p.Refused, match=name):
                await session.networks.create_anew(spec, Token("t"))
        assert fake.asked == []

    story(tell, tmp_path)
