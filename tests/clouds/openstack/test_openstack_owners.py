"""Whose an object is: an administrator's token is shown everybody's."""

import asyncio
from types import SimpleNamespace

import pytest

from mantle.clouds.openstack.collection import RestCollection
from mantle.clouds.openstack.keeping import VOLUME_BACKUPS, VOLUME_SNAPSHOTS
from mantle.clouds.openstack.networks import NETWORKS
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
