"""Copies of folders that share nothing with the original that a write could reach.

A copy is for keeping: what is written to either side later must not show on the other. So no file
is linked to the original's. Where the file system can share blocks until one side writes (reflinks
of btrfs and XFS), copying costs nothing; elsewhere the bytes are copied, holes left out. Several
names of one file inside the folder stay several names of one file in the copy.

The folder may be in use. It is walked by open descriptors, so that moving it (attaching a volume)
disturbs nothing; what vanishes meanwhile is left out, as if the power had failed there.
"""

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Collection
from pathlib import Path

FICLONE = 0x40049409
"""The ioctl that shares a file's blocks: `linux/fs.h`."""

CANNOT_SHARE = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS}
"""What a file system answers that has no such thing."""

CHUNK_BYTES = 16 << 20

UNFINISHED = ".part"

Linked = dict[tuple[int, int], Path]
"""Device and inode of files with several names, and where the first of them was copied to."""


def copy_whole(source: Path, target: Path, without: Collection[str] = ()) -> None:
    """Copy a folder to a place where there is nothing yet: all of it appears at once.

    `without` names entries at its top that are left out. Cut short at any moment, it can be
    called again.
    """
    part = target.with_name(target.name + UNFINISHED)
    discard(part)
    part.mkdir(parents=True)
    copy_into(source, part, without)
    part.rename(target)


def copy_into(source: Path, target: Path, without: Collection[str] = ()) -> None:
    """Copy what a folder holds into another, which has nothing of these names."""
    folder = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _entries(folder, target, {}, without)
        _dress(os.fstat(folder), target)
    finally:
        os.close(folder)


def empty(folder: Path, without: Collection[str] = ()) -> None:
    """Remove what a folder holds, but for the entries of these names."""
    for entry in list(folder.iterdir()) if folder.is_dir() else ():
        if entry.name not in without:
            discard(entry)


def discard(path: Path) -> None:
    """Remove a file or a folder, also one whose own permissions forbid it."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for folder, _, __ in os.walk(path):
        Path(folder).chmod(0o700)
    shutil.rmtree(path)


def _entries(folder: int, target: Path, linked: Linked, without: Collection[str]) -> None:
    for name in sorted(os.listdir(folder)):
        if name in without:
            continue
        try:
            _entry(folder, name, target / name, linked)
        except FileNotFoundError:
            continue


def _entry(folder: int, name: str, target: Path, linked: Linked) -> None:
    about = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISDIR(about.st_mode):
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
        try:
            target.mkdir(mode=0o700)
            _entries(inner, target, linked, ())
        finally:
            os.close(inner)
        _dress(about, target)
    elif stat.S_ISLNK(about.st_mode):
        target.symlink_to(os.readlink(name, dir_fd=folder))
    elif stat.S_ISFIFO(about.st_mode):
        os.mkfifo(target, stat.S_IMODE(about.st_mode))
    elif stat.S_ISREG(about.st_mode):
        _file(folder, name, target, about, linked)
    # A socket or a device is nothing that a copy could hold.


def _file(folder: int, name: str, target: Path, about: os.stat_result, linked: Linked) -> None:
    identity = about.st_dev, about.st_ino
    first = linked.get(identity) if about.st_nlink > 1 else None
    if first is not None:
        target.hardlink_to(first)
        return
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        copy = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            if not _shared(source, copy):
                _bytes(source, copy)
        finally:
            os.close(copy)
    finally:
        os.close(source)
    _dress(about, target)
    linked[identity] = target


def _shared(source: int, copy: int) -> bool:
    """Whether the file system lets both have the same blocks until one of them writes."""
    try:
        fcntl.ioctl(copy, FICLONE, source)
    except OSError as error:
        if error.errno not in CANNOT_SHARE:
            raise
        return False
    return True


def _bytes(source: int, copy: int) -> None:
    """Copy the data, not the holes between."""
    size = os.fstat(source).st_size
    at = 0
    while at < size:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
            end = os.lseek(source, at, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # nothing but a hole is left
        while at < end:
            sent = os.pwrite(copy, os.pread(source, min(CHUNK_BYTES, end - at), at), at)
            if not sent:
                break  # cut shorter meanwhile
            at += sent
        else:
            continue
        break
    os.ftruncate(copy, size)


def _dress(about: os.stat_result, target: Path) -> None:
    """Permissions and times; last, as a folder may forbid writing."""
    os.utime(target, ns=(about.st_atime_ns, about.st_mtime_ns))
    target.chmod(stat.S_IMODE(about.st_mode))
