"""Bodies of Heat's requests, decoded once into what the verbs take."""

from collections.abc import Mapping
from typing import Any

import msgspec

from mantle.api.heat.ask import as_bool, as_count, as_object, as_text
from mantle.model.errors import MantleError, NotSupported
from mantle.model.graph import TemplateSource
from mantle.stacks.adopt import AdoptRequest
from mantle.stacks.control import Control
from mantle.stacks.create import CreateRequest
from mantle.stacks.fetching import fetch_template
from mantle.stacks.update import UpdateRequest

Body = Mapping[str, Any]

NAME = "template_name"
"""How a fetched template is called in what is said about it."""


async def with_template(control: Control, body: Body) -> Body:
    """The body with the text that `template_url` leads to; a template that was sent wins."""
    url = body.get("template_url")
    if not url or body.get("template"):
        return body
    fetched = await fetch_template(control, url, _files(body))
    return {
        **body,
        "template": fetched.template,
        "template_url": None,
        "files": fetched.files,
        NAME: fetched.name,
    }


def create_request(body: Body) -> CreateRequest:
    """A stack to create or preview."""
    if "stack_name" not in body:
        raise MantleError(
            "No stack name specified", remedy='Send "stack_name".', fault="HTTPBadRequest"
        )
    return CreateRequest(
        name=body["stack_name"],
        source=source(body),
        disable_rollback=_flag(body, "disable_rollback", default=True),
        timeout_minutes=_timeout(body),
        tags=_tags(body) or (),
    )


def adopt_request(body: Body) -> AdoptRequest | None:
    """A stack to adopt; None when the body asks for an ordinary one."""
    given = body.get("adopt_stack_data")
    if given is None:
        return None
    document = as_object(_decoded(given), "adopt_stack_data")
    if "template" not in document and "resources" not in document:
        raise MantleError(
            "adopt_stack_data is not the document of a stack.",
            remedy="Send what `stack abandon` or `stack export` gave, whole.",
            fault="StackValidationFailed",
        )
    template = _template(body) or document.get("template")
    whole = {**body, "template": template or {"heat_template_version": "2013-05-23"}}
    if template:
        document = {**document, "template": template}
    return AdoptRequest(create=create_request(whole), document=document)


def _decoded(given: Any) -> Any:
    """Heat's clients send the document as JSON text."""
    if not isinstance(given, str):
        return given
    try:
        return msgspec.json.decode(given)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MantleError(f"adopt_stack_data is no JSON: {error}") from error


def update_request(body: Body, *, existing: bool) -> UpdateRequest:
    """An update: PUT replaces everything, PATCH keeps what is not given."""
    template = _template(body)
    if template is None and not existing:
        raise MantleError(
            "No template specified",
            remedy="Send the whole template, or use PATCH to keep the present one.",
            fault="HTTPBadRequest",
        )
    rollback = body.get("disable_rollback")
    return UpdateRequest(
        template=template,
        files=_files(body),
        environment=_environment(body),
        environment_files=_environment_files(body),
        parameters=as_object(body.get("parameters"), "parameters"),
        clear_parameters=_names(body, "clear_parameters"),
        existing=existing,
        template_name=str(body.get(NAME) or "template"),
        disable_rollback=None if rollback is None else as_bool(rollback, "disable_rollback"),
        timeout_minutes=_timeout(body),
        tags=_tags(body),
        converge=_flag(body, "converge", default=False),
    )


def source(body: Body) -> TemplateSource:
    """Template, environment and files."""
    template = _template(body)
    if template is None:
        raise MantleError(
            "No template specified", remedy='Send "template".', fault="HTTPBadRequest"
        )
    return TemplateSource(
        template=template,
        files=_files(body),
        environment=_environment(body),
        environment_files=_environment_files(body),
        parameters=as_object(body.get("parameters"), "parameters"),
        template_name=str(body.get(NAME) or "template"),
    )


def _template(body: Body) -> str | Mapping[str, Any] | None:
    template = body.get("template")
    if template is None or template == {}:
        return None
    if not isinstance(template, str | dict):
        raise MantleError(
            "The template is neither text nor an object.", fault="StackValidationFailed"
        )
    return template


def _files(body: Body) -> dict[str, str]:
    if body.get("files_container"):
        raise NotSupported(
            "This service does not read a files_container.",
            remedy='Send the files\' text in "files".',
        )
    files = as_object(body.get("files"), "files")
    return {
        name: content if isinstance(content, str) else _refuse_file(name)
        for name, content in files.items()
    }


def _refuse_file(name: str) -> str:
    raise MantleError(f"The content of file {name!r} is not text.", remedy="Send it as a string.")


def _environment(body: Body) -> str | dict[str, Any]:
    if body.get("environment_files"):
        # Clients send both: the files, and what they made of them without the merge strategies.
        return {}
    environment = body.get("environment")
    if isinstance(environment, str):
        return environment
    return as_object(environment, "environment")


def _environment_files(body: Body) -> tuple[str, ...]:
    return _names(body, "environment_files")


def _names(body: Body, name: str) -> tuple[str, ...]:
    names = body.get(name) or []
    if not isinstance(names, list) or not all(isinstance(item, str) for item in names):
        raise MantleError(f"{name!r} is not a list of names.")
    return tuple(names)


def _flag(body: Body, name: str, *, default: bool) -> bool:
    value = body.get(name)
    return default if value is None else as_bool(value, name)


def _timeout(body: Body) -> int | None:
    value = body.get("timeout_mins")
    return None if value is None else as_count(value, "timeout_mins")


def _tags(body: Body) -> tuple[str, ...] | None:
    tags = body.get("tags")
    if tags is None:
        return None
    text = as_text(tags, "tags")
    return tuple(tag.strip() for tag in text.split(",") if tag.strip())
