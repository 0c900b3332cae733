"""The engine's limits: one frozen value, read once."""

from dataclasses import dataclass, field

from mantle.lib.outbound import Destinations
from mantle.template.bounds import Bounds
from mantle.template.operator import NOBODY, Operator


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Bounds of what one control plane takes on. Times in seconds."""

    lease_seconds: float = 12.0
    """Where engines share a database: one that is silent for so long is given up, and its
    operations go on elsewhere. It speaks three times as often."""
    drain_seconds: float = 3.0
    """So long an API of several goes on answering after SIGTERM, while `/readyz` says that it
    leaves: long enough for load balancers to see it."""
    operations_at_once: int = 256
    """Of root stacks that one engine of several takes on; more wait in the queue."""
    operations_at_once_per_project: int = 64
    """Of root stacks, on all engines of several together."""
    database_seconds: float = 10.0
    """Where a write to the database waits for so long, new work is refused until it is quicker, and
    engines take no more of what is queued; from a fifth of it on they take less."""
    writes_waiting: int = 1000
    """The same, when so many wait at once."""
    reads_waiting: int = 400
    """Where so many questions wait at once in one process, more are refused."""
    steps_at_once: int = 48
    """Steps of one operation that may talk to a cloud at the same time."""
    step_timeout_seconds: float = 3600.0
    operation_timeout_seconds: float = 3600.0
    """Unless the stack says otherwise (timeout_mins)."""
    plan_lifetime_seconds: float = 86_400.0
    poll_first_seconds: float = 0.1
    poll_most_seconds: float = 1.5
    retry_first_seconds: float = 0.2
    retry_most_seconds: float = 30.0
    action_retry_limit: int = 5
    """How often an object that went wrong while it was made is deleted and made again."""
    again_first_seconds: float = 1.0
    """Before it is made again the first time; each further time twice as long, and jittered."""
    again_most_seconds: float = 60.0
    rounds: int = 5
    """How often an operation plans again after in-place updates, at most."""
    watch_seconds: float = 15.0
    """How often the watchdog looks for what cannot go on; 0: never by itself."""
    hung_seconds: float = 300.0
    """A cloud call that has not come back for so long is told."""
    hook_seconds: float = 3600.0
    """A hook that has held an operation for so long is told."""
    errors_in_a_row: int = 10
    """So many refused calls of one step in a row are told."""
    drift_seconds: float = 600.0
    """How often live state is compared with what operations left; 0: never by itself."""
    drift_history_seconds: float = 30 * 86_400.0
    """How long a finding is kept after its end."""
    events_per_stack: int = 10_000
    """Older ones are forgotten, as far as no operation under way made them."""
    plans_kept_seconds: float = 7 * 86_400.0
    """After they expired."""
    operations_kept_seconds: float = 30 * 86_400.0
    """After they ended; the last of each stack stays."""
    deleted_stacks_kept_seconds: float = 30 * 86_400.0
    """How long a deleted stack is found by its id, with its events."""
    stacks_per_project: int = 512
    """-1 is no limit."""
    operations_per_project: int = 256
    """That have not ended, without those of nested stacks; -1 is no limit."""
    hidden_stack_tags: tuple[str, ...] = ("data-processing-cluster",)
    """Stacks with one of these tags are left out of listings, unless these ask for them."""
    secret_parameters: tuple[str, ...] = ()
    """Names of parameters that count as hidden for what is sealed in the database, though they are
    shown; `*` stands for any text."""
    snapshots_per_stack: int = 32
    allow_export: bool = True
    """Export and abandon give documents that hold a stack's secrets."""
    resources_per_stack: int = 50_000
    """With all that is nested. Heat's default is 1,000; -1 is no limit."""
    bounds: Bounds = field(default_factory=Bounds)
    """Of templates."""
    destinations: Destinations = field(default_factory=Destinations)
    """Where requests to addresses that users name may go: templates by URL, event sinks, other
    Heats. Private networks only when they are listed."""
    operator: Operator = NOBODY
    """The environment under every stack's own."""
