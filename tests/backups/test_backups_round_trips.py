"""What a backup holds comes back as it was, on either kind of database, or not at all."""

import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from archives import contents, everything, filled, manifest, small_backup

from mantle.__main__ import build
from mantle.backups.check import State, list_backups, verify_backup
from mantle.backups.contents import Author, TableHead
from mantle.backups.create import NotTaken, create_backup
from mantle.backups.frames import Damaged, Prologue, Writer
from mantle.backups.places import Places
from mantle.backups.restore import NotRestored, restore_backup
from mantle.backups.sealing import BackupKey, WrongKey
from mantle.cli.app import run
from mantle.engine.runtime import prepare_workflows
from mantle.lib.postgres import NoPostgres, PostgresServer
from mantle.model.errors import Conflict
from mantle.store import dumping
from mantle.store.held import held
from mantle.store.migrate import known_revisions, migrate, revision

pytestmark = pytest.mark.proves("beyond: backup and restore")

KEY = BackupKey(b"a key of some length")
QUICK = settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    # Each example is a database or three: what fails is told as it is.
    phases=[Phase.explicit, Phase.generate],
)
ROWS = {
    "settings": [{"name": "signing_key", "value": "aa"}],
    "engines": [{"id": "e1", "host": "h", "started_at": 1.5, "beat_at": 2.5, "stopped_at": None}],
    "operations": [
        {
            "sequence": 7,
            "id": "o1",
            "stack_id": "s1",
            "project_id": "p1",
            "action": "CREATE",
            "status": "running",
            "epoch": 3,
            "engine": "e1",
            "reason": "",
            "request_id": "",
            "created_at": 1.0,
            "steps_total": 2,
            "steps_done": 1,
            "batch_size": 0,
            "pause_seconds": 0.0,
            "requester": {"user_id": "ü"},
        }
    ],
}


@pytest.fixture(scope="module")
def postgres():
    """A server of one's own; each call makes a new database in it."""
    folder = Path(tempfile.mkdtemp(prefix="mantle-backups-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    quick = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    server = PostgresServer(folder=folder / "pg", port=port, settings=quick)
    try:
        folder.chmod(0o755)
        server.start()
    except NoPostgres as error:
        pytest.skip(str(error))
    names = iter(f"d{number}" for number in range(10_000))
    try:
        yield lambda: Places(data_dir=folder / "data", database=server.create_database(next(names)))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def taken(places: Places, folder: Path, key: BackupKey | None = None) -> Path:
    return create_backup(places, folder, key, now=100.0, random=os.urandom).path


def without_what_restoring_changes(rows):
    """All but what a restore says it changes: the hold, the life, engines' ends, epochs."""
    kept = {name: values for name, values in rows.items() if name not in {"engines", "operations"}}
    changed = {"restored", "incarnation"}
    kept["settings"] = [each for each in kept["settings"] if each[0] not in changed]
    return kept


@QUICK
@given(rows=contents(), key=st.sampled_from([None, KEY]))
def test_any_rows_come_back_on_sqlite(rows, key):
    """Random rows of random tables: into a backup, into another database, and equal."""
    with tempfile.TemporaryDirectory() as name:
        here, there = Places(data_dir=Path(name) / "a"), Places(data_dir=Path(name) / "b")
        filled(here, rows)
        restore_backup(taken(here, Path(name), key), there, key, now=200.0)
        assert without_what_restoring_changes(everything(there)) == (
            without_what_restoring_changes(everything(here))
        )


@settings(QUICK, max_examples=2)
@given(rows=contents())
def test_any_rows_go_to_postgresql_and_back(postgres, rows):
    """A backup is of no database in particular: the digests of all three are the same."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        here, there, back = Places(data_dir=folder / "a"), postgres(), Places(data_dir=folder / "c")
        filled(here, rows)
        first = taken(here, folder / "1")
        restore_backup(first, there, None, now=200.0)
        second = taken(there, folder / "2")
        restore_backup(second, back, None, now=300.0)
        third = taken(back, folder / "3")
        changed = {"engines", "operations", "settings"}
        told = [
            [each for each in verify_backup(path).counted if each.name not in changed]
            for path in (first, second, third)
        ]
        mine = [[each for each in one if each.database == "mantle"] for one in told]
        assert mine[0] == mine[1] == mine[2]
        assert without_what_restoring_changes(everything(there)) == (
            without_what_restoring_changes(everything(here))
        )


def test_new_rows_are_numbered_behind_restored_ones(postgres, tmp_path):
    """PostgreSQL counts by itself; a restored event 7 is followed by 8, not by 1."""
    here, there = Places(data_dir=tmp_path / "a"), postgres()
    filled(here, ROWS)
    restore_backup(taken(here, tmp_path), there, None, now=200.0)
    database = there.open_rows()
    with database.engine.begin() as connection:
        number = connection.exec_driver_sql(
            "SELECT nextval(pg_get_serial_sequence('operations', 'sequence'))"
        ).scalar()
    database.close()
    assert number == 8


def test_both_databases_come_back_and_nothing_of_then_goes_on(tmp_path):
    """Operations are nobody's, with a new epoch; workflows of then are over, as many as before."""
    here, there = Places(data_dir=tmp_path / "a"), Places(data_dir=tmp_path / "b")
    filled(here, ROWS)
    prepare_workflows(here.workflows)
    workflow(here.workflows, "o1:3", "PENDING")
    workflow(here.workflows, "o0:1", "SUCCESS")
    done = restore_backup(taken(here, tmp_path), there, None, now=200.0)
    assert done.hold.operations == 1
    with sqlite3.connect(there.workflows) as connection:
        query = "SELECT workflow_uuid, status FROM workflow_status ORDER BY 1"
        assert connection.execute(query).fetchall() == [("o0:1", "SUCCESS"), ("o1:3", "CANCELLED")]
    with sqlite3.connect(there.rows) as connection:
        query = "SELECT epoch, engine, status FROM operations"
        assert connection.execute(query).fetchall() == [(4, "", "queued")]
        assert connection.execute("SELECT stopped_at FROM engines").fetchall() == [(200.0,)]
    database = there.open_rows()
    with database.moment() as connection:
        assert held(connection).restored_at == 200.0
    database.close()


def workflow(path: Path, name: str, status: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO workflow_status (workflow_uuid, status, name) VALUES (?, ?, 'm')",
            (name, status),
        )
    connection.close()


def test_workflows_change_databases_too(postgres, tmp_path):
    """From the embedded file into PostgreSQL's schema."""
    here, there = Places(data_dir=tmp_path / "a"), postgres()
    filled(here, ROWS)
    prepare_workflows(here.workflows)
    workflow(here.workflows, "o1:3", "PENDING")
    restore_backup(taken(here, tmp_path), there, None, now=200.0)
    database = there.open_rows()
    with database.moment() as connection:
        found = connection.exec_driver_sql(
            "SELECT workflow_uuid, status FROM dbos.workflow_status"
        ).all()
    database.close()
    assert [tuple(row) for row in found] == [("o1:3", "CANCELLED")]


def test_keys_and_passwords_are_in_encrypted_backups_only(tmp_path):
    """clouds.yaml comes back with a key; without one the restore says that it is missing."""
    here = Places(data_dir=tmp_path / "a")
    filled(here, ROWS)
    (here.data_dir / "clouds.yaml").write_text("passwords")
    (here.data_dir / "keys").write_text("sealing keys")
    open_one, sealed = taken(here, tmp_path / "1"), taken(here, tmp_path / "2", KEY)
    assert b"passwords" not in open_one.read_bytes()
    first = restore_backup(open_one, Places(data_dir=tmp_path / "b"), None, now=200.0)
    second = restore_backup(sealed, Places(data_dir=tmp_path / "c"), KEY, now=200.0)
    assert (first.missing, second.missing) == (("clouds.yaml", "keys"), ())
    restored = tmp_path / "c" / "clouds.yaml"
    assert (restored.read_text(), restored.stat().st_mode & 0o777) == ("passwords", 0o600)
    with pytest.raises(WrongKey):
        restore_backup(sealed, Places(data_dir=tmp_path / "d"), BackupKey(b"wrong one"), now=1.0)


def test_a_backup_is_its_owners_alone(tmp_path):
    """Mode 0600, also while it is written under another umask."""
    here = Places(data_dir=tmp_path / "a")
    filled(here, ROWS)
    before = os.umask(0)
    try:
        assert taken(here, tmp_path / "b").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


# --- refusals --------------------------------------------------------------------------------


def test_what_is_there_is_never_overwritten(tmp_path, postgres):
    """The refusal names the tables with rows; nothing is changed."""
    for here in (Places(data_dir=tmp_path / "a"), postgres()):
        filled(here, ROWS)
        path = taken(here, tmp_path / "backups")
        before = everything(here)
        with pytest.raises(Conflict, match=r"engines \(1\), operations \(1\), settings \(1\)"):
            restore_backup(path, here, None, now=200.0)
        assert everything(here) == before


def test_a_migrated_database_without_rows_is_empty(tmp_path):
    """Such as a `mantle migrate` leaves it."""
    here, there = Places(data_dir=tmp_path / "a"), Places(data_dir=tmp_path / "b")
    filled(here, ROWS)
    filled(there, {})
    restore_backup(taken(here, tmp_path), there, None, now=200.0)
    assert everything(there)["operations"]


def test_a_newer_revision_is_refused(tmp_path):
    """By name, with what to do."""
    path = tmp_path / "b"
    path.write_bytes(small_backup(revision="9999"))
    with pytest.raises(NotRestored, match="9999"):
        restore_backup(path, Places(data_dir=tmp_path / "a"), None, now=1.0)
    assert not (tmp_path / "a").exists()


def test_an_older_revision_is_brought_forward(tmp_path):
    """Tables and columns that were added since are there, and the old rows in them."""
    later_tables = {"drift_sights", "event_sinks", "secrets"}
    later_columns = {"snapshot_id", "operation_id", "note", "claimed_at"}
    path = tmp_path / "old"
    with path.open("wb") as file:
        author = Author(
            Writer(file, Prologue(id=b"i" * 16, taken_at=1.0)), manifest(revision="0007")
        )
        for name, table in sorted(dumping.metadata.tables.items()):
            if name in later_tables:
                continue
            without = later_columns if name in {"drift_findings", "drift_looks"} else set()
            columns = sorted({str(column.name) for column in table.columns} - without)
            rows = [[2, "c", 1.0, 3, "p"]] if name == "drift_looks" else []
            if rows:
                columns = ["calls", "cloud", "looked_at", "objects", "project_id"]
            head = TableHead(database="mantle", name=name, columns=tuple(columns))
            author.table(head, rows)
        author.done()
    there = Places(data_dir=tmp_path / "a")
    done = restore_backup(path, there, None, now=200.0)
    assert done.revision == known_revisions()[0]
    database, fresh = there.open_rows(), Places(data_dir=tmp_path / "f")
    filled(fresh, {})
    with sqlite3.connect(there.rows) as one, sqlite3.connect(fresh.rows) as two:
        query = "SELECT m.name, t.name FROM sqlite_master m JOIN pragma_table_info(m.name) t"
        added = ("drift_looks", "drift_findings", "operations", "event_sinks", "secrets")
        assert [
            sorted(row for row in each.execute(query) if row[0] in added) for each in (one, two)
        ] == [sorted(row for row in two.execute(query) if row[0] in added)] * 2
    assert revision(database) == known_revisions()[0]
    database.close()
    # By the names of the columns; when it was claimed nobody knew then.
    assert everything(there)["drift_looks"] == [[2, None, "c", 1.0, 3, "p"]]


def test_a_backup_cannot_write_elsewhere(tmp_path):
    """A file's name is one of ours or it is refused, and nothing is left of the attempt."""
    path = tmp_path / "b"
    for name in ("../escaped", "/tmp/escaped", "mantle.sqlite", "clouds.yaml/../x"):
        with path.open("wb") as file:
            author = Author(Writer(file, Prologue(id=b"i" * 16, taken_at=1.0)), manifest())
            for table in ("settings", "engines", "operations"):
                whole = dumping.metadata.tables[table]
                columns = tuple(sorted(str(column.name) for column in whole.columns))
                author.table(TableHead(database="mantle", name=table, columns=columns), [])
            author.file(name, b"x")
            author.done()
        with pytest.raises(NotRestored, match="holds no file"):
            restore_backup(path, Places(data_dir=tmp_path / "in" / "a"), None, now=1.0)
        assert [each.name for each in (tmp_path / "in").rglob("*")] == ["a"]


def test_a_damaged_backup_writes_nothing(tmp_path):
    """It is checked from its first byte to its last before anything is made."""
    here = Places(data_dir=tmp_path / "a")
    filled(here, ROWS)
    path = taken(here, tmp_path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged):
        restore_backup(path, Places(data_dir=tmp_path / "b"), None, now=1.0)
    assert not (tmp_path / "b").exists()


def test_a_database_of_another_revision_is_not_backed_up(tmp_path):
    """What this release does not know it would leave out."""
    here = Places(data_dir=tmp_path / "a")
    with pytest.raises(NotTaken, match="nothing to back up"):
        taken(here, tmp_path / "b")
    filled(here, {})
    with sqlite3.connect(here.rows) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(NotTaken, match="revision 9999"):
        taken(here, tmp_path / "b")
    assert list((tmp_path / "b").iterdir()) == []


# --- power, disks, load ----------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from mantle.backups.create import create_backup
from mantle.backups.places import Places
from mantle.backups.restore import restore_backup
left = int(sys.argv[1])
here, there, folder = (Path(each) for each in sys.argv[2:5])
def watch(event, args):
    global left
    if event == "os.rename":
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
archives = sorted(folder.glob("*.mantle-backup"))
if archives:
    from mantle.engine import runtime
    sys.addaudithook(watch)
    restore_backup(archives[0], Places(data_dir=there), None, now=200.0)
else:
    sys.addaudithook(watch)
    create_backup(Places(data_dir=here), folder, None, now=100.0, random=os.urandom)
"""


def killed(left: int, here: Path, there: Path, folder: Path) -> int:
    words = [sys.executable, "-c", KILLED, str(left), str(here), str(there), str(folder)]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode


def test_a_maker_that_is_killed_leaves_no_backup(tmp_path):
    """Only a hidden file, which is listed as what it is and goes with the next backup."""
    here, folder = Places(data_dir=tmp_path / "a"), tmp_path / "b"
    filled(here, ROWS)
    assert killed(1, here.data_dir, tmp_path, folder) == -signal.SIGKILL
    assert [each.state for each in list_backups(folder)] == [State.PARTIAL]
    assert list(folder.glob("*.mantle-backup")) == []
    taken(here, folder)
    assert [each.state for each in list_backups(folder)] == [State.WHOLE]


@pytest.mark.slow
def test_a_restore_that_is_killed_can_be_done_again(tmp_path):
    """At each moment at which a file gets its name: nothing counts, or all of it."""
    here, folder = Places(data_dir=tmp_path / "a"), tmp_path / "b"
    filled(here, ROWS)
    prepare_workflows(here.workflows)
    path = taken(here, folder)
    ends = []
    for left in range(1, 4):
        there = Places(data_dir=tmp_path / f"there{left}")
        ends.append(killed(left, here.data_dir, there.data_dir, folder))
        if not there.rows.exists():
            restore_backup(path, there, None, now=200.0)
        assert len(everything(there)["operations"]) == 1
        with sqlite3.connect(there.workflows) as connection:
            assert connection.execute("SELECT count(*) FROM workflow_status").fetchone() == (0,)
        if ends[-1] == 0:
            break
    assert ends == [-signal.SIGKILL, -signal.SIGKILL, 0]


def test_a_full_disk_leaves_nothing(tmp_path):
    """The refusal says so; no part of a file stays."""
    here, folder = Places(data_dir=tmp_path / "a"), tmp_path / "b"
    many = [{"name": f"n{each}", "value": os.urandom(400).hex()} for each in range(500)]
    filled(here, {"settings": many})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        with pytest.raises(NotTaken, match="could not be written"):
            taken(here, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_backup_under_load_is_of_one_moment(kind, tmp_path, request):
    """Writers change two tables together all the time; in each backup the two agree."""
    here = (
        Places(data_dir=tmp_path / "a")
        if kind == "sqlite"
        else request.getfixturevalue("postgres")()
    )
    filler = [{"name": f"n{each}", "value": "x" * 200} for each in range(3000)]
    filled(here, ROWS | {"settings": [{"name": "count", "value": "1"}, *filler]})
    over = threading.Event()

    def write() -> None:
        database, count = here.open_rows(), 0
        while not over.is_set():
            count += 1
            with database.engine.begin() as connection:
                connection.exec_driver_sql(f"UPDATE operations SET steps_done = {count}")
                connection.exec_driver_sql(
                    f"UPDATE settings SET value = '{count}' WHERE name = 'count'"
                )
        database.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        paths = [
            create_backup(here, tmp_path / "b", now=100.0 + each, random=os.urandom).path
            for each in range(3)
        ]
    finally:
        over.set()
        writer.join()
    counts = []
    for number, path in enumerate(paths):
        there = Places(data_dir=tmp_path / f"there{number}")
        restore_backup(path, there, None, now=200.0)
        with sqlite3.connect(there.rows) as connection:
            (done,) = connection.execute("SELECT steps_done FROM operations").fetchone()
            (value,) = connection.execute(
                "SELECT value FROM settings WHERE name = 'count'"
            ).fetchone()
        counts.append((str(done), value))
    assert all(one == two for one, two in counts), counts
    assert len(set(counts)) == 3, "the load did not go on"


def test_the_commands_teach_and_refuse_in_words(tmp_path, capsys):
    """create, list, verify, restore as a person types them; a damage gives its offset."""
    app = build()

    def mantle(*words: str):
        code = run(app, ["backup", *words, "--json"])
        return code, json.loads(capsys.readouterr().out)

    here, folder = tmp_path / "a", tmp_path / "b"
    filled(Places(data_dir=here), ROWS)
    key = tmp_path / "key"
    key.write_text("correct horse\n")
    key.chmod(0o600)
    data = ("--data-dir", str(here))
    code, made = mantle("create", *data, "--to", str(folder), "--encrypt-with", str(key))
    path = Path(made["path"])
    assert (code, made["encrypted"], path.parent) == (0, True, folder)
    listed = mantle("list", *data, "--to", str(folder))[1]["backups"]
    assert [each["state"] for each in listed] == ["whole"]
    assert mantle("verify", str(path))[1]["contents_read"] is False
    code, told = mantle("restore", str(path), *data, "--key-file", str(key))
    assert (code, "operations (1)" in json.dumps(told)) == (6, True)
    new = ("--data-dir", str(tmp_path / "c"), "--key-file", str(key))
    assert mantle("restore", str(path), *new)[0] == 0
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    code, told = mantle("verify", str(path))
    assert (code, "between bytes 96 and" in json.dumps(told)) == (3, True)
    assert mantle("verify", str(tmp_path / "none"))[0] == 4


def test_migrating_is_not_needed_after_a_restore(tmp_path):
    """The restored database is at this release's revision."""
    here, there = Places(data_dir=tmp_path / "a"), Places(data_dir=tmp_path / "b")
    filled(here, ROWS)
    restore_backup(taken(here, tmp_path), there, None, now=200.0)
    database = there.open_rows()
    migrate(database)
    assert revision(database) == known_revisions()[0]
    database.close()
