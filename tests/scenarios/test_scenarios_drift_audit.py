"""How old knowledge of drift is, and where drift is shown."""

import asyncio
import dataclasses
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).parent))

from test_scenarios_drift import made, rows, told

from mantle.clouds.ports import CloudError
from mantle.model.drift import Blind
from mantle.stacks.drift import list_drift, look
from mantle.stacks.drift_views import stack_drift

TWO = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net, properties: {name: inner}}
  other: {type: OS::Neutron::Net, properties: {name: outer}}
"""


@pytest.mark.proves("beyond: drift is as old as its last look")
def test_a_list_that_fails_does_not_make_old_knowledge_look_new():
    """The stack says since when a type was not seen; the next good look says nothing of it."""

    async def story(control):
        stack = await made(control, TWO)
        first = await look(control, stack.project_id, stack.cloud)
        await asyncio.sleep(100)

        def down(moment, call):
            if call == "networks.list":
                raise CloudError("503")

        control.clouds["simulated"].faults.hook = down
        await look(control, stack.project_id, stack.cloud)
        seen = (await list_drift(control, stack))[1]
        missed = {"OS::Neutron::Net": Blind(since=first.looked_at, reason="503")}
        assert (seen.looked_at, seen.blind) == (first.looked_at, missed)
        await asyncio.sleep(100)
        await look(control, stack.project_id, stack.cloud)
        assert (await list_drift(control, stack))[1].blind == missed
        control.clouds["simulated"].faults.hook = None
        again = await look(control, stack.project_id, stack.cloud)
        seen = (await list_drift(control, stack))[1]
        assert (seen.looked_at, seen.blind) == (again.looked_at, {})

    told(story)


@pytest.mark.proves("beyond: drift of nested stacks")
def test_a_stack_shows_what_differs_in_the_stacks_inside():
    """With the way that leads to it."""

    async def story(control):
        stack = await made(control)
        session = control.machine.session(stack)
        member = (await rows(control, stack))["3"].physical_id
        spec = (await session.networks.get(member)).spec
        await session.networks.update(member, dataclasses.replace(spec, name="x"))
        await look(control, stack.project_id, stack.cloud)
        views, _ = await stack_drift(control, stack)
        where = [(view.stack_name, view.within, view.finding.difference.path) for view in views]
        assert where == [("s", "members", "name")]

    told(story)
