"""Constraints on times, hosts, snapshots and backups: asked of the clock and the cloud."""

import asyncio
import datetime as dt
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.model.errors import Invalid
from mantle.model.graph import TemplateSource
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.queries import find_stack, list_resources
from mantle.stacks.update import UpdateRequest, update_stack
from mantle.stacks.validate import validate_template

TEMPLATE = """
heat_template_version: 2018-08-31
parameters:
  p: {type: string, constraints: [{custom_constraint: KIND}]}
resources:
  r: {type: OS::Heat::Value, properties: {value: {get_param: p}}}
"""


def told(story):
    assert Plant().life(story)


def source(kind, value):
    return TemplateSource(template=TEMPLATE.replace("KIND", kind), parameters={"p": value})


async def judged(control, kind, value):
    """The problem's message, the warning's, or nothing."""
    try:
        report = await validate_template(control, CALLER, source(kind, value), strict=True)
    except Invalid as error:
        return error.problems[0].message
    return report.warnings[0].message if report.warnings else None


def at(control, seconds):
    moment = dt.datetime.fromtimestamp(control.clock.now() + seconds, dt.UTC)
    return moment.isoformat()


@pytest.mark.proves("language: custom constraints")
def test_a_time_that_is_over_is_refused():
    """In Heat's words; one without a zone is in UTC, and an empty one asks for nothing."""

    async def story(control):
        past, future = at(control, -1), at(control, 3600)
        assert await judged(control, "expiration", past) == (
            f"Parameter 'p' is invalid: Expiration {past} is invalid: "
            "Expiration time is out of date."
        )
        assert await judged(control, "expiration", future) is None
        assert await judged(control, "expiration", future.removesuffix("+00:00")) is None
        assert await judged(control, "expiration", "") is None
        assert "is invalid" in await judged(control, "expiration", "soon")

    told(story)


def test_what_has_expired_since_does_not_keep_a_stack_from_being_updated():
    """The value was good when it was given; a new one that is over is refused."""

    async def story(control):
        given = source("expiration", at(control, 60))
        await create_stack(control, CALLER, CreateRequest(name="s", source=given))
        await quiet(control)
        await asyncio.sleep(120)
        stack = await find_stack(control, CALLER.project_id, "s")
        template = given.template + "  new: {type: OS::Heat::Value, properties: {value: 1}}\n"
        await update_stack(control, CALLER, stack, UpdateRequest(template=template, existing=True))
        await quiet(control)
        assert len(await list_resources(control, stack)) == 2
        stack = await find_stack(control, CALLER.project_id, "s")
        over = UpdateRequest(existing=True, parameters={"p": at(control, -5)})
        with pytest.raises(Invalid, match="out of date"):
            await update_stack(control, CALLER, stack, over)

    told(story)


@pytest.mark.proves("language: custom constraints")
@pytest.mark.parametrize(
    ("kind", "noun"),
    [("cinder.snapshot", "volume snapshot"), ("cinder.backup", "volume backup")],
)
def test_what_the_cloud_keeps_of_volumes_can_be_asked(kind, noun):
    """By one list call each."""

    async def story(control):
        said = await judged(control, kind, "none")
        assert f"The {noun} (none) could not be found." in said

    told(story)


@pytest.mark.proves("language: custom constraints")
def test_a_host_is_one_of_the_clouds():
    """By its name."""

    async def story(control):
        session = control.cloud_named("simulated").session(CALLER.project_id)
        hosts = [each.name for each in await session.hosts()]
        for name in hosts[:1]:
            assert await judged(control, "nova.host", name) is None
        assert "The host (no-such) could not be found." in await judged(
            control, "nova.host", "no-such"
        )

    told(story)
