"""What a deployment adds to the config it deploys, and what it makes of the answer. Pure.

A server's agent is given a *derived* config: that of the template, its inputs filled with values,
and the inputs that say which deployment it is and how to answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mantle.model.software import SoftwareConfig

STDOUT, STDERR, STATUS_CODE = "deploy_stdout", "deploy_stderr", "deploy_status_code"
OUTPUTS = (STDOUT, STDERR, STATUS_CODE)
SECRET_INPUTS = frozenset({"deploy_signal_id", "deploy_password"})
"""Whoever holds their values may answer for the server."""

COMPONENT = "component"
"""The group of configs that hold one config for each action."""


def applies(config: SoftwareConfig, action: str, actions: Sequence[str]) -> bool:
    """Whether anything is deployed in this action; a component says so itself."""
    if config.group == COMPONENT:
        return any(action in part.get("actions", ()) for part in _parts(config))
    return action in actions


def for_action(config: SoftwareConfig, action: str) -> tuple[str, Any]:
    """(tool, text or map) of the action: of a component, the part that names it."""
    if config.group != COMPONENT:
        return config.group, config.config
    part = next(part for part in _parts(config) if action in part.get("actions", ()))
    return str(part.get("tool") or ""), part.get("config") or ""


def _parts(config: SoftwareConfig) -> Iterable[Mapping[str, Any]]:
    given = config.config.get("configs") if isinstance(config.config, Mapping) else None
    return [part for part in given or () if isinstance(part, Mapping)]


def filled(
    declared: Sequence[Mapping[str, Any]], values: Mapping[str, Any], own: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The inputs with their values: those declared, those given besides, and our own."""
    inputs: list[dict[str, Any]] = [
        {**entry, "value": values.get(entry["name"], entry.get("default"))} for entry in declared
    ]
    known = {entry["name"] for entry in inputs}
    inputs += [
        {"name": name, "type": "String", "value": value}
        for name, value in values.items()
        if name not in known
    ]
    return inputs + [
        {"name": name, "type": "String", "value": value, "description": OWN_INPUTS[name]}
        for name, value in own.items()
    ]


OWN_INPUTS: Mapping[str, str] = {
    "deploy_server_id": "The server it is for.",
    "deploy_action": "The action it is for.",
    "deploy_stack_id": "The stack it is part of.",
    "deploy_resource_name": "The deployment's resource.",
    "deploy_signal_transport": "How to answer.",
    "deploy_signal_id": "Where to answer.",
    "deploy_signal_verb": "The HTTP method of the answer.",
    "deploy_auth_url": "Where the account that answers logs in.",
    "deploy_username": "The name of that account.",
    "deploy_user_id": "The id of that account.",
    "deploy_password": "The password of that account.",
    "deploy_project_id": "The project of that account.",
    "deploy_region_name": "The region of the endpoint that takes the answer.",
}


class MissingInput(ValueError):
    """A structured config names an input that is not there, and all have to be."""


def substituted(value: Any, inputs: Mapping[str, Any], key: str, *, strict: bool) -> Any:
    """A structured config with `{key: name}` replaced by that input's value.

    An input that is not there is null; with `strict` it raises `MissingInput`.
    """
    if isinstance(value, Mapping):
        if set(value) == {key}:
            name = value[key]
            if not isinstance(name, str) or name not in inputs:
                if strict:
                    raise MissingInput(f"The input {name!r} of the config has no value.")
                return None
            return inputs[name]
        return {name: substituted(part, inputs, key, strict=strict) for name, part in value.items()}
    if isinstance(value, list):
        return [substituted(part, inputs, key, strict=strict) for part in value]
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server's agent said: outputs, and why it failed (empty: it did not)."""

    outputs: Mapping[str, Any] = field(default_factory=dict)
    failure: str = ""


def judged(body: Mapping[str, Any], declared: Sequence[Mapping[str, Any]]) -> Answer:
    """A status code other than 0, or any value of an error output, is a failure."""
    outputs: dict[str, Any] = {name: body.get(name) for name in OUTPUTS}
    reasons = []
    code = body.get(STATUS_CODE)
    if code and str(code) != "0":
        reasons.append(f"{STATUS_CODE} : Deployment exited with non-zero status code: {code}")
    for entry in declared:
        name = str(entry["name"])
        if name not in body:
            continue
        outputs[name] = body[name]
        if entry.get("error_output") and body[name]:
            reasons.append(f"{name} : {body[name]}")
    return Answer(outputs=outputs, failure=", ".join(reasons))


def renewing(declared: Sequence[Mapping[str, Any]], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the inputs whose change asks for a deployment anew."""
    return {
        str(entry["name"]): values.get(entry["name"], entry.get("default"))
        for entry in declared
        if entry.get("replace_on_change")
    }
