"""`/v2/validate`: everything that can be said of a template without making a stack of it."""

from typing import Any

import msgspec
from litestar import Controller, post
from litestar.params import JSONBody

from mantle.access.policy import enforce
from mantle.api.door import JSON_DEPTH, depth_exceeds
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.api.own.requests import with_template
from mantle.model.errors import MantleError
from mantle.model.graph import TemplateSource
from mantle.stacks.validate import validate_template
from mantle.template.lint.report import as_data


class TemplateBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A template with what it needs."""

    template: str | dict[str, Any] | None = None
    template_url: str = ""
    """Where the server fetches the template, in place of `template`."""
    template_name: str = "template"
    files: dict[str, str] = {}
    environment: str | dict[str, Any] = {}
    environment_files: list[str] = []
    parameters: dict[str, Any] = {}


class ValidationAnswer(msgspec.Struct, kw_only=True):
    """A template without problems: what it holds, and what its author may not have meant."""

    description: str
    version: str
    parameters: list[str]
    resources: dict[str, str]
    """Name to type."""
    outputs: list[str]
    warnings: list[dict[str, Any]]


class ValidationController(Controller):
    """Templates, looked at."""

    path = "/validate"
    tags = ["templates"]

    @post("/", status_code=200, summary="Validate a template")
    async def validate(
        self, control: GivenControl, caller: GivenCaller, data: JSONBody[TemplateBody]
    ) -> ValidationAnswer:
        """Problems are a 400 with all of them; warnings come with the answer."""
        enforce(caller, "stacks:validate")
        data = await with_template(control, data)
        if data.template is None:
            raise MantleError("No template specified", remedy="Send `template` or `template_url`.")
        if depth_exceeds([data.template, data.environment, data.parameters], JSON_DEPTH):
            raise MantleError(f"The request nests deeper than {JSON_DEPTH} levels.")
        source = TemplateSource(
            template=data.template,
            files=data.files,
            environment=data.environment,
            environment_files=tuple(data.environment_files),
            parameters=data.parameters,
            template_name=data.template_name,
        )
        report = await validate_template(control, caller, source)
        graph = report.loaded.graph
        return ValidationAnswer(
            description=graph.description,
            version=graph.version,
            parameters=list(graph.parameters),
            resources={name: each.type for name, each in graph.resources.items()},
            outputs=list(graph.outputs),
            warnings=[as_data(each) for each in report.warnings],
        )
