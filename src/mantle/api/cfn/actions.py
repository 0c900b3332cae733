"""The actions of the CFN-compatible API: a table from name to deed and function."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mantle.access.caller import Caller
from mantle.access.policy import allows
from mantle.api.cfn import views
from mantle.api.cfn.xml import as_text
from mantle.api.door import Call
from mantle.api.heat.agents import agent_metadata
from mantle.api.heat.ask import as_bool, as_count
from mantle.model.errors import MantleError, NotFound
from mantle.model.graph import TemplateSource
from mantle.model.records import StackRecord
from mantle.model.status import Cancel
from mantle.stacks.actions import cancel_stack
from mantle.stacks.control import Control
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.fetching import fetch_template
from mantle.stacks.queries import (
    EventQuery,
    ResourceView,
    StackQuery,
    find_stack,
    list_events,
    list_resources,
    list_stacks,
    show_resource,
    stack_outputs,
    stack_parameters,
    stack_source,
)
from mantle.stacks.update import UpdateRequest, update_stack
from mantle.stacks.users import reached, stack_of_user
from mantle.stacks.validate import validate_template
from mantle.template.load import parse

Result = dict[str, Any]

ARN = re.compile(r"arn:openstack:heat::(?P<project>[^:]*):stacks/(?P<name>[^/]*)/(?P<id>[^/]*)")
MEMBER = re.compile(r"(?P<list>\w+)\.member\.(?P<at>\d{1,6})(?:\.(?P<key>\w+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One signed request by a known caller who may make it."""

    control: Control
    call: Call
    caller: Caller
    parameters: Mapping[str, str]

    def needed(self, name: str) -> str:
        """A parameter that must be there."""
        value = self.parameters.get(name)
        if not value:
            raise MantleError(f"The request has no {name}.", fault="MissingParameter")
        return value

    def members(self, name: str) -> list[dict[str, str]]:
        """A list of maps, `Name.member.1.Key`, in order; of plain values under the key ""."""
        found: dict[int, dict[str, str]] = {}
        for parameter, value in self.parameters.items():
            match = MEMBER.fullmatch(parameter)
            if match is not None and match["list"] == name:
                found.setdefault(int(match["at"]), {})[match["key"] or ""] = value
        return [found[at] for at in sorted(found)]

    async def stack(self, *, deleted: bool = False) -> StackRecord:
        """The stack named by its name, id or ARN."""
        named = self.needed("StackName")
        match = ARN.fullmatch(named)
        if match is not None and match["project"] != self.caller.project_id:
            raise NotFound(f"The Stack ({match['name']}) could not be found.")
        wanted = match["id"] if match is not None else named
        return await find_stack(self.control, self.caller.project_id, wanted, deleted=deleted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What is done, what one must be allowed to do for it, and whether it changes anything."""

    perform: Callable[[Query], Awaitable[Result]]
    deed: str
    changes: bool = False
    for_servers: bool = False
    """What servers ask of their metadata: cheap, and asked again until it is answered."""

    @property
    def asks(self) -> bool:
        """Whether it is a question that may be refused while too many wait."""
        return not (self.changes or self.for_servers)


# --- stacks ----------------------------------------------------------------------------------


async def list_all(query: Query) -> Result:
    """ListStacks; StackStatusFilter chooses by full state."""
    wanted = {each.get("", "") for each in query.members("StackStatusFilter")}
    found = await list_stacks(query.control, query.caller.project_id, StackQuery())
    rows = [views.summary(stack) for stack in found if not wanted or stack.state in wanted]
    return {"StackSummaries": rows}


async def describe(query: Query) -> Result:
    """DescribeStacks: one, or all."""
    if query.parameters.get("StackName"):
        found = [await query.stack(deleted=True)]
    else:
        found = await list_stacks(query.control, query.caller.project_id, StackQuery())
    rows = []
    for stack in found:
        outputs = await stack_outputs(query.control, stack)
        parameters = await stack_parameters(query.control, stack)
        rows.append(views.detail(stack, parameters, outputs))
    return {"Stacks": rows}


async def create(query: Query) -> Result:
    """CreateStack."""
    request = CreateRequest(
        name=query.needed("StackName"),
        source=await _source(query),
        disable_rollback=_disable_rollback(query),
        timeout_minutes=_minutes(query),
        tags=_tags(query),
    )
    stack, _ = await create_stack(query.control, query.caller, request)
    return {"StackId": views.stack_arn(stack)}


async def update(query: Query) -> Result:
    """UpdateStack; what is to stay as it was is said by UsePreviousTemplate and -Value."""
    stack = await query.stack()
    kept = query.parameters.get("UsePreviousTemplate", "").lower() == "true"
    entries = query.members("Parameters")
    existing = kept or any(_previous(each) for each in entries)
    source = None if kept else await _source(query)
    request = UpdateRequest(
        template=None if source is None else source.template,
        files={} if source is None else source.files,
        template_name="template" if source is None else source.template_name,
        parameters=_parameters(query),
        existing=existing,
        timeout_minutes=_minutes(query),
        tags=_tags(query) or None,
    )
    await update_stack(query.control, query.caller, stack, request)
    return {"StackId": views.stack_arn(stack)}


async def delete(query: Query) -> Result:
    """DeleteStack."""
    await delete_stack(query.control, query.caller, await query.stack())
    return {}


async def cancel(query: Query) -> Result:
    """CancelUpdateStack: the update is rolled back."""
    await cancel_stack(query.control, query.caller, await query.stack(), Cancel.ROLLBACK)
    return {}


async def template(query: Query) -> Result:
    """GetTemplate: as JSON text."""
    source = await stack_source(query.control, await query.stack(deleted=True))
    text = source.template
    data = parse(text).data if isinstance(text, str) else dict(text)
    return {"TemplateBody": json.dumps(data, default=str)}


async def validate(query: Query) -> Result:
    """ValidateTemplate."""
    source = replace(await _source(query), parameters={})
    report = await validate_template(query.control, query.caller, source, strict=False)
    graph = report.loaded.graph
    rows = [
        {
            "ParameterKey": name,
            "DefaultValue": as_text(each.default) if each.has_default else "",
            "Description": each.description,
            "NoEcho": each.hidden,
        }
        for name, each in graph.parameters.items()
    ]
    return {"Description": graph.description, "Parameters": rows}


async def estimate(query: Query) -> Result:
    """EstimateTemplateCost: the address of a page that says what it costs: nothing here."""
    await validate_template(query.control, query.caller, await _source(query), strict=False)
    return {"Url": "about:blank"}


# --- resources and events --------------------------------------------------------------------


async def events(query: Query) -> Result:
    """DescribeStackEvents, newest first."""
    stack = await query.stack(deleted=True)
    found = await list_events(query.control, stack, EventQuery())
    return {"StackEvents": [views.event(view) for view in found]}


async def resource(query: Query) -> Result:
    """DescribeStackResource: with the metadata that agents poll; a server's own user may ask."""
    name = query.needed("LogicalResourceId")
    if query.caller.is_stack_user:
        named = query.needed("StackName")
        match = ARN.fullmatch(named)
        stack = await stack_of_user(
            query.control, query.caller, match["id"] if match is not None else named
        )
        await reached(query.control, query.caller, stack.name, stack.id, name)
    else:
        stack = await query.stack()
    view = await show_resource(query.control, stack, name)
    secrets = allows(query.caller.roles, "resources:signal")
    metadata = await agent_metadata(query.control, stack, view.record, secrets=secrets)
    detail = views.resource(view, "LastUpdatedTimestamp", metadata=json.dumps(metadata))
    return {"StackResourceDetail": detail}


async def resources(query: Query) -> Result:
    """DescribeStackResources: of a stack, or of the one that holds an object."""
    physical = query.parameters.get("PhysicalResourceId")
    if physical and query.parameters.get("StackName"):
        raise MantleError(
            "Use StackName or PhysicalResourceId, not both.", fault="InvalidParameterCombination"
        )
    if physical:
        found = await _around(query, physical)
    else:
        found = await list_resources(query.control, await query.stack())
    name = query.parameters.get("LogicalResourceId")
    rows = [views.resource(view, "Timestamp") for view in found if name in {None, view.record.name}]
    return {"StackResources": rows}


async def resource_list(query: Query) -> Result:
    """ListStackResources."""
    found = await list_resources(query.control, await query.stack())
    rows = [views.resource(view, "LastUpdatedTimestamp", named=False) for view in found]
    return {"StackResourceSummaries": rows}


async def _around(query: Query, physical: str) -> list[ResourceView]:
    """All resources of the stack of this project in which the object is."""
    project_id = query.caller.project_id
    for stack in await list_stacks(query.control, project_id, StackQuery(show_nested=True)):
        found = await list_resources(query.control, stack)
        if any(view.record.physical_id == physical for view in found):
            return found
    raise NotFound(f"The Resource with PhysicalResourceId {physical[:64]!r} could not be found.")


# --- what requests have in common ------------------------------------------------------------


async def _source(query: Query) -> TemplateSource:
    """TemplateBody, else what TemplateURL leads to, which Heat spells TemplateUrl."""
    parameters = _parameters(query)
    body = query.parameters.get("TemplateBody")
    url = query.parameters.get("TemplateURL") or query.parameters.get("TemplateUrl")
    if body or not url:
        return TemplateSource(template=query.needed("TemplateBody"), parameters=parameters)
    fetched = await fetch_template(query.control, url, {})
    return TemplateSource(
        template=fetched.template,
        files=fetched.files,
        parameters=parameters,
        template_name=fetched.name,
    )


def _parameters(query: Query) -> dict[str, Any]:
    return {
        each["ParameterKey"]: each.get("ParameterValue", "")
        for each in query.members("Parameters")
        if "ParameterKey" in each and not _previous(each)
    }


def _previous(entry: Mapping[str, str]) -> bool:
    return entry.get("UsePreviousValue", "").lower() == "true"


def _disable_rollback(query: Query) -> bool:
    """Two ways to say it, which may not both be used. Heat's default: no rollback."""
    flag = query.parameters.get("DisableRollback")
    failing = query.parameters.get("OnFailure")
    if flag is not None and failing is not None:
        raise MantleError(
            "Use DisableRollback or OnFailure, not both.", fault="InvalidParameterCombination"
        )
    if failing not in {None, "DO_NOTHING", "ROLLBACK"}:
        raise MantleError(
            f"OnFailure {str(failing)[:32]!r} is not known.", remedy="Use DO_NOTHING or ROLLBACK."
        )
    if failing is not None:
        return failing == "DO_NOTHING"
    return True if flag is None else as_bool(flag, "DisableRollback")


def _minutes(query: Query) -> int | None:
    given = query.parameters.get("TimeoutInMinutes")
    return None if given is None else as_count(given, "TimeoutInMinutes")


def _tags(query: Query) -> tuple[str, ...]:
    """A tag here is one word: key and value with an equals sign between."""
    return tuple(
        f"{each.get('Key', '')}={each['Value']}" if each.get("Value") else each.get("Key", "")
        for each in query.members("Tags")
    )


ACTIONS: Mapping[str, Action] = {
    "ListStacks": Action(perform=list_all, deed="stacks:index"),
    "DescribeStacks": Action(perform=describe, deed="stacks:show"),
    "CreateStack": Action(perform=create, deed="stacks:create", changes=True),
    "UpdateStack": Action(perform=update, deed="stacks:update", changes=True),
    "DeleteStack": Action(perform=delete, deed="stacks:delete", changes=True),
    "CancelUpdateStack": Action(perform=cancel, deed="stacks:action", changes=True),
    "GetTemplate": Action(perform=template, deed="stacks:template"),
    "ValidateTemplate": Action(perform=validate, deed="stacks:validate"),
    "EstimateTemplateCost": Action(perform=estimate, deed="stacks:validate"),
    "DescribeStackEvents": Action(perform=events, deed="events:index"),
    "DescribeStackResource": Action(perform=resource, deed="resources:metadata", for_servers=True),
    "DescribeStackResources": Action(perform=resources, deed="resources:index"),
    "ListStackResources": Action(perform=resource_list, deed="resources:index"),
}
