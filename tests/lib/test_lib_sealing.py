"""Sealing: who has the key reads what was sealed, in its own place, and nobody else anywhere."""

import base64
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mantle.lib import key_file
from mantle.lib.key_file import KeyFile, WrongKeyFile
from mantle.lib.sealing import (
    HEAD_BYTES,
    NONCE_BYTES,
    Key,
    KeyRing,
    Unopened,
    Why,
    as_text,
    from_text,
    is_sealed,
    key_id_of,
)

OLD, NEW, STRANGE = (Key(bytes([number]) * 32) for number in (1, 2, 3))


@given(st.binary(max_size=200), st.text(max_size=50))
def test_what_is_sealed_opens_in_its_place(data, place):
    ring = KeyRing([OLD])
    assert ring.open(ring.seal(data, place), place) == data


@given(st.binary(max_size=200), st.text(max_size=20), st.text(max_size=20))
def test_it_opens_nowhere_else(data, here, there):
    """The place is authenticated: a value copied to another row is refused."""
    ring = KeyRing([OLD])
    if here != there:
        with pytest.raises(Unopened) as refused:
            ring.open(ring.seal(data, here), there)
        assert refused.value.why is Why.NOT_HERE


@given(st.binary(min_size=1, max_size=100), st.data())
def test_no_byte_of_it_can_be_changed(data, draw):
    sealed = bytearray(KeyRing([OLD]).seal(data, "p"))
    at = draw.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(Unopened):
        KeyRing([OLD]).open(bytes(sealed), "p")


@given(st.binary(max_size=300))
def test_no_bytes_of_strangers_break_it(data):
    with pytest.raises(Unopened):
        KeyRing([OLD]).open(data, "p")


def test_the_first_key_seals_and_all_open():
    before, after = KeyRing([OLD]), KeyRing([NEW, OLD])
    sealed = before.seal(b"x", "p")
    assert after.open(sealed, "p") == b"x"
    assert (key_id_of(sealed), key_id_of(after.seal(b"x", "p"))) == (OLD.id, NEW.id)


def test_a_missing_key_is_named():
    with pytest.raises(Unopened) as refused:
        KeyRing([NEW]).open(KeyRing([OLD]).seal(b"x", "p"), "p")
    assert (refused.value.why, refused.value.key_id) == (Why.NO_KEY, OLD.id)


def test_equal_values_look_different_unless_they_are_to_be_compared():
    ring = KeyRing([OLD])
    assert ring.seal(b"x", "p") != ring.seal(b"x", "p")
    assert ring.seal_same(b"x", "p") == KeyRing([OLD]).seal_same(b"x", "p")
    assert ring.seal_same(b"x", "p") != ring.seal_same(b"x", "q")
    assert ring.open(ring.seal_same(b"x", "p"), "p") == b"x"


def test_two_processes_never_seal_with_one_salt():
    """So the nonces of one can never meet those of another."""
    one, other = KeyRing([OLD]).seal(b"x", "p"), KeyRing([OLD]).seal(b"x", "p")
    assert one[:HEAD_BYTES] != other[:HEAD_BYTES]


def test_the_salt_changes_before_chance_is_used_up():
    ring = KeyRing([OLD], with_one_salt=2)
    heads = [ring.seal(b"x", "p")[:HEAD_BYTES] for _ in range(5)]
    assert len(set(heads)) == 3
    assert all(ring.open(ring.seal(b"x", "p"), "p") == b"x" for _ in range(5))


def test_a_sealed_value_is_54_bytes_longer_and_is_no_json():
    sealed = KeyRing([OLD]).seal(b'{"a": 1}', "p")
    assert len(sealed) == 8 + HEAD_BYTES + NONCE_BYTES + 16 == 8 + 54
    assert is_sealed(sealed)
    assert not is_sealed(b'{"a": 1}')


def test_text_and_back():
    sealed = KeyRing([OLD]).seal(b"x", "p")
    assert from_text(as_text(sealed), "p") == sealed
    with pytest.raises(Unopened):
        from_text("mantle-sealed:no base64!", "p")


def test_nothing_shows_a_key():
    """`repr` is an operator's view: ids only."""
    assert repr(KeyRing([OLD, NEW])) == f"KeyRing({OLD.id}, {NEW.id})"
    assert OLD.secret.hex() not in repr(OLD)
    assert repr(OLD.secret) not in repr(OLD)


# --- the file --------------------------------------------------------------------------------


def test_a_new_file_is_its_owners_alone_and_is_never_overwritten(tmp_path):
    path = tmp_path / "folder" / "keys"
    key_file.make(path, OLD, "2026-11-21")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key_file.read(path).ids == (OLD.id,)
    with pytest.raises(FileExistsError):
        key_file.make(path, NEW, "2026-11-21")


def test_a_key_is_added_at_the_end_and_then_put_first(tmp_path):
    path = tmp_path / "keys"
    key_file.make(path, OLD, "2026-11-20")
    key_file.add(path, NEW, "2026-11-21")
    assert key_file.read(path).ids == (OLD.id, NEW.id)
    key_file.put_first(path, NEW.id)
    assert key_file.read(path).ids == (NEW.id, OLD.id)
    assert path.read_text().startswith("# The keys that Mantle's secrets are sealed with")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no key"),
        ("# only words\n", "holds no key"),
        (f"{OLD.id} not-base64 2026\n", "Line 1 of the key file"),
        (f"{OLD.id}\n", "Line 1 of the key file"),
        (f"{NEW.id} {base64.b64encode(OLD.secret).decode()}\n", "the id is not this key's"),
        (f"{OLD.id} {base64.b64encode(b'short').decode()}\n", "Line 1 of the key file"),
    ],
)
def test_a_damaged_file_is_refused_by_line_and_shows_no_key(tmp_path, text, why):
    path = tmp_path / "keys"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(WrongKeyFile) as refused:
        key_file.read(path)
    assert why in refused.value.message
    assert base64.b64encode(OLD.secret).decode() not in refused.value.message


def test_a_file_that_everyone_may_read_is_refused(tmp_path):
    path = tmp_path / "keys"
    key_file.make(path, OLD, "2026-11-21")
    path.chmod(0o644)
    with pytest.raises(WrongKeyFile) as refused:
        key_file.read(path)
    assert "Everyone on this machine" in refused.value.message
    assert "chmod 600" in refused.value.remedy


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path):
    with pytest.raises(WrongKeyFile) as refused:
        key_file.read(tmp_path / "keys")
    assert "mantle keys new" in refused.value.remedy


def test_a_process_learns_of_a_new_key_when_it_meets_it(tmp_path):
    """Without a restart: another process seals with a key that came into the file since."""
    path = tmp_path / "keys"
    key_file.make(path, OLD, "2026-11-20")
    keys = KeyFile(path)
    key_file.add(path, NEW, "2026-11-21")
    key_file.put_first(path, NEW.id)
    assert keys.open(KeyRing([NEW]).seal(b"x", "p"), "p") == b"x"
    assert keys.ids == (NEW.id, OLD.id)


def test_a_key_that_left_the_file_still_opens_and_a_damaged_file_changes_nothing(tmp_path):
    path = tmp_path / "keys"
    key_file.make(path, OLD, "2026-11-20")
    keys = KeyFile(path)
    sealed = keys.seal(b"x", "p")
    path.unlink()
    key_file.make(path, NEW, "2026-11-21")
    assert keys.ring(now=True).ids == (NEW.id, OLD.id)
    assert keys.open(sealed, "p") == b"x"
    path.write_text("nonsense")
    os.utime(path, ns=(1, 1))
    assert keys.ring(now=True).ids == (NEW.id, OLD.id)


def test_a_strange_key_stays_strange(tmp_path):
    path = tmp_path / "keys"
    key_file.make(path, OLD, "2026-11-20")
    with pytest.raises(Unopened) as refused:
        KeyFile(path).open(KeyRing([STRANGE]).seal(b"x", "p"), "p")
    assert refused.value.key_id == STRANGE.id
