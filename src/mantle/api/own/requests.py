"""Bodies of `/v2` as what the verbs take."""

from mantle.api.door import JSON_DEPTH, depth_exceeds
from mantle.api.own.shapes import ChangeBody, PlanBody, StackBody
from mantle.model.errors import MantleError
from mantle.model.graph import TemplateSource
from mantle.stacks.create import CreateRequest
from mantle.stacks.update import UpdateRequest


def create_request(body: StackBody) -> CreateRequest:
    """A stack to create."""
    _check_depth(body)
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
