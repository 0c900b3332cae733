"""`mantle doctor` on deployments that are broken in one way each, and on a well one."""

import asyncio
import json
import os
import socket
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from sqlalchemy import insert, text

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from databases import empty_database_url

from mantle.__main__ import build
from mantle.cli.app import run
from mantle.clouds.keeper import KeeperServer
from mantle.clouds.local.cloud import choose_program
from mantle.clouds.simulated import SimulatedCloud
from mantle.lib import key_file
from mantle.lib.clock import SystemClock
from mantle.lib.sealing import new_key
from mantle.store.database import Database
from mantle.store.migrate import migrate
from mantle.store.tables.stacks import engines

needs_postgres = pytest.mark.skipif(
    "MANTLE_TEST_POSTGRES" not in os.environ, reason="make test-postgres runs this on PostgreSQL"
)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def folder(monkeypatch):
    for name in list(os.environ):
        if name.startswith("MANTLE_") and name != "MANTLE_TEST_POSTGRES":
            monkeypatch.delenv(name)
    # Short: a keeper's socket is in it.
    with tempfile.TemporaryDirectory(prefix="doc-") as made:
        path = Path(made)
        path.chmod(0o700)
        database = Database.at(path / "mantle.sqlite")
        migrate(database)
        database.close()
        yield path


def sqlite(folder):
    return Database.at(folder / "mantle.sqlite")


def doctor(capsys, folder, *more):
    """The exit code, and what is not well, by check."""
    options = ["--data-dir", str(folder), "--json"]
    if "--listen" not in more:
        options += ["--listen", f"127.0.0.1:{free_port()}"]
    code = run(build(), ["doctor", *options, *more])
    found = json.loads(capsys.readouterr().out)["findings"]
    ill = [(each["check"], each["level"], each["what"]) for each in found if each["level"] != "ok"]
    # Whether this machine has a load balancer, and whether Mantle runs, is not what is tried.
    return code, [each for each in ill if each[0] != "load balancer" and each[2] != "none is alive"]


def checks(result):
    code, ill = result
    return code, [f"{check} {level}" for check, level, _ in ill]


def test_a_well_deployment_has_nothing_to_tell(folder, capsys):
    """Also while nothing runs there."""
    assert doctor(capsys, folder) == (0, [])


def test_a_wrong_configuration_is_told_whole(folder, capsys):
    """Nothing else can be looked at then."""
    code, ill = doctor(capsys, folder, "--destinations", "10.0.0.0/99")
    assert (code, [each[0] for each in ill]) == (1, ["configuration"])


def test_contradictions_of_the_configuration(folder, capsys, monkeypatch):
    """A variable that is nearly one; an option and its variable; one port for two; a bare port."""
    monkeypatch.setenv("MANTLE_LISTN", "127.0.0.1:9")
    monkeypatch.setenv("MANTLE_CLOUD", "local")
    monkeypatch.setenv("MANTLE_LIMIT_LEASE_SECONDS", "1")
    where = f"0.0.0.0:{free_port()}"
    code, ill = doctor(
        capsys, folder, "--cloud", "simulated", "--listen", where, "--metrics-listen", where
    )
    said = " | ".join(each[2] for each in ill)
    assert code == 1
    for part in (
        "MANTLE_LISTN",
        "MANTLE_CLOUD",
        "two things",
        "not over TLS",
        "lease_seconds is 1",
    ):
        assert part in said


def test_files_that_others_can_read(folder, capsys):
    """The folder, the accounts, the keys, and a configuration with a password in it."""
    key_file.make(folder / "keys", new_key(), "2026-11-21")
    (folder / "clouds.yaml").write_text("x")
    for name in ("keys", "clouds.yaml"):
        (folder / name).chmod(0o644)
    config = folder / "m.toml"
    config.write_text('database = "postgresql://u:canary@127.0.0.1:1/x"\n')
    config.chmod(0o644)
    code, ill = doctor(capsys, folder, "--config", str(config))
    assert code == 1
    assert {Path(what.split()[0]).name for check, _, what in ill if check == "file modes"} == {
        "keys",
        "clouds.yaml",
        "m.toml",
    }
    assert "canary" not in str(ill)


def test_a_key_file_that_is_none(folder, capsys):
    """It is read as a process would."""
    (folder / "keys").write_text("nonsense\n")
    (folder / "keys").chmod(0o600)
    assert checks(doctor(capsys, folder)) == (1, ["keys fail"])


class Stranger(BaseHTTPRequestHandler):
    """Something else that speaks HTTP."""

    def do_GET(self):
        self.send_response(404)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_port_that_something_else_has(folder, capsys):
    """A Mantle that answers there is well; a stranger is not."""
    server = HTTPServer(("127.0.0.1", 0), Stranger)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        found = doctor(capsys, folder, "--listen", f"127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert checks(found) == (1, ["ports fail"])


def test_a_database_that_is_older(folder, capsys):
    """What to do is `mantle migrate`."""
    database = sqlite(folder)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))
    database.close()
    assert checks(doctor(capsys, folder)) == (1, ["migrations fail"])


def test_an_engine_that_fell_silent(folder, capsys):
    """A minute ago, with nothing in its hands."""
    database = sqlite(folder)
    with database.engine.begin() as connection:
        beat = {"started_at": 1.0, "beat_at": 1.0, "stopped_at": None}
        connection.execute(insert(engines), {"id": "e", "host": "h", **beat})
    database.close()
    assert checks(doctor(capsys, folder)) == (0, ["engines warn"])


def test_a_database_that_is_away(folder, capsys):
    """And with it the keeper, on which both depend; the address's password is not shown."""
    url = f"postgresql://u:canary@127.0.0.1:{free_port()}/x"
    code, ill = doctor(capsys, folder, "--database", url)
    assert (code, [f"{check} {level}" for check, level, _ in ill]) == (
        1,
        ["keys fail", "database fail", "keeper fail"],
    )
    assert "canary" not in str(ill)


def test_a_cloud_that_cannot_be_reached(folder, capsys):
    """Its entry is there, and nothing answers."""
    clouds = folder / "c.yaml"
    auth = {"auth_url": f"http://127.0.0.1:{free_port()}/v3", "username": "u", "password": "canary"}
    clouds.write_text(json.dumps({"clouds": {"far": {"auth": auth | {"project_name": "p"}}}}))
    code, ill = doctor(capsys, folder, "--openstack", "far=demo", "--openstack-config", str(clouds))
    assert (code, [each[0] for each in ill]) == (1, ["cloud"])
    assert "canary" not in str(ill)


def test_backups_that_are_not_taken(folder, capsys):
    """One a day is wanted, and there is none."""
    assert checks(doctor(capsys, folder, "--backup-every", "1d")) == (0, ["backups warn"])


def test_the_load_balancer_of_this_machine_is_told(folder, capsys):
    """The one that the local cloud takes here, whichever that is."""
    chosen, _ = choose_program(None)
    run(build(), ["doctor", "--data-dir", str(folder), "--json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    (told,) = [each["what"] for each in found if each["check"] == "load balancer"]
    assert f"{chosen.name.lower()} at" in told.lower()
    assert " is used" in told


@needs_postgres
def test_a_shared_database_with_its_keeper_is_well(folder, capsys):
    """Reached through its socket, from another thread's loop."""
    url = empty_database_url().replace("postgresql+psycopg", "postgresql")
    database = Database(url)
    migrate(database)
    database.close()
    key_file.make(folder / "keys", new_key(), "2026-11-21")
    cloud = SimulatedCloud(clock=SystemClock())
    keeper = KeeperServer(folder / "keeper.sock", {"simulated": cloud})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(keeper.start(), loop).result()
    try:
        found = doctor(capsys, folder, "--database", url, "--secrets-keys", str(folder / "keys"))
    finally:
        asyncio.run_coroutine_threadsafe(keeper.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert found == (0, [])
