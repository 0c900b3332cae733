"""What the database is told: sealed in its place, opened there only, compared nowhere."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from databases import empty_database_url
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from mantle.lib.sealing import MARK, Key, KeyRing
from mantle.model.ids import ProjectId, ResourceId, StackId, Token, UserId
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.status import Action, Status
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Database
from mantle.store.sealed import SEALED, Locked, confidential

OLD, NEW = Key(b"o" * 32), Key(b"n" * 32)
CANARY = "CANARY-7fd1"


def stack(name="s", *, secret, root="s", parent=None, **more):
    return StackRecord(
        id=StackId(name),
        name=name,
        project_id=ProjectId("p"),
        owner_id=UserId("u"),
        owner_name="u",
        action=Action.CREATE,
        status=Status.COMPLETE,
        reason="",
        source_id="x",
        root_id=StackId(root),
        parent_id=StackId(parent) if parent else None,
        created_at=1.0,
        confidential=secret,
        **more,
    )


def row(stack_id="s", name="r", number="1", **more):
    return ResourceRecord(
        id=ResourceId(f"{stack_id}-{number}"),
        stack_id=StackId(stack_id),
        name=name,
        type="T",
        resolved_type="T",
        token=Token(f"t-{stack_id}-{number}"),
        created_at=1.0,
        **{"properties": {"password": CANARY}, "metadata": {"m": CANARY}, **more},
    )


@pytest.fixture
def database():
    made = Database(empty_database_url(), inline=True, keys=KeyRing([OLD]))
    made.create_tables()
    yield made
    made.close()


def raw(database, query):
    with database.engine.connect() as connection:
        return [bytes(each) for each in connection.execute(text(query)).scalars()]


async def with_row(database, *, secret, **more):
    await database.write(stack_rows.add, stack(secret=secret))
    await database.write(resource_rows.add, [row(**more)])


@pytest.mark.parametrize("columns", SEALED, ids=lambda each: each.table.name)
def test_every_sealed_column_is_there_and_so_is_what_names_its_place(columns):
    """The one table of what is sealed cannot name what is not."""
    names = set(columns.table.c.keys())
    assert names >= {*columns.columns, *columns.named}
    assert len(columns.table.primary_key.columns) == 1


async def sealed_and_read(database):
    await with_row(database, secret=True)
    stored = raw(database, "SELECT properties FROM resources")
    (found,) = await database.read(resource_rows.of_stack, StackId("s"))
    return stored, found


def test_a_confidential_stacks_rows_are_sealed_and_read_as_they_were(database, run):
    stored, found = run(sealed_and_read(database))
    assert [each[:2] for each in stored] == [MARK]
    assert CANARY.encode() not in stored[0]
    assert (found.properties, found.metadata) == ({"password": CANARY}, {"m": CANARY})


def test_a_stack_without_secrets_pays_nothing(database, run):
    """Not one value is sealed: what is stored is JSON, as before."""

    async def story():
        await with_row(database, secret=False, properties={"size": 1}, metadata={})
        return raw(database, "SELECT properties FROM resources")

    assert run(story()) == [b'{"size":1}']


def test_a_stack_of_which_nothing_is_known_counts_as_confidential(database, run):
    async def story():
        return await database.read(confidential, ["nobody", "knows"])

    assert run(story()) == {"nobody", "knows"}


def test_a_secret_inside_makes_the_whole_tree_confidential_for_ever(database, run):
    async def story():
        await database.write(stack_rows.add, stack(secret=False))
        before = await database.read(confidential, ["s"])
        inner = stack("inner", secret=True, root="s", parent="s")
        await database.write(stack_rows.add, inner)
        # Whoever had read the root before writes it as it knew it.
        await database.write(stack_rows.save, stack(secret=False))
        return before, await database.read(confidential, ["s", "inner"])

    assert run(story()) == (set(), {"s", "inner"})


def test_a_value_moved_to_another_row_does_not_open_and_others_do(database, run):
    """Not into another tenant's stack, not even to the next row of its own."""

    async def story():
        await database.write(stack_rows.add, stack(secret=True))
        await database.write(resource_rows.add, [row(), row(name="q", number="2")])
        with database.engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE resources SET properties = (SELECT properties FROM resources"
                    " WHERE name = 'r') WHERE name = 'q'"
                )
            )
        await database.read(resource_rows.get, "s-1")
        await database.read(resource_rows.get, "s-2")

    with pytest.raises(Locked) as refused:
        run(story())
    told = str(refused.value)
    assert "resources/s/s-2/q/properties cannot be opened" in told
    assert "belongs elsewhere" in told
    assert refused.value.remedy
    assert CANARY not in told


def test_without_the_key_the_error_says_which_is_missing(database, run):
    async def story():
        await with_row(database, secret=True)
        database.seal_with(KeyRing([NEW]))
        await database.read(resource_rows.of_stack, StackId("s"))

    with pytest.raises(Locked) as refused:
        run(story())
    assert OLD.id in str(refused.value)
    assert NEW.id in str(refused.value)
    assert "--secrets-keys" in refused.value.remedy
    assert refused.value.fault == "ServiceUnavailable"


def test_outputs_are_opened_when_they_are_looked_into(database, run):
    """A listing of stacks opens nothing, and one that does not open hides no other."""

    async def story():
        await database.write(stack_rows.add, stack(secret=True, outputs={"o": CANARY}))
        other = stack("t", root="t", secret=True, outputs={"o": "fine"})
        await database.write(stack_rows.add, other)
        with database.engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE stacks SET outputs = (SELECT outputs FROM stacks WHERE id = 't')"
                    " WHERE id = 's'"
                )
            )
        query = stack_rows.StackQuery(sort_keys=("name",), sort_dir="asc")
        found = await database.read(stack_rows.listing, ProjectId("p"), query)
        names, fine = [each.name for each in found], found[1].outputs["o"]
        # Written back unread, it stays what it is.
        await database.write(stack_rows.save, found[1])
        again = await database.read(stack_rows.get, "t")
        with pytest.raises(Locked):
            found[0].outputs["o"]
        return names, fine, again.outputs == {"o": "fine"}

    assert run(story()) == (["s", "t"], "fine", True)


@pytest.fixture
def run():
    import asyncio

    return asyncio.run


def test_a_statement_that_is_refused_is_told_without_its_values(database, run):
    """Its error comes into the log."""

    async def story():
        await database.write(stack_rows.add, stack(secret=False))
        twice = stack(secret=False, outputs={"o": CANARY}, description=CANARY)
        await database.write(stack_rows.add, twice)

    with pytest.raises(IntegrityError) as refused:
        run(story())
    assert CANARY not in str(refused.value)


def test_a_row_says_nothing_of_its_values():
    """Where one is shown, in a log or a failed test."""
    shown = row(attributes={"a": CANARY}, data={"d": CANARY})
    assert CANARY not in repr(shown)
    assert shown.id in repr(shown)
