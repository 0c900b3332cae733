"""OS::Heat::SoftwareDeployment and OS::Heat::StructuredDeployment: run a config on a server.

Each action that deploys stores what the server's agent polls for, a derived config and a deployment
(`deriving.py`), and waits until the agent has answered: by a signal in the form that the transport
asks for, or by a change of the deployment over the API. The derived config's id comes from the
row, the action and when the phase began, so that a phase that is called again, after a crash too,
finds what it has deployed and does not deploy it twice.
"""

import functools
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mantle.model.schema import AllowedValues, Kind, Property, ResourceSchema, TypeFacts
from mantle.model.software import DEPLOYMENT, SoftwareConfig, SoftwareDeployment
from mantle.resources.heat.deriving import (
    OUTPUTS,
    MissingInput,
    applies,
    filled,
    for_action,
    judged,
    renewing,
    substituted,
)
from mantle.resources.heat.signalled import LOOK_AGAIN_SECONDS, TEMP_URL_SECONDS
from mantle.resources.kit import (
    Context,
    Done,
    Failed,
    Outcome,
    Replace,
    ResourceType,
    Software,
    Wait,
)
from mantle.resources.schemas import listing, mapping, schema, string

NAMESPACE = uuid.UUID("5d1e1f0a-8f0e-4f3c-9d52-6d616e746c65")
ACTIONS = ("CREATE", "UPDATE", "DELETE", "SUSPEND", "RESUME")
TRANSPORTS = ("CFN_SIGNAL", "TEMP_URL_SIGNAL", "HEAT_SIGNAL", "NO_SIGNAL", "ZAQAR_SIGNAL")

OUTPUTS_KEY, RENEWING = "outputs", "renewing"
"""In a row's data: what the last answer held; and the inputs whose change asks for another one."""

NO_QUEUES = (
    "ZAQAR_SIGNAL needs a message queue, which no cloud here has. "
    "Use CFN_SIGNAL, TEMP_URL_SIGNAL or HEAT_SIGNAL."
)
NO_ACCOUNTS = "HEAT_SIGNAL needs a user of the stack, and accounts are kept in another Keystone."

PROPERTIES: Mapping[str, Property] = {
    "config": string("The config to run, by get_resource or id.", update=True),
    "input_values": mapping("Values for the config's inputs.", update=True),
    "actions": listing(
        "The actions in which it is run.",
        default=["CREATE", "UPDATE"],
        constraints=(AllowedValues(allowed=ACTIONS),),
        update=True,
    ),
    "name": string("The name of what is deployed.", update=True),
    "signal_transport": string(
        "How the server's agent answers.", default="CFN_SIGNAL", allowed=TRANSPORTS
    ),
}
STRUCTURED: Mapping[str, Property] = {
    "input_key": string("The key that marks where an input goes.", default="get_input"),
    "input_values_validate": string(
        "Whether an input without a value is null or a failure.",
        default="LAX",
        allowed=("LAX", "STRICT"),
    ),
}
SERVER = string("The server, by get_resource.", required=True)
ATTRIBUTES = {
    "deploy_stdout": (Kind.STRING, "What it printed."),
    "deploy_stderr": (Kind.STRING, "What it printed to its standard error."),
    "deploy_status_code": (Kind.STRING, "Its exit status."),
}


def check(properties: Mapping[str, Any]) -> list[str]:
    """A transport that needs a service which no cloud behind the port has is refused."""
    if properties.get("signal_transport") != "ZAQAR_SIGNAL":
        return []
    return [f"signal_transport: {NO_QUEUES}"]


def hands_account(properties: Mapping[str, Any]) -> bool:
    """Only HEAT_SIGNAL tells the account of the row."""
    return properties.get("signal_transport") == "HEAT_SIGNAL"


# --- what is deployed ------------------------------------------------------------------------


def own_inputs(ctx: Context, action: str) -> dict[str, str]:
    """Which deployment it is, and how to answer."""
    ref, transport = ctx.ref, ctx.properties["signal_transport"]
    own = {
        "deploy_server_id": str(ctx.properties["server"]),
        "deploy_action": action,
        "deploy_stack_id": f"{ref.stack_name}/{ref.stack_id}",
        "deploy_resource_name": ref.name,
        "deploy_signal_transport": transport,
    }
    match transport:
        case "CFN_SIGNAL":
            own["deploy_signal_id"] = ctx.callbacks.cfn_url(ref, "signal", ctx.started_at)
            own["deploy_signal_verb"] = "POST"
        case "TEMP_URL_SIGNAL":
            ends = ctx.started_at + TEMP_URL_SECONDS
            own["deploy_signal_id"] = ctx.callbacks.temp_url(ref, ends)
            own["deploy_signal_verb"] = "PUT"
        case "HEAT_SIGNAL":
            user = ctx.callbacks.user(ref)
            assert user is not None, "asked before anything is deployed"
            own |= {
                "deploy_auth_url": user.auth_url,
                "deploy_username": user.name,
                "deploy_user_id": user.user_id,
                "deploy_password": user.password,
                "deploy_project_id": user.project_id,
                "deploy_region_name": user.region,
            }
    return own


@dataclass(frozen=True, slots=True)
class Stage:
    """One action of one phase on the server."""

    ctx: Context
    config: SoftwareConfig
    action: str

    @property
    def software(self) -> Software:
        """Where it is stored."""
        assert self.ctx.software is not None, "the engine gives it to every phase"
        return self.ctx.software

    @property
    def config_id(self) -> str:
        """The same whenever this stage is looked at."""
        ref = self.ctx.ref
        return str(uuid.uuid5(NAMESPACE, f"{ref.id}:{self.action}:{self.ctx.started_at!r}"))

    def derived(self, structured: bool) -> SoftwareConfig:
        """The config as the agent is given it."""
        ctx, wanted = self.ctx, self.ctx.properties
        values = wanted.get("input_values") or {}
        inputs = filled(self.config.inputs, values, own_inputs(ctx, self.action))
        group, text = for_action(self.config, self.action)
        if structured:
            text = substituted(
                text,
                {entry["name"]: entry["value"] for entry in inputs},
                wanted["input_key"],
                strict=wanted["input_values_validate"] == "STRICT",
            )
        return replace(
            self.config,
            id=self.config_id,
            project_id=ctx.ref.project_id,
            name=wanted.get("name") or ctx.name_hint,
            group=group,
            config=text,
            inputs=tuple(inputs),
            created_at=ctx.now,
        )

    async def begin(self, structured: bool) -> SoftwareDeployment:
        """Have it stored; what was stored before is left as it is."""
        ctx = self.ctx
        found = await self.software.deployment(ctx.ref.id)
        if found is not None and found.config_id == self.config_id:
            return found
        silent = ctx.properties["signal_transport"] == "NO_SIGNAL"
        user = ctx.callbacks.user(ctx.ref)
        deployment = SoftwareDeployment(
            id=ctx.ref.id,
            project_id=ctx.ref.project_id,
            config_id=self.config_id,
            server_id=str(ctx.properties["server"]),
            stack_user_project_id=user.project_id if user else "",
            action=self.action,
            status="COMPLETE" if silent else "IN_PROGRESS",
            status_reason="Not waiting for outputs signal" if silent else "Deploy data available",
            input_values=ctx.properties.get("input_values") or {},
            output_values=found.output_values if found else {},
            created_at=ctx.now,
            updated_at=ctx.now if found else None,
        )
        await self.software.deploy(self.derived(structured), deployment)
        return deployment

    async def hear(self, told: SoftwareDeployment, body: Mapping[str, Any]) -> SoftwareDeployment:
        """Store what the agent says; only the first answer to what is in progress counts."""
        answer = judged(body, self.config.outputs)
        ended = replace(
            told,
            status="FAILED" if answer.failure else "COMPLETE",
            status_reason=answer.failure or "Outputs received",
            output_values={**told.output_values, **answer.outputs},
            updated_at=self.ctx.now,
        )
        stored = await self.software.config(told.config_id)
        assert stored is not None, "a deployment's config goes only with it"
        await self.software.deploy(stored, ended)
        return ended


# --- phases ----------------------------------------------------------------------------------


async def config_of(ctx: Context) -> SoftwareConfig | None:
    """The config to deploy: an empty one when none is named, None when it is gone."""
    assert ctx.software is not None, "the engine gives it to every phase"
    named = ctx.properties.get("config")
    if named:
        return await ctx.software.config(str(named))
    return SoftwareConfig(
        id="", project_id=ctx.ref.project_id, name=ctx.name_hint, created_at=ctx.now
    )


async def deploy(ctx: Context, action: str, *, structured: bool) -> Outcome:
    """One action, until the agent has answered; done at once where it is not run for that."""
    config = await config_of(ctx)
    if config is None:
        return Failed(
            reason=f"There is no software config {ctx.properties['config']!r} in this project.",
            remedy="Name one by get_resource, or make it with `openstack software config create`.",
        )
    if ctx.properties["signal_transport"] == "HEAT_SIGNAL" and ctx.callbacks.user(ctx.ref) is None:
        return Failed(reason=NO_ACCOUNTS, remedy="Use CFN_SIGNAL or TEMP_URL_SIGNAL.")
    values = ctx.properties.get("input_values") or {}
    data = {**ctx.ref.data, DEPLOYMENT: ctx.ref.id, RENEWING: renewing(config.inputs, values)}
    if not applies(config, action, ctx.properties["actions"]):
        return Done(physical_id=ctx.ref.id, data=data)
    return await run(Stage(ctx, config, action), data, structured=structured)


async def run(stage: Stage, data: Mapping[str, Any], *, structured: bool) -> Done | Failed | Wait:
    """One action: stored, and waited for."""
    ctx = stage.ctx
    try:
        told = await stage.begin(structured)
    except MissingInput as error:
        return Failed(
            reason=str(error),
            remedy="Give it in input_values, or set input_values_validate to LAX.",
        )
    if told.status == "IN_PROGRESS" and ctx.signals:
        told = await stage.hear(told, ctx.signals[0].body)
    known = {**data, OUTPUTS_KEY: dict(told.output_values)}
    match told.status:
        case "COMPLETE":
            return Done(physical_id=ctx.ref.id, data=known)
        case "FAILED":
            return Failed(
                reason=f"Deployment to server failed: {told.status_reason}",
                remedy="See what it printed with `openstack software deployment output show`.",
                physical_id=ctx.ref.id,
                data=known,
            )
        case _:
            return Wait(
                reason=f"the agent of server {told.server_id} has not answered {stage.action}",
                again_after_seconds=LOOK_AGAIN_SECONDS,
                physical_id=ctx.ref.id,
                data=known,
                idle=True,
            )


async def break_off(ctx: Context) -> None:
    """As in Heat: whoever looks at the deployment sees that its answer counts no more."""
    assert ctx.software is not None, "the engine gives it to every phase"
    found = await ctx.software.deployment(ctx.ref.id)
    if found is None or found.status != "IN_PROGRESS":
        return
    config = await ctx.software.config(found.config_id)
    assert config is not None, "a deployment's config goes only with it"
    over = replace(
        found, status="FAILED", status_reason="Deployment cancelled.", updated_at=ctx.now
    )
    await ctx.software.deploy(config, over)


async def update(ctx: Context, *, structured: bool) -> Outcome:
    """Run for UPDATE; another deployment takes its place when an input asks for that, as in Heat.

    The new one is run for CREATE; then the old one, with its own values, for DELETE.
    """
    config = await config_of(ctx)
    before = ctx.ref.data.get(RENEWING)
    values = ctx.properties.get("input_values") or {}
    if config is not None and before is not None:
        after = renewing(config.inputs, values)
        changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        if changed:
            names = ", ".join(sorted(changed))
            return Replace(reason=f"the input {names} changes, and has replace_on_change")
    return await deploy(ctx, "UPDATE", structured=structured)


async def delete(ctx: Context, *, structured: bool) -> Outcome:
    """Run for DELETE where that was asked for; then nothing of it is left."""
    assert ctx.software is not None, "the engine gives it to every phase"
    was_made = DEPLOYMENT in ctx.ref.data
    if was_made and await config_of(ctx) is not None:
        outcome = await deploy(ctx, "DELETE", structured=structured)
        if not isinstance(outcome, Done):
            return outcome
    await ctx.software.withdraw(ctx.ref.id)
    return Done()


async def attributes(ctx: Context) -> Mapping[str, Any]:
    """What the last run answered; null before it has."""
    return {**dict.fromkeys(OUTPUTS), **ctx.ref.data.get(OUTPUTS_KEY, {})}


# --- the types -------------------------------------------------------------------------------

Run = Callable[[Context], Awaitable[Outcome]]


def deployment_type(kind: ResourceSchema, *, structured: bool) -> ResourceType:
    """A type of deployments."""

    def on(action: str) -> Run:
        return functools.partial(deploy, action=action, structured=structured)

    return ResourceType(
        facts=TypeFacts(schema=kind, check_properties=check, open_attributes=True),
        create=on("CREATE"),
        update=functools.partial(update, structured=structured),
        delete=functools.partial(delete, structured=structured),
        suspend=on("SUSPEND"),
        resume=on("RESUME"),
        attributes=attributes,
        break_off=break_off,
        hears_itself=True,
        hands_account=hands_account,
    )


TYPE = deployment_type(
    schema(
        "OS::Heat::SoftwareDeployment",
        "Runs a software config on a server, and waits for its answer.",
        {**PROPERTIES, "server": SERVER},
        ATTRIBUTES,
        takes_signals=True,
        since="2014.1",
    ),
    structured=False,
)
STRUCTURED_TYPE = deployment_type(
    schema(
        "OS::Heat::StructuredDeployment",
        "Runs a structured config on a server, its inputs put in place.",
        {**PROPERTIES, **STRUCTURED, "server": SERVER},
        ATTRIBUTES,
        takes_signals=True,
        since="2014.1",
    ),
    structured=True,
)
