"""Asks the policy rules about a move, and refuses what a `deny` rule denies.

A refusal names the rule, where its expression is written, and the resource's line in the template
it leaves.
"""

import time
from collections.abc import Sequence

from mantle.engine.operation import computed
from mantle.engine.placing import denied, verdicts_placed
from mantle.model.policies import Asker
from mantle.model.records import StackRecord
from mantle.plan.moving_rules import Mover, judge_move
from mantle.plan.policy import denials
from mantle.stacks.control import Control
from mantle.store import policies as policy_rows
from mantle.template.loaded import Loaded


async def ask_rules(
    control: Control,
    source: StackRecord,
    loaded: Loaded,
    movers: Sequence[Mover],
    asker: Asker,
) -> list[str]:
    """What the rules warn of, for people; raises `Denied` with every denial."""
    rules = await control.database.read(policy_rows.applicable, source.project_id)
    if not rules:
        return []
    now = control.clock.now()
    size = 300 * len(movers)
    found = await computed(size, judge_move, rules, movers, asker, now, time.perf_counter)
    verdicts = await verdicts_placed(control.machine, source, loaded, found)
    if denials(verdicts):
        raise denied(verdicts)
    return [str(verdict) for verdict in verdicts]
