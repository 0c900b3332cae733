"""The cases: each answers rows of what, resources, seconds, CPU seconds, floor seconds."""

import asyncio
from collections.abc import Awaitable, Callable

from benchmarks.floor import floor
from benchmarks.plant import (
    CALLER,
    chain,
    create,
    delete,
    group,
    independent,
    nested,
    networks,
    plant,
    servers,
    timed,
    update,
)
from mantle.model.graph import TemplateSource
from mantle.stacks.drift import look
from mantle.stacks.update import UpdateRequest, preview_update
from mantle.stacks.validate import validate_template

Row = tuple[str, int, float, float, float | None]
Case = Callable[[], Awaitable[list[Row]]]


def _independent(count: int) -> Case:
    async def case() -> list[Row]:
        async with plant() as control:
            holder = []

            async def make() -> None:
                holder.append(await create(control, "s", independent(count)))

            made = await timed(make)
            gone = await timed(lambda: delete(control, holder[0]))
        limit = floor(count)
        return [
            (f"create {count:,} independent", count, *made, limit),
            (f"delete {count:,} independent", count, *gone, None),
        ]

    return case


async def _chain() -> list[Row]:
    async with plant() as control:
        made = await timed(lambda: create(control, "s", chain(1000)))
    return [("create a chain of 1,000 values", 1000, *made, floor(1000))]


async def _group() -> list[Row]:
    async with plant() as control:
        made = await timed(lambda: create(control, "s", group(100)))
    return [("create a group of 100", 100, *made, floor(100))]


async def _updates() -> list[Row]:
    async with plant() as control:
        stack = await create(control, "s", independent(10_000))
        same = await timed(lambda: update(control, stack, independent(10_000)))
        one = await timed(lambda: update(control, stack, independent(10_000, odd=5000)))
    return [
        ("update 10,000, nothing changed", 10_000, *same, None),
        ("update 10,000, one replaced", 10_000, *one, None),
    ]


async def _many() -> list[Row]:
    async with plant() as control:
        made = await timed(
            lambda: asyncio.gather(*(create(control, f"s{i}", independent(10)) for i in range(50)))
        )
    return [("create 50 stacks of 10 at once", 500, *made, floor(500))]


async def _validate() -> list[Row]:
    async with plant() as control:
        source = TemplateSource(template=independent(500))
        done = await timed(lambda: validate_template(control, CALLER, source))
        deep = await timed(lambda: validate_template(control, CALLER, nested(50, 100)))
    return [
        ("validate 500 resources, warnings included", 500, *done, None),
        ("validate 5,000 resources in 50 nested files, warnings included", 5_000, *deep, None),
    ]


def _planning(count: int, template: Callable[..., str] = independent, what: str = "") -> Case:
    async def case() -> list[Row]:
        async with plant() as control:
            stack = await create(control, "s", template(count))
            changed = UpdateRequest(template=template(count, odd=count // 2))
            done = await timed(lambda: preview_update(control, CALLER, stack, changed))
        return [(f"plan one change in {count:,}{what}", count, *done, None)]

    return case


async def _drift() -> list[Row]:
    count = 10_000
    async with plant() as control:
        stack = await create(control, "s", networks(count))
        looks = []

        async def sweep() -> None:
            looks.append(await look(control, stack.project_id, stack.cloud))

        done = await timed(sweep)
    calls = looks[0].calls / count * 1000
    return [(f"look for drift in 10,000 networks ({calls:g} calls per 1,000)", count, *done, None)]


CASES: dict[str, Case] = {
    "100": _independent(100),
    "1000": _independent(1_000),
    "10000": _independent(10_000),
    "20000": _independent(20_000),
    "chain": _chain,
    "group": _group,
    "updates": _updates,
    "many": _many,
    "validate": _validate,
    "plan-100": _planning(100),
    "plan-1000": _planning(1_000),
    "plan-10000": _planning(10_000),
    "plan-20000": _planning(20_000),
    "plan-servers": _planning(10_000, servers, " servers"),
    "drift": _drift,
}
