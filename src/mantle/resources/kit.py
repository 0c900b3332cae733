"""What a resource type is made of.

A type is a value: a schema and a few functions. Each *phase* (create, update, delete, check, …) is
an async function the engine calls again and again until its outcome ends it; between calls the
engine keeps nothing but the `Ref`, which is durable. A phase is therefore safe to call again after
a crash at any line: it looks before it acts, and a delete of something absent is done.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from mantle.clouds.ports import Collection, FarStacks, Refused, Session
from mantle.model.event import Signal
from mantle.model.ids import ProjectId, ResourceId, StackId, Token, UserId
from mantle.model.schema import ResourceSchema, TypeFacts
from mantle.model.software import SoftwareConfig, SoftwareDeployment

if TYPE_CHECKING:
    from mantle.resources.inverse import Inverse


class Ref(Struct, frozen=True, kw_only=True):
    """What is durably known about one resource row."""

    id: ResourceId
    name: str
    """In the template."""
    stack_id: StackId
    stack_name: str
    project_id: ProjectId
    token: Token
    """Durable before the first call; the cloud knows the resource by it."""
    physical_id: str | None = None
    data: Mapping[str, Any] = {}
    """The type's private notes, JSON. Secrets belong here and are never shown."""
    root_id: StackId | None = None
    """Of the outermost stack around it; None when that is `stack_id`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackUser:
    """The account that a resource's row stands for: it may show and signal that resource only."""

    user_id: UserId
    name: str
    password: str = field(repr=False)
    project_id: ProjectId
    auth_url: str
    domain_id: str
    region: str


class Callbacks(Protocol):
    """How a resource can be called back from outside: addresses and accounts, all derived.

    Making one stores nothing, so that a phase may ask again and again and gets the same.
    """

    def signal_url(self, ref: Ref) -> str:
        """Pre-authorised: whoever holds it may signal this resource, and nothing else."""
        ...

    def token(self, resource_id: ResourceId) -> str:
        """The secret inside `signal_url`, for types that hand it out separately."""
        ...

    def cfn_url(self, ref: Ref, kind: str, at: float) -> str:
        """Signed as EC2 requests are; `kind` is waitcondition (PUT) or signal (POST)."""
        ...

    def temp_url(self, ref: Ref, expires_at: float) -> str:
        """A signed URL to PUT to until then, as an object store's."""
        ...

    def heat_url(self, ref: Ref) -> str:
        """Where Heat's API takes a signal of the resource's user."""
        ...

    def collect_url(self, ref: Ref) -> str:
        """Signed, to GET: the resource's metadata, as an agent in the server reads it."""
        ...

    def user(self, ref: Ref) -> StackUser | None:
        """The resource's account; None when accounts are kept in another Keystone."""
        ...

    def access_key(self, ref: Ref) -> tuple[str, str]:
        """Id and secret of the resource's EC2 key."""
        ...

    @property
    def cfn_root(self) -> str:
        """The address of the CFN-compatible API."""
        ...


class Software(Protocol):
    """Software configurations and deployments of the project, as servers' agents read them."""

    async def config(self, config_id: str) -> SoftwareConfig | None:
        """A stored one, or what a resource whose type `holds_config` holds."""
        ...

    async def deployment(self, deployment_id: str) -> SoftwareDeployment | None:
        """As it is now: an agent may have reported."""
        ...

    async def deploy(self, config: SoftwareConfig, deployment: SoftwareDeployment) -> None:
        """Store both; a deployment of that id is replaced, and the config it had is dropped."""
        ...

    async def withdraw(self, deployment_id: str) -> None:
        """Drop a deployment and its config; nothing happens when it is not there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What a type that contains other resources may read about them."""

    refs: Mapping[str, str]
    """Member name to reference id, in order."""
    attributes: Mapping[str, Mapping[str, Any]]
    """Member name to its attributes."""
    outputs: Mapping[str, Any]
    """The child stack's outputs."""
    output_errors: Mapping[str, str] = field(default_factory=dict)
    """Why an output has no value, by its name."""
    definitions: Mapping[str, Any] = field(default_factory=dict)
    """Member name to the definition it was last brought to, where the child's template is data."""
    unwell: frozenset[str] = frozenset()
    """Members whose last deed failed."""


NO_TOKEN = Token("")


async def no_far(_: Mapping[str, Any]) -> FarStacks:
    """For places from which no other Heat is reached."""
    raise Refused("Other Heats are not reached from here.")


def nothing_given() -> tuple[Mapping[str, str], Mapping[str, Any]]:
    """For phases that need neither files nor environment."""
    return {}, {}


async def no_config_text(_: str) -> str | None:
    """For places without stored software configs."""
    return None


class Context(Struct, frozen=True, kw_only=True):
    """All that a phase may use. Time and randomness are arguments."""

    ref: Ref
    properties: Mapping[str, Any]
    """Resolved, coerced, defaults filled in."""
    before: Mapping[str, Any] = {}
    """The stored properties, in an update; empty otherwise."""
    metadata: Mapping[str, Any] = {}
    cloud: Session
    fresh: bool = False
    """True when no call for this token can have been made yet: looking first may be skipped."""
    now: float
    """Seconds since the epoch."""
    started_at: float
    """When this phase was begun, durable: a wait's deadline is counted from here."""
    random: Callable[[int], bytes]
    """n random bytes, cryptographically strong outside simulations."""
    signals: tuple[Signal, ...] = ()
    """Oldest first. For a type that `hears_itself`: those received since the phase began. For a
    type with `signals_from`: all that the row named there ever received."""
    callbacks: Callbacks
    name_hint: str
    """`{stack}-{resource}-{12 random characters}`: the physical name when none is asked for.
    Durable: the same in every phase of one row."""
    update_policy: Mapping[str, Any] = {}
    """The definition's `update_policy`, resolved; defaults are not filled in."""
    far: Callable[[Mapping[str, Any]], Awaitable[FarStacks]] = no_far
    """(`context` of an OS::Heat::Stack) -> the Heat there, with the credentials it names."""
    given: Callable[[], tuple[Mapping[str, str], Mapping[str, Any]]] = nothing_given
    """The files and the environment the stack was given, for a stack of another Heat."""
    family: Family | None = None
    """What the child stack holds now, for a type that delegated before; None without a child."""
    drifted: Mapping[str, Any] = {}
    """In an update that brings back what was changed beside us: the fields of the object, and
    `status`, that are not as they were left though the properties are, with what they were."""
    keep_token: Token = NO_TOKEN
    """In a snapshot phase: what the cloud is to know the copy by. Durable, and another one for
    each snapshot."""
    kept: Mapping[str, Any] = {}
    """In a restore phase: what the snapshot phase answered as `kept`."""
    seen: Any = None
    """For attributes, right after a phase: the object as that read it, or None."""
    leaving: bool = False
    """In a snapshot phase: the object is to be deleted next, as its deletion policy asks."""
    config_text: Callable[[str], Awaitable[str | None]] = no_config_text
    """The text of the software config with this id, or None when there is no such config in the
    project. An id is a stored config's, or the row id of a resource whose type `holds_config`:
    the text is then that row's attribute `config`."""
    software: Software | None = None
    """None where nothing is deployed: in previews."""


# --- outcomes --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The phase has reached its end. None leaves what was known."""

    physical_id: str | None = None
    data: Mapping[str, Any] | None = None
    note: str = ""
    """Becomes the status reason, for a success worth a word."""
    kept: Mapping[str, Any] | None = None
    """Of a snapshot phase: what the restore phase will need, such as the backup's id."""
    seen: Any = field(default=None, compare=False, repr=False)
    """The object as the phase last read it, when it did nothing to it since: its attributes are
    told from this. None has them look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Not yet; call again. What is given is stored durably before the next call."""

    reason: str
    """`server is BUILDING`; shown while it waits."""
    again_after_seconds: float | None = None
    """None lets the engine choose, with backoff."""
    physical_id: str | None = None
    data: Mapping[str, Any] | None = None
    idle: bool = False
    """Nothing is done meanwhile, here or in a cloud; it is waited for a signal, or for the clock.
    Such a wait is given up at once when its operation is cancelled, while a deed is finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It will not work. The reason names what, where and why; the remedy what to do."""

    reason: str
    remedy: str = ""
    physical_id: str | None = None
    data: Mapping[str, Any] | None = None
    in_error: bool = False
    """The object was made and went wrong in the cloud: another one may fare better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """Of an update phase that has touched nothing: the values ask for another resource instead.

    For what properties alone do not tell, so that the plan could not say it (see
    `TypeFacts.replace_when`). The operation plans again, and makes the new one before it deletes
    the old one.
    """

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegate:
    """The deed is a stack of its own. The engine starts it and waits for its end.

    The child's id becomes the physical id; `family_attributes` become the attributes. Suspend,
    resume, check and delete of the row are those of the child stack, and need no phase.
    """

    template: str | Mapping[str, Any]
    files: Mapping[str, str] = field(default_factory=dict)
    """Besides the parent's files, which the child sees as well."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] | None = None
    """The row's private notes, stored with the intent. None leaves what was known."""
    cloud: str = ""
    """The configured cloud or region it is made on; empty: its parent's."""
    timeout_minutes: int | None = None
    """What its operation may take, when less than what its parent's has left."""
    batch_size: int = 0
    """Members at once in a create or update (0: no limit), for rolling policies."""
    pause_seconds: float = 0.0
    last: bool = True
    """False for one round of several: the phase is called again when it has ended well."""
    rest_seconds: float = 0.0
    """After a round that is not the last."""


Outcome = Done | Wait | Failed | Delegate | Replace
Phase = Callable[[Context], Awaitable[Outcome]]
Forget = Callable[[Session, Token, Mapping[str, Any]], Awaitable[Done | Wait | Failed]]
"""(project's view of the cloud, token of the copy, what was kept) -> whether the copy is gone."""


async def not_asked(_: Context) -> Outcome:
    """For types without a cloud object: nothing to do."""
    return Done()


async def check_unsupported(_: Context) -> Outcome:
    """Heat's answer for types that cannot be checked."""
    return Done(note="CHECK not supported for this type; taken as healthy.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    """A resource type: its schema and what it does. Everything but `create` has a default."""

    facts: TypeFacts
    create: Phase
    update: Phase = not_asked
    delete: Phase = not_asked
    check: Phase = check_unsupported
    suspend: Phase = not_asked
    resume: Phase = not_asked
    snapshot: Phase = not_asked
    """Keeps what the object holds, where the type has `forget`; otherwise nothing is asked."""
    restore: Phase = not_asked
    """Puts back what `snapshot` kept, into the object there is now."""
    forget: Forget | None = None
    """Deletes what `snapshot` kept; called again until it is gone."""
    attributes: Callable[[Context], Awaitable[Mapping[str, Any]]] | None = None
    """Read after every phase that ends well, and stored: templates read the stored values. The
    context's `ref` has then the physical id and data that the outcome gave."""
    live: Callable[[Session], Collection[Any, Any]] | None = None
    """Where its objects are listed, all at once; for what is looked for in bulk."""
    twin_of: str = ""
    """The type under which its objects are listed where all of a project's are."""
    inverse: "Inverse | None" = None
    """How the properties that ask for an object are read back from it."""
    family_attributes: Callable[[Context, Family], Mapping[str, Any]] | None = None
    """For types that delegate."""
    reference: Callable[[Ref], str] = field(default=lambda ref: ref.physical_id or ref.name)
    """What get_resource gives."""
    needs_no_cloud: bool = False
    """True when its phases make no outside call: the engine then skips the separate intent."""
    accepts_signal: Callable[[Ref, Mapping[str, Any], Mapping[str, Any]], str | None] | None = None
    """(ref, properties, body) -> why a signal is refused, or None. Pure; only with
    `schema.takes_signals`."""
    signals_from: Callable[[Mapping[str, Any]], ResourceId | None] | None = None
    """(properties) -> the row whose signals its phases read: a wait condition's handle. The row
    may belong to another stack of the same project. A signal to that row wakes this one."""
    break_off: Callable[[Context], Awaitable[None]] | None = None
    """Called when a wait of one of its phases is given up, maybe more than once: nobody will hear
    the answer any more."""
    hears_itself: bool = False
    """Its phases wait for signals to the row itself, whatever is being done to it."""
    elsewhere: Callable[[Mapping[str, Any]], bool] = field(default=lambda _: False)
    """(properties) -> whether a type that contains resources has its phases do the deed itself:
    the stack is another Heat's."""
    hands_account: Callable[[Mapping[str, Any]], bool] | None = None
    """(properties) -> whether the row hands out an account of its own, which is made before its
    phases where another Keystone keeps accounts, and deleted with the row. None: it never does."""
    holds_config: bool = False
    """Its physical id is its row id, and its attribute `config` a text for `config_text`."""

    @property
    def schema(self) -> ResourceSchema:
        """Its properties and attributes."""
        return self.facts.schema
