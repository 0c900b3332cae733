"""Software configuration: what to run on servers, and how running it went."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mantle.model.ids import ProjectId

DEPLOYMENT = "deployment_id"
"""In the private notes of a deployment's row: the record that agents and clients see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftwareConfig:
    """What to run. Never changed once made: another configuration is another record."""

    id: str
    project_id: ProjectId
    name: str
    group: str = "Heat::Ungrouped"
    """Which tool runs it: `script`, `ansible`, `puppet`, …"""
    config: Any = ""
    """The text or data given to the tool."""
    inputs: tuple[Mapping[str, Any], ...] = ()
    outputs: tuple[Mapping[str, Any], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftwareDeployment:
    """One configuration on one server, and its state."""

    id: str
    project_id: ProjectId
    config_id: str
    server_id: str
    stack_user_project_id: str = ""
    """The project whose credentials the server's agent uses."""
    action: str = "CREATE"
    status: str = "IN_PROGRESS"
    status_reason: str = ""
    input_values: Mapping[str, Any] = field(default_factory=dict)
    output_values: Mapping[str, Any] = field(default_factory=dict)
    created_at: float
    updated_at: float | None = None
