"""Whose an object is: an administrator's token is shown everybody's."""

import asyncio
from types import SimpleNamespace

import pytest

from mantle.clouds.openstack.collection import RestCollection
from mantle.clouds.openstack.keeping import VOLUME_BACKUPS, VOLUME_SNAPSHOTS
from mantle.clouds.openstack.networks import NETWORKS
from mantle.clouds.openstack.plain import Plain
from mantle.clouds.openstack.plain_tables import TABLES
from mantle.clouds.openstack.volumes import VOLUMES


class Admin:
    """A caller in the project `mine`, to whom the service shows one object."""

    async def door(self):
        return SimpleNamespace(admin=True, project_id="mine")


@pytest.mark.parametrize("owner", ["mine", "theirs"])
@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (NETWORKS, "project_id"),
        (VOLUMES, "os-vol-tenant-attr:tenant_id"),
        (VOLUME_SNAPSHOTS, "os-extended-snapshot-attributes:project_id"),
        (VOLUME_BACKUPS, "os-backup-project-attr:project_id"),
    ],
    ids=["network", "volume", "snapshot", "backup"],
)
def test_what_is_another_projects_is_not_seen(kind, field, owner):
    """In whichever field the service says whose it is."""
    collection = RestCollection(kind, Admin())
    assert asyncio.run(collection._visible({"id": "x", field: owner})) == (owner == "mine")


class Listing:
    """A caller that answers lists, and notes what it was asked."""

    def __init__(self, admin):
        self.admin = admin
        self.asked = []

    async def door(self):
        return SimpleNamespace(admin=self.admin, project_id="mine")

    async def get(self, service, path, *params):
        self.asked.append(params)
        return {"volume_types": []}


@pytest.mark.parametrize(("admin", "asked"), [(True, [(("is_public", "None"),)]), (False, [()])])
def test_only_an_administrator_asks_for_private_types_as_well(admin, asked):
    """Cinder refuses the question of others with 400, and shows them what is theirs without it."""
    caller = Listing(admin)
    asyncio.run(Plain("volume_types", TABLES["volume_types"], caller).list())
    assert caller.asked == asked
