"""What a user of another Keystone left for work that is done later."""

from dataclasses import dataclass, field

from mantle.model.ids import ProjectId, UserId

SECRET = "deferred"  # noqa: S105 - a name, not a secret
"""The secret of a project that holds an application credential for work to be done later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """One user's trust in the user of one cloud's entry, for one project."""

    project_id: ProjectId
    user_id: UserId
    user_name: str
    cloud: str
    trust_id: str = field(repr=False)
    roles: tuple[str, ...]
    created_at: float
    looked_at: float
    """When it was known to be good; 0 when Keystone has refused it since."""
