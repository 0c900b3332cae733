"""How an agent in a server hears of deployments: where it looks, and with which account.

The words are those of os-collect-config, which polls by them: Heat's API, the CFN-compatible API,
or a URL. That URL is signed for this one server and good as long as it is there.
"""

from collections.abc import Mapping
from typing import Any

from mantle.resources.kit import Callbacks, Ref

TRANSPORTS = ("POLL_SERVER_CFN", "POLL_SERVER_HEAT", "POLL_TEMP_URL")
"""What there is; ZAQAR_MESSAGE needs a message queue."""

SERVERS = ("OS::Nova::Server", "OS::Heat::DeployedServer")


def has_agent(type_name: str, properties: Mapping[str, Any]) -> bool:
    """Whether a resource is a server that takes deployments."""
    if type_name == "OS::Nova::Server":
        return properties.get("user_data_format") == "SOFTWARE_CONFIG"
    return type_name in SERVERS


def hands_account(type_name: str, properties: Mapping[str, Any]) -> bool:
    """Whether its agent logs in with the account of the row."""
    polls = properties.get("software_config_transport") == "POLL_SERVER_HEAT"
    return polls and has_agent(type_name, properties)


def collect_config(
    type_name: str, properties: Mapping[str, Any], ref: Ref, callbacks: Callbacks
) -> dict[str, Any] | None:
    """The section `os-collect-config`; None for what has no agent."""
    if not has_agent(type_name, properties):
        return None
    transport = properties.get("software_config_transport") or TRANSPORTS[0]
    match transport:
        case "POLL_SERVER_HEAT":
            name, where = "heat", _heat(ref, callbacks)
        case "POLL_TEMP_URL":
            name, where = "request", {"metadata_url": callbacks.collect_url(ref)}
        case _:
            name, where = "cfn", _cfn(ref, callbacks)
    return {"collectors": [name, "local"], name: where}


def _heat(ref: Ref, callbacks: Callbacks) -> dict[str, str]:
    user = callbacks.user(ref)
    if user is None:
        return {}
    return {
        "user_id": user.user_id,
        "password": user.password,
        "auth_url": user.auth_url,
        "project_id": user.project_id,
        "stack_id": f"{ref.stack_name}/{ref.stack_id}",
        "resource_name": ref.name,
        "region_name": user.region,
    }


def _cfn(ref: Ref, callbacks: Callbacks) -> dict[str, str]:
    access, secret = callbacks.access_key(ref)
    return {
        "metadata_url": callbacks.cfn_root,
        "access_key_id": access,
        "secret_access_key": secret,
        "stack_name": ref.stack_name,
        "path": f"{ref.name}.Metadata",
    }
