"""URLs the world may call back on, authorised by themselves.

A signal URL holds the resource row's id and a keyed hash of it: whoever holds the URL may signal
that resource and can make no other. Nothing has to be stored or looked up to check one.
"""

import hashlib
import hmac
from dataclasses import dataclass, field

from mantle.model.ids import ProjectId, ResourceId
from mantle.resources.kit import Ref, Urls


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Builds and checks them. `base_url` is where this control plane is reached."""

    base_url: str
    key: bytes = field(repr=False)

    def urls(self, ref: Ref) -> Urls:
        """Where this resource is reached."""
        token = self.token(ref.id)
        return Urls(
            signal=f"{self.base_url}/signal/{token}", api=self.api(ref.project_id), token=token
        )

    def api(self, project_id: ProjectId) -> str:
        """The Heat API's root for a project."""
        return f"{self.base_url}/heat/v1/{project_id}"

    def token(self, resource_id: ResourceId) -> str:
        """`{row id}.{hash}`."""
        return f"{resource_id}.{self._hash(resource_id)}"

    def resource_of(self, token: str) -> ResourceId | None:
        """The row a token speaks for; None when it was not made here."""
        resource_id, _, given = token.partition(".")
        if hmac.compare_digest(given.encode(), self._hash(resource_id).encode()):
            return ResourceId(resource_id)
        return None

    def _hash(self, resource_id: str) -> str:
        return hmac.new(self.key, resource_id.encode(), hashlib.sha256).hexdigest()[:40]
