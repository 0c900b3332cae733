"""`/v2/reconcile`: what the world did since the backup that this Mantle was restored from."""

import msgspec
from litestar import Controller, post
from litestar.params import JSONBody

from mantle.access.policy import enforce
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.api.own.shapes import when
from mantle.plan.reconciling import Deed, Item, Reconciliation, render
from mantle.stacks.reconciling import Choices, Outcome, reconcile, reconciliation

MOST = 10_000
"""Choices in one request."""


class ReconcileItem(msgspec.Struct, kw_only=True):
    """One thing that was seen; the first of its deeds is done unless another is chosen."""

    id: str
    what: str
    project_id: str
    cloud: str
    name: str
    said: str
    details: list[str]
    deeds: list[str]


class ReconcilePlanAnswer(msgspec.Struct, kw_only=True):
    """What differs from the backup, everywhere. `digest` binds an apply to it."""

    backup: str
    taken_at: str
    items: list[ReconcileItem]
    unmarked: int
    digest: str
    rendered: str


class ReconcileBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to be done otherwise than by itself: ids of items, or `all`."""

    digest: str = ""
    correct: list[str] = []
    cancel: list[str] = []
    adopt: list[str] = []
    resume: list[str] = []


class OutcomeOfItem(msgspec.Struct, kw_only=True):
    """What became of one item; `refused` says why not."""

    item: str
    name: str
    deed: str
    operation_id: str
    stack_name: str
    refused: str


class ReconcileAnswer(msgspec.Struct, kw_only=True):
    """The hold is over; what was begun."""

    outcomes: list[OutcomeOfItem]


class ReconcileController(Controller):
    """Of the whole installation."""

    path = "/reconcile"
    tags = ["reconcile"]

    @post("/plan", status_code=200, summary="Compare a restored Mantle with the clouds")
    async def plan(self, control: GivenControl, caller: GivenCaller) -> ReconcilePlanAnswer:
        """Looks at every project's clouds; stores what differs as drift, and changes nothing."""
        enforce(caller, "reconcile:show")
        found = await reconciliation(control)
        return ReconcilePlanAnswer(
            backup=found.backup,
            taken_at=when(found.taken_at) or "",
            items=[_item(each) for each in found.items],
            unmarked=found.unmarked,
            digest=found.digest,
            rendered=rendered(found),
        )

    @post("/apply", status_code=200, summary="Let a restored Mantle work again")
    async def apply(
        self, control: GivenControl, caller: GivenCaller, data: JSONBody[ReconcileBody]
    ) -> ReconcileAnswer:
        """Operations go on, drift policies hold again; what was chosen is begun."""
        enforce(caller, "reconcile:apply")
        _, outcomes = await reconcile(control, caller, _choices(data))
        return ReconcileAnswer(outcomes=[_outcome(each) for each in outcomes])


def rendered(found: Reconciliation) -> str:
    """For people."""
    return render(found, when(found.taken_at) or "")


def _choices(body: ReconcileBody) -> Choices:
    named = {
        "correct": body.correct,
        "cancel": body.cancel,
        "adopt": body.adopt,
        "resume": body.resume,
    }
    chosen = {name: frozenset(ids[:MOST]) - {"all"} for name, ids in named.items()}
    return Choices(
        digest=body.digest,
        everything=frozenset(Deed(name) for name, ids in named.items() if "all" in ids),
        correct=chosen["correct"],
        cancel=chosen["cancel"],
        adopt=chosen["adopt"],
        resume=chosen["resume"],
    )


def _item(item: Item) -> ReconcileItem:
    return ReconcileItem(
        id=item.id,
        what=item.what.value,
        project_id=item.project_id,
        cloud=item.cloud,
        name=item.name,
        said=item.said,
        details=list(item.details),
        deeds=[each.value for each in item.deeds],
    )


def _outcome(outcome: Outcome) -> OutcomeOfItem:
    return OutcomeOfItem(
        item=outcome.item.id,
        name=outcome.item.name,
        deed=outcome.deed.value,
        operation_id=outcome.operation_id,
        stack_name=outcome.stack_name,
        refused=outcome.refused,
    )
