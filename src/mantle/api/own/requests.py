"""Bodies of `/v2` as what the verbs take."""

from typing import TypeVar

import msgspec

from mantle.api.door import JSON_DEPTH, depth_exceeds
from mantle.api.own.shapes import ChangeBody, PlanBody, StackBody
from mantle.model.errors import MantleError
from mantle.model.graph import TemplateSource
from mantle.stacks.control import Control
from mantle.stacks.create import CreateRequest
from mantle.stacks.fetching import fetch_template
from mantle.stacks.update import UpdateRequest

BodyT = TypeVar("BodyT", bound=msgspec.Struct)


async def with_template(control: Control, body: BodyT) -> BodyT:
    """The body with the text that its `template_url` leads to; a template that was sent wins."""
    url, template, files = (getattr(body, name) for name in ("template_url", "template", "files"))
    if not url or template is not None:
        return body
    fetched = await fetch_template(control, url, files)
    return msgspec.structs.replace(
        body,
        template=fetched.template,
        template_url="",
        template_name=fetched.name,
        files=dict(fetched.files),
    )


def create_request(body: StackBody) -> CreateRequest:
    """A stack to create."""
    _check_depth(body)
    if body.template is None:
        raise MantleError("No template specified", remedy="Send `template`, or `template_url`.")
    return CreateRequest(
        name=body.stack_name,
        source=_source(body, body.template),
        disable_rollback=body.disable_rollback,
        timeout_minutes=body.timeout_minutes,
        tags=tuple(body.tags),
        cloud=body.cloud,
        protected=body.protected,
        ttl_seconds=body.ttl_seconds,
    )


def planned_create(body: PlanBody) -> CreateRequest:
    """A stack whose creation is only planned."""
    _check_depth(body)
    if body.stack_name is None:
        raise MantleError("A plan to create needs a stack_name.")
    if body.template is None:
        raise MantleError("A plan to create needs a template.")
    return CreateRequest(
        name=body.stack_name,
        source=_source(body, body.template),
        disable_rollback=body.disable_rollback is not False,
        timeout_minutes=body.timeout_minutes,
        tags=tuple(body.tags or ()),
        cloud=body.cloud,
    )


def update_request(body: ChangeBody) -> UpdateRequest:
    """A stack to change."""
    _check_depth(body)
    return UpdateRequest(
        template=body.template,
        template_name=body.template_name,
        files=body.files,
        environment=body.environment,
        environment_files=tuple(body.environment_files),
        parameters=body.parameters,
        clear_parameters=tuple(body.clear_parameters),
        existing=body.existing,
        disable_rollback=body.disable_rollback,
        timeout_minutes=body.timeout_minutes,
        tags=None if body.tags is None else tuple(body.tags),
        converge=body.converge,
    )


def _source(body: StackBody | ChangeBody, template: str | dict[str, object]) -> TemplateSource:
    return TemplateSource(
        template=template,
        files=body.files,
        environment=body.environment,
        environment_files=tuple(body.environment_files),
        parameters=body.parameters,
        template_name=body.template_name,
    )


def _check_depth(body: StackBody | ChangeBody) -> None:
    if depth_exceeds([body.template, body.environment, body.parameters], JSON_DEPTH):
        raise MantleError(
            f"The request nests deeper than {JSON_DEPTH} levels.",
            remedy="Flatten it, or move parts to files.",
        )
