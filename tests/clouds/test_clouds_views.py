"""Views of a cloud: measured, and guarded. Nothing of what they stand for is lost behind them."""

import asyncio
import inspect

import pytest

from mantle.clouds import ports
from mantle.clouds.metered import Metered
from mantle.clouds.ports import Anew, Recalls
from mantle.engine.guarded import DEEDS, LOOKS, WAYS, Guarded
from mantle.model.ids import ProjectId, Token

COLLECTIONS = ("Collection", "Anew", "Recalls", "Servers", "Volumes", "PlainObjects", "Settings")
KINDS = (*COLLECTIONS, "Session")


def verbs():
    return {
        name
        for kind in KINDS
        for name, method in vars(getattr(ports, kind)).items()
        if inspect.isfunction(method) and not name.startswith("_")
    }


def test_every_verb_of_the_port_is_a_deed_a_look_or_a_way():
    """A new verb that nobody classed would change something without being asked whether it may."""
    assert verbs() == DEEDS | LOOKS | WAYS
    assert len(DEEDS) + len(LOOKS) + len(WAYS) == len(verbs())


class Things(Anew, Recalls):
    """A collection with all that one can have."""

    def __init__(self):
        self.made = []

    async def create(self, spec, token):
        self.made.append(("create", spec, token))

    async def create_anew(self, spec, token):
        self.made.append(("create_anew", spec, token))

    async def get(self, object_id):
        return object_id

    async def recall(self, object_id):
        return object_id

    async def recall_named(self, name):
        return [name]


class Cloud:
    """Its sessions have one collection."""

    class Facts:
        name = "c"

    info = Facts()

    def __init__(self):
        self.things = Things()

    def session(self, _):
        return self

    def plain(self, _):
        return self.things


def views(prove):
    cloud = Cloud()
    measured = Metered(cloud).session(ProjectId("p"))
    return cloud.things, Guarded(measured, prove)


async def may():
    pass


def test_what_a_collection_can_do_is_seen_through_both_views():
    """OpenStack's need no look before a create that is the first; a view must not hide that."""
    _, session = views(may)
    for things in (session.things, session.plain(None)):
        assert isinstance(things, Anew)
        assert isinstance(things, Recalls)


@pytest.mark.parametrize("verb", ["create", "create_anew"])
def test_whoever_may_not_makes_nothing(verb):
    """The question stands before each deed; what only looks is not kept waiting."""

    class GivenUp(Exception):
        pass

    async def may_not():
        raise GivenUp

    things, session = views(may_not)

    async def story():
        assert await session.things.get("1") == "1"
        with pytest.raises(GivenUp):
            await getattr(session.things, verb)("spec", Token("t"))

    asyncio.run(story())
    assert things.made == []
