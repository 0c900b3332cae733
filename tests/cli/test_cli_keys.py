"""`mantle keys` and the start of a control plane: with its keys, without, and with others."""

import asyncio
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mantle.__main__ import build
from mantle.access.caller import Caller
from mantle.cli.app import run
from mantle.lib import key_file
from mantle.lib.key_file import KeyFile
from mantle.lib.sealing import new_key
from mantle.model.errors import MantleError
from mantle.model.graph import TemplateSource
from mantle.model.ids import ProjectId, UserId
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.queries import find_stack, show_resource
from mantle.store import operations as operation_rows
from mantle.store.database import Database
from mantle.store.rotation import rotate, used_keys
from mantle.wiring import Options, keys_of, member, opened

CANARY = "canary-in-the-files-3b77"
CALLER = Caller(
    user_id=UserId("u"),
    user_name="u",
    project_id=ProjectId("p"),
    project_name="p",
    roles=frozenset({"member"}),
)
TEMPLATE = """
heat_template_version: 2018-08-31
parameters: {password: {type: string, hidden: true}}
resources:
  one: {type: OS::Heat::Value, properties: {value: {get_param: password}}}
"""


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("MANTLE_"):
            monkeypatch.delenv(name)


def options(folder, **more):
    return Options(data_dir=folder, default_cloud="simulated", durable=False, **more)


async def work(folder, name="s"):
    """One process: it makes a stack with a secret, and answers what it reads of it."""
    async with opened(options(folder)) as control:
        source = TemplateSource(template=TEMPLATE, parameters={"password": CANARY})
        await create_stack(control, CALLER, CreateRequest(name=name, source=source))
        while await control.database.read(operation_rows.live):
            await asyncio.sleep(0.02)
        stack = await find_stack(control, CALLER.project_id, name)
        # While it is at work, too: the log of writes is not yet in the file.
        assert CANARY.encode() not in files(folder)
        return (await show_resource(control, stack, "one")).record.attributes["value"]


async def start(folder):
    async with opened(options(folder)):
        pass


def files(folder):
    return b"".join(each.read_bytes() for each in sorted(folder.glob("mantle.sqlite*")))


def test_the_first_start_makes_a_key_file_and_the_files_hold_no_secret(tmp_path):
    """The database's file and its log of writes, as they lie on disk when the process is gone."""
    assert asyncio.run(work(tmp_path)) == CANARY
    keys = tmp_path / "keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert CANARY.encode() not in files(tmp_path)
    assert asyncio.run(work(tmp_path, "t")) == CANARY


def test_without_the_key_file_nothing_is_touched_and_the_error_says_what_to_do(tmp_path):
    """Above all no new key is made: it would look as if all were well."""
    asyncio.run(work(tmp_path))
    (known,) = key_file.read(tmp_path / "keys").ids
    (tmp_path / "keys").rename(tmp_path / "elsewhere")
    before = files(tmp_path)
    with pytest.raises(MantleError) as refused:
        asyncio.run(start(tmp_path))
    assert known in refused.value.message
    assert "Nothing was touched" in refused.value.message
    assert "--secrets-keys FILE" in refused.value.remedy
    assert not (tmp_path / "keys").exists()
    assert files(tmp_path) == before
    (tmp_path / "elsewhere").rename(tmp_path / "keys")
    asyncio.run(start(tmp_path))


def test_the_keys_of_another_database_are_refused_by_id(tmp_path):
    asyncio.run(work(tmp_path))
    known = key_file.read(tmp_path / "keys").ids[0]
    (tmp_path / "keys").unlink()
    other = new_key()
    key_file.make(tmp_path / "keys", other, "2026-11-21")
    with pytest.raises(MantleError) as refused:
        asyncio.run(start(tmp_path))
    assert known in refused.value.message
    assert other.id in refused.value.message


def test_sealing_can_be_left_out_but_not_once_something_is_sealed(tmp_path):
    plain = options(tmp_path / "plain", secrets_keys=Path("none"))
    database = Database("sqlite://", inline=True)
    assert keys_of(plain, database) is None
    database.close()
    asyncio.run(work(tmp_path))

    async def again():
        async with opened(options(tmp_path, secrets_keys=Path("none"))):
            pass

    with pytest.raises(MantleError, match="no key was given"):
        asyncio.run(again())


@pytest.mark.parametrize("command", ["api", "engine"])
def test_one_of_several_needs_the_key_file_and_is_told_how_to_make_one(command, capsys):
    given = [command, "--database", "postgresql://mantle@127.0.0.1:1/mantle"]
    assert run(build(), given) == 2
    told = capsys.readouterr().err
    assert "mantle keys new FILE" in told
    assert "--secrets-keys" in told


def test_a_member_without_keys_is_refused_before_it_looks_at_the_database(tmp_path):
    async def begin():
        away = options(tmp_path, database="postgresql://mantle@127.0.0.1:1/mantle")
        async with member(away, performs=True):
            pass

    with pytest.raises(MantleError, match="Nothing says which keys"):
        asyncio.run(begin())


def test_a_key_is_exchanged_by_two_commands(tmp_path, capsys):
    """The second stack is made while the old key is first, and is read with the new one."""
    asyncio.run(work(tmp_path))
    place = ["--data-dir", str(tmp_path)]
    (old,) = key_file.read(tmp_path / "keys").ids
    assert run(build(), ["keys", "new", *place]) == 0
    assert run(build(), ["keys", "list", "--json", *place]) == 0
    told = capsys.readouterr().out
    shown = json.loads(told[told.index("{") :])
    assert [each["state"] for each in shown["keys"]] == ["seals", "stand-by"]
    assert run(build(), ["keys", "rotate", *place]) == 0
    new, kept = key_file.read(tmp_path / "keys").ids
    assert (kept, new == old) == (old, False)
    capsys.readouterr()
    assert run(build(), ["keys", "list", "--json", *place]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {each["id"]: each["values"] > 0 for each in shown["keys"]} == {new: True, old: False}
    assert [each["state"] for each in shown["keys"]] == ["seals", "retired"]
    # Said twice, it goes on with the new key: the old one is no new one.
    assert run(build(), ["keys", "rotate", *place]) == 0
    assert key_file.read(tmp_path / "keys").ids == (new, old)
    assert asyncio.run(work(tmp_path, "t")) == CANARY
    # Nothing needs the old one any more.
    lines = (tmp_path / "keys").read_text().splitlines(keepends=True)
    (tmp_path / "keys").write_text("".join(line for line in lines if not line.startswith(old)))
    assert asyncio.run(work(tmp_path, "u")) == CANARY


def test_what_is_killed_in_the_midst_goes_on_where_it_was(tmp_path):
    """After any number of batches; the database and the file are whole each time."""
    asyncio.run(work(tmp_path))
    key_file.add(tmp_path / "keys", new_key(), "2026-11-21")
    new = key_file.read(tmp_path / "keys").ids[1]
    key_file.put_first(tmp_path / "keys", new)
    keys = KeyFile(tmp_path / "keys")

    class Killed(Exception):
        pass

    async def killed_after(batches):
        database = Database.at(tmp_path / "mantle.sqlite")
        database.seal_with(keys)
        seen = []

        def told(table, _):
            seen.append(table)
            if len(seen) > batches:
                raise Killed

        try:
            answer = await rotate(database, keys, told)
            return answer.sealed, await database.read(used_keys)
        except Killed:
            return None, await database.read(used_keys)
        finally:
            database.close()

    async def story():
        left = []
        for batches in (0, 1, 2, 100, 100):
            sealed, used = await killed_after(batches)
            left.append(sum(times for key, times in used.items() if key != new))
        return left, sealed

    left, sealed = asyncio.run(story())
    assert left == sorted(left, reverse=True)
    assert (left[-1], sealed) == (0, 0)
    assert asyncio.run(work(tmp_path, "t")) == CANARY


def test_a_killed_exchange_is_ended_by_the_next(tmp_path):
    """Kill -9 on the command itself, wherever it is by then; the next run says that all is well."""
    asyncio.run(work(tmp_path))
    place = ["--data-dir", str(tmp_path)]
    assert run(build(), ["keys", "new", *place]) == 0
    command = [sys.executable, "-m", "mantle", "keys", "rotate", *place]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    assert run(build(), ["keys", "rotate", *place]) == 0
    assert asyncio.run(work(tmp_path, "t")) == CANARY


def test_commands_without_a_database_or_a_key_file_say_so(tmp_path, capsys):
    place = ["--data-dir", str(tmp_path)]
    assert run(build(), ["keys", "rotate", *place]) == 1
    assert "There is no key file" in capsys.readouterr().err
    assert run(build(), ["keys", "new", *place]) == 0
    assert run(build(), ["keys", "rotate", *place]) == 1
    assert "There is no database" in capsys.readouterr().err
