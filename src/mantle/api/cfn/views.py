"""Records as CloudFormation shows them: pure functions from a record to plain data."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mantle.api.cfn.xml import as_text
from mantle.api.heat.views import when
from mantle.model.records import StackRecord
from mantle.stacks.queries import EventView, OutputView, ResourceView
from mantle.template.cfn.shape import arn

Data = dict[str, Any]


def stack_arn(stack: StackRecord) -> str:
    """What CloudFormation calls a stack's id."""
    return arn(stack.project_id, stack.name, stack.id)


def summary(stack: StackRecord) -> Data:
    """A row of ListStacks."""
    row = {
        "CreationTime": when(stack.created_at),
        "LastUpdatedTime": when(stack.updated_at or stack.created_at),
        "StackId": stack_arn(stack),
        "StackName": stack.name,
        "StackStatus": stack.state,
        "StackStatusReason": stack.reason,
        "TemplateDescription": stack.description,
    }
    if stack.deleted_at is not None:
        row["DeletionTime"] = when(stack.deleted_at)
    return row


def detail(
    stack: StackRecord, parameters: Mapping[str, str], outputs: Sequence[OutputView]
) -> Data:
    """A stack of DescribeStacks."""
    row: Data = {
        "CreationTime": when(stack.created_at),
        "Description": stack.description,
        "DisableRollback": stack.disable_rollback,
        "StackId": stack_arn(stack),
        "StackName": stack.name,
        "StackStatus": stack.state,
        "StackStatusReason": stack.reason,
        "Capabilities": [],
        "NotificationARNs": [],
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
        "Outputs": [
            {
                "OutputKey": output.name,
                "OutputValue": as_text(output.value) if output.value is not None else "",
                "Description": output.description or output.error,
            }
            for output in outputs
        ],
        "Tags": [_tag(tag) for tag in stack.tags],
    }
    if stack.updated_at is not None:
        row["LastUpdatedTime"] = when(stack.updated_at)
    if stack.timeout_minutes is not None:
        row["TimeoutInMinutes"] = stack.timeout_minutes
    return row


def _tag(tag: str) -> Data:
    key, _, value = tag.partition("=")
    return {"Key": key, "Value": value}


def resource(
    view: ResourceView, updated: str, *, metadata: str | None = None, named: bool = True
) -> Data:
    """A resource; `updated` is what the action calls the time of the last change."""
    record = view.record
    row: Data = {
        updated: when(record.updated_at or record.created_at),
        "LogicalResourceId": record.name,
        "PhysicalResourceId": record.physical_id or "",
        "ResourceStatus": record.state,
        "ResourceStatusReason": record.reason,
        "ResourceType": record.type,
    }
    if named:
        row["StackId"] = stack_arn(view.stack)
        row["StackName"] = view.stack.name
    if metadata is not None:
        row["Metadata"] = metadata
    return row


def event(view: EventView) -> Data:
    """A row of DescribeStackEvents."""
    told = view.event
    return {
        "EventId": told.id,
        "LogicalResourceId": told.resource,
        "PhysicalResourceId": told.physical_id or "",
        "ResourceProperties": json.dumps({}),
        "ResourceStatus": f"{told.action}_{told.status}",
        "ResourceStatusReason": told.reason,
        "ResourceType": told.resource_type,
        "StackId": stack_arn(view.stack),
        "StackName": view.stack.name,
        "Timestamp": when(told.at),
    }
