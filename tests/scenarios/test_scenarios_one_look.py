"""What a phase has read at its end is what its attributes are told from: nobody reads it twice."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.model.graph import TemplateSource
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.queries import find_stack, list_resources

ONE = """
heat_template_version: 2018-08-31
resources:
  server: {type: OS::Nova::Server, properties: {flavor: m1.tiny, image: cirros}}
"""


def test_nothing_is_read_twice_in_the_moment_in_which_it_is_found_ready():
    """A server that builds for two seconds is polled; the last poll also tells its attributes."""
    plant = Plant()
    looks = []
    hook = plant.faults.hook

    def noting(moment, call):
        if call == "servers.get":
            looks.append(asyncio.get_running_loop().time())
        return hook(moment, call)

    plant.faults.hook = noting

    async def story(control):
        source = TemplateSource(template=ONE)
        await create_stack(control, CALLER, CreateRequest(name="s", source=source))
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        (row,) = await list_resources(control, stack)
        assert row.record.attributes["show"]["status"] == "ACTIVE"

    assert plant.life(story)
    assert len(looks) > 1
    assert len(set(looks)) == len(looks)
