"""The database is lost and restored from a backup under processes that live on: they end.

Real processes on a real PostgreSQL. Nothing that they believed is written into what was restored.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, make_url, select, text

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
sys.path.insert(0, str(Path(__file__).parent))

from test_cluster_kills import Customer, _there, until_up

from cluster import Cluster
from mantle.store.tables import metadata

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _there(), reason="there is no PostgreSQL on this machine"),
    pytest.mark.proves("beyond: backup and restore"),
]

SLOW = """
heat_template_version: 2021-04-16
resources:
  net: {type: OS::Neutron::Net}
  wait: {type: OS::Heat::TestResource, properties: {wait_secs: 600}}
"""

LIVING = ("api-1", "engine-1")


@pytest.fixture
def cluster(tmp_path):
    one = Cluster(
        tmp_path / "cluster",
        cloud="simulated",
        apis=1,
        engines=1,
        environment={"MANTLE_LOOPBACK_BLOCK": "127.24.0.0/16"},
    )
    try:
        one.start()
        yield one
    finally:
        one.stop()
        # Root's is not in the test's own folder.
        shutil.rmtree(one.postgres.folder, ignore_errors=True)


def mantle(cluster, *arguments):
    command = [sys.executable, "-m", "mantle", *arguments]
    environment = os.environ | cluster.environment
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=120)


def rows(engine):
    """All that Mantle has stored, as it is there."""
    with engine.connect() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(text("*")).select_from(table))))
            for table in metadata.sorted_tables
        }


@pytest.mark.timeout(600)
def test_processes_that_live_through_a_restore_end_and_write_nothing_into_it(cluster, tmp_path):
    """An engine in the middle of an operation, and the API that took it; what starts then is held.

    The operation has the same epoch in the restored rows as in the engine's memory.
    """
    customer = Customer(cluster)
    customer.ask("POST", "/heat/v1/{project}/stacks", json=body("slow")).raise_for_status()
    until(lambda: "net" in done(customer))
    folder = tmp_path / "backups"
    mantle(cluster, "backup", "create", "--to", str(folder))
    (archive,) = folder.glob("*.mantle-backup")
    address = make_url(cluster.postgres.url("mantle")).set(drivername="postgresql+psycopg")
    lose_all(address)
    time.sleep(3.0)
    assert [name for name in LIVING if not cluster.members[name].runs] == []
    mantle(cluster, "backup", "restore", str(archive))
    engine = create_engine(address, poolclass=NullPool)
    restored = rows(engine)
    until(lambda: not any(cluster.members[name].runs for name in LIVING))
    assert rows(engine) == restored
    for name in LIVING:
        cluster.restart(name)
    # The balancer notices a moment after the API itself is ready.
    until_up(cluster)
    answer = customer.ask("POST", "/heat/v1/{project}/stacks", json=body("other"))
    assert "restored from a backup" in answer.text


def lose_all(address):
    """Everything that was in the database."""
    admin = create_engine(
        address.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool
    )
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE mantle WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE mantle"))


def body(name):
    return {"stack_name": name, "template": SLOW}


def done(customer):
    path = "/heat/v1/{project}/stacks/slow/resources"
    found = customer.look(path, follow_redirects=True)["resources"]
    return {each["resource_name"] for each in found if each["resource_status"] == "CREATE_COMPLETE"}


def until(true):
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.5)
