"""Secrets of a project: texts that resources read and nobody is shown again."""

from dataclasses import dataclass, field

from mantle.model.ids import ProjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One secret. Names are unique in a project."""

    id: str
    project_id: ProjectId
    name: str
    payload: str = field(repr=False)
    created_at: float
    created_by: str
