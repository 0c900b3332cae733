"""What is kept of volumes and servers: copies that share nothing with what goes on being used."""

import asyncio
import os
import stat

import msgspec
import pytest

from mantle.clouds import ports as p
from mantle.clouds.local.copying import copy_whole
from mantle.model.ids import Token


def test_a_copy_shares_no_file_with_the_original(tmp_path):
    """Written to either side afterwards, in place, the other does not show it."""
    source, target = tmp_path / "a", tmp_path / "b"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "file").write_text("before")
    copy_whole(source, target)
    with (source / "deep" / "file").open("r+") as file:
        file.write("AFTER!")
    assert (target / "deep" / "file").read_text() == "before"
    assert (target / "deep" / "file").stat().st_ino != (source / "deep" / "file").stat().st_ino


def test_names_of_one_file_stay_names_of_one_file(tmp_path):
    """Within the copy, never across."""
    source, target = tmp_path / "a", tmp_path / "b"
    source.mkdir()
    (source / "one").write_text("x")
    (source / "two").hardlink_to(source / "one")
    copy_whole(source, target)
    one, two = (target / "one").stat(), (target / "two").stat()
    assert (one.st_ino == two.st_ino, one.st_nlink) == (True, 2)


def test_links_pipes_modes_and_times_are_kept_and_sockets_left_out(tmp_path):
    """A link is copied as a link, wherever it leads."""
    source, target = tmp_path / "a", tmp_path / "b"
    source.mkdir()
    (source / "link").symlink_to("/etc/passwd")
    os.mkfifo(source / "pipe")
    (source / "script").write_text("#!/bin/sh\n")
    (source / "script").chmod(0o750)
    os.utime(source / "script", (1_000_000_000, 1_000_000_000))
    (source / "shut").mkdir()
    (source / "shut" / "in").write_text("x")
    (source / "shut").chmod(0o500)
    copy_whole(source, target)
    about = (target / "script").stat()
    assert (target / "link").readlink().as_posix() == "/etc/passwd"
    assert stat.S_ISFIFO((target / "pipe").stat().st_mode)
    assert (stat.S_IMODE(about.st_mode), about.st_mtime) == (0o750, 1_000_000_000)
    assert stat.S_IMODE((target / "shut").stat().st_mode) == 0o500
    assert (target / "shut" / "in").read_text() == "x"


def test_holes_stay_holes(tmp_path):
    """A gibibyte of nothing is copied in no time and takes no room."""
    source, target = tmp_path / "a", tmp_path / "b"
    source.mkdir()
    with (source / "disk").open("wb") as file:
        file.seek(1 << 30)
        file.write(b"end")
    copy_whole(source, target)
    about = (target / "disk").stat()
    assert (about.st_size, about.st_blocks * 512 < 1 << 20) == ((1 << 30) + 3, True)
    with (target / "disk").open("rb") as file:
        file.seek(1 << 30)
        assert file.read() == b"end"


def test_a_copy_cut_short_is_begun_again(tmp_path):
    """Half of one is never taken for a whole one."""
    source, target = tmp_path / "a", tmp_path / "b"
    source.mkdir()
    (source / "file").write_text("whole")
    half = tmp_path / "b.part"
    half.mkdir()
    (half / "file").write_text("ha")
    (half / "junk").write_text("")
    copy_whole(source, target)
    assert sorted(each.name for each in target.iterdir()) == ["file"]
    assert (target / "file").read_text() == "whole"
    assert not half.exists()


def unmade(world, shelf, object_id, **notes):
    """The record as it was before its deed was done, as a crash leaves it."""
    path = world.session.volumes._project.folder / shelf / f"{object_id}.json"
    record = msgspec.json.decode(path.read_bytes())
    record["notes"] |= {"made": False, **notes}
    path.write_bytes(msgspec.json.encode(record))


@pytest.mark.parametrize("left", ["nothing", "half a copy", "a whole copy"])
def test_a_backup_that_a_crash_left_unmade_is_made_by_whoever_looks(one_world, left):
    """Nobody asks twice: the next start, or the next look, ends what was begun."""

    async def story():
        session = one_world.session
        volume = await session.volumes.create(p.VolumeSpec(name="v", size_gib=1), Token("v"))
        session.volumes.folder(volume.id).joinpath("note").write_text("kept")
        spec = p.VolumeBackupSpec(name="b", volume_id=volume.id)
        backup = await session.volume_backups.create(spec, Token("b"))
        kept = session.volumes._project.folder / "kept" / backup.id
        if left != "a whole copy":
            kept.joinpath("note").unlink()
            kept.rename(kept.with_name(f"{backup.id}.part")) if left[0] == "h" else kept.rmdir()
        unmade(one_world, "volume_backups", backup.id)
        one_world.restart()
        found = await one_world.session.volume_backups.find(Token("b"))
        found = await one_world.session.volume_backups.get(found.id)
        assert (found.id, found.status) == (backup.id, p.ObjectStatus.ACTIVE)
        assert (kept / "note").read_text() == "kept"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("here", "new", "old"),
    [
        ("after", None, None),
        ("after", "before", None),
        (None, "before", "after"),
        ("before", None, "after"),
        ("before", None, None),
    ],
)
def test_a_restore_cut_at_any_move_ends_with_the_backup_s_contents(one_world, here, new, old):
    """Copied beside, moved away, moved in: from each of these moments it goes on."""

    async def story():
        session = one_world.session
        volume = await session.volumes.create(p.VolumeSpec(name="v", size_gib=1), Token("v"))
        folder = session.volumes.folder(volume.id)
        folder.joinpath("note").write_text("before")
        backup = await session.volume_backups.create(
            p.VolumeBackupSpec(name="b", volume_id=volume.id), Token("b")
        )
        folder.joinpath("note").unlink()
        folder.rmdir()
        for text, place in ((here, ""), (new, ".new"), (old, ".old")):
            if text is not None:
                folder.with_name(folder.name + place).mkdir()
                folder.with_name(folder.name + place).joinpath("note").write_text(text)
        unmade(one_world, "volumes", volume.id, made=True, restoring=backup.id)
        one_world.restart()
        await one_world.cloud.start()
        found = await one_world.session.volumes.get(volume.id)
        assert found.status is p.ObjectStatus.ACTIVE
        assert folder.joinpath("note").read_text() == "before"
        assert [each.name for each in folder.parent.iterdir()] == [volume.id]

    asyncio.run(story())


def test_a_volume_in_a_running_server_is_backed_up_without_stopping_it(one_world):
    """The copy is what the disk held at that moment; the server goes on writing to its own."""

    async def story():
        session = one_world.session
        server = await one_world.boot("web", "#!/bin/sh\nexec sleep 1000\n")
        volume = await session.volumes.create(p.VolumeSpec(name="v", size_gib=1), Token("v"))
        await session.volume_attachments.create(
            p.VolumeAttachmentSpec(server_id=server.id, volume_id=volume.id), Token("a")
        )
        inside = session.servers.machine(server.id).root / "volumes" / "vdb"
        inside.joinpath("note").write_text("before")
        backup = await session.volume_backups.create(
            p.VolumeBackupSpec(name="b", volume_id=volume.id), Token("b")
        )
        image = await session.server_images.create(
            p.ServerImageSpec(name="i", server_id=server.id), Token("i")
        )
        inside.joinpath("note").write_text("after")
        kept = session.volumes._project.folder / "kept"
        assert (kept / backup.id / "note").read_text() == "before"
        assert not (kept / image.id / "volumes").exists()
        again = await session.servers.rebuild(
            server.id, p.ServerSpec(**{**spec_of(server), "image": image.id})
        )
        await one_world.settled(again.id, p.ObjectStatus.ACTIVE)
        assert inside.joinpath("note").read_text() == "after"

    asyncio.run(story())


def spec_of(server):
    return {name: getattr(server.spec, name) for name in server.spec.__dataclass_fields__}
