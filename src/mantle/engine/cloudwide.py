"""What is the cloud's, and no project's, is made by administrators only.

Where a cloud's own log-in serves many projects it may be able to do more than any of their users.
Everything that is going to be made is in a plan, also of stacks inside others whose templates are
known only at run time; so each plan is asked for whom it is.
"""

from mantle.access.policy import allows
from mantle.engine.machine import Machine
from mantle.model.errors import Forbidden
from mantle.model.plan import Plan, StepKind
from mantle.model.policies import Asker

MAKING = frozenset({StepKind.CREATE, StepKind.ADOPT, StepKind.UPDATE, StepKind.RESTORE})


def refuse_cloudwide(machine: Machine, plan: Plan, asker: Asker) -> None:
    """Raise `Forbidden` where who is no administrator would make something of the cloud's.

    Nobody is Mantle itself, which makes nothing that was not asked for before.
    """
    if not asker.user_id or allows(asker.roles, "types:cloudwide"):
        return
    known = machine.registry.types
    wanted = sorted(
        {
            step.resource_type
            for step in plan.steps
            if step.kind in MAKING
            and step.resource_type in known
            and known[step.resource_type].facts.admin_only
        }
    )
    if wanted:
        raise Forbidden(
            f"You are not authorized to use {', '.join(wanted)}: what it makes is the cloud's, "
            "not a project's.",
            remedy="Leave it out, or ask an administrator to make the stack.",
        )
