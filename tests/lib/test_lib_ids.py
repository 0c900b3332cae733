"""Ids and random bytes."""

import os
import uuid

from mantle.lib.ids import Chance, new_id, random_bytes


def test_an_id_is_a_version_4_uuid():
    """In its usual form; a thousand are a thousand."""
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(str(uuid.UUID(each)) == each and uuid.UUID(each).version == 4 for each in ids)
    assert {uuid.UUID(each).variant for each in ids} == {uuid.RFC_4122}


def test_bytes_are_as_many_as_asked_and_given_once():
    """Across blocks, and for more than a block."""
    assert [len(random_bytes(count)) for count in (0, 1, 16, 5000)] == [0, 1, 16, 5000]
    assert len({random_bytes(8) for _ in range(5000)}) == 5000


def test_a_forked_child_has_its_own_chance():
    """Parent and child never give out the same bytes."""
    chance = Chance()
    chance.take(1)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, chance.take(16))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reader, 16)
    os.close(reader)
    os.close(writer)
    assert theirs != chance.take(16)
