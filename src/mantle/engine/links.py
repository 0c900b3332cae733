"""URLs and accounts the world may call back with, authorised by themselves.

A signal URL holds the resource row's id and a keyed hash of it: whoever holds the URL may signal
that resource and can make no other. Nothing has to be stored or looked up to check one. The other
transports of Heat's are here too: URLs signed as EC2 requests are, URLs that expire, and a user of
the stack domain (`model/keys.py`).
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

from mantle.access.catalog import REGION
from mantle.access.signatures import Signed, sign_v2
from mantle.model.identity import STACK_DOMAIN_ID
from mantle.model.ids import ProjectId, ResourceId, UserId
from mantle.model.keys import ACCOUNT, StackKeys
from mantle.resources.kit import Ref, StackUser

CFN_VERBS = {"waitcondition": "PUT", "signal": "POST"}
"""The two kinds of signed URL, and the method each is signed for."""

TEMP, COLLECT = "temp", "collect"
"""Purposes of URLs that are no plain signal URLs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Builds and checks them. `base_url` is where this control plane is reached."""

    base_url: str
    key: bytes = field(repr=False)
    keystone: str = ""
    """The other Keystone where accounts are kept; empty where Mantle keeps them. There a resource
    has a user when one was made for it (`engine/accounts.py`)."""

    @property
    def keys(self) -> StackKeys:
        """What else is derived from the same secret."""
        return StackKeys(self.key)

    def signal_url(self, ref: Ref) -> str:
        """To POST a signal to."""
        return f"{self.base_url}/signal/{self.token(ref.id)}"

    def api(self, project_id: ProjectId) -> str:
        """The Heat API's root for a project."""
        return f"{self.base_url}/heat/v1/{project_id}"

    @property
    def cfn_root(self) -> str:
        """The CFN-compatible API's root."""
        return f"{self.base_url}/cfn/v1/"

    # --- signal URLs -------------------------------------------------------------------------

    def token(self, resource_id: ResourceId) -> str:
        """`{row id}.{hash}`."""
        return f"{resource_id}.{self._hash(resource_id)}"

    def resource_of(self, token: str) -> ResourceId | None:
        """The row a token speaks for; None when it was not made here."""
        resource_id, _, given = token.partition(".")
        if hmac.compare_digest(given.encode(), self._hash(resource_id).encode()):
            return ResourceId(resource_id)
        return None

    def temp_url(self, ref: Ref, expires_at: float) -> str:
        """To PUT to until then; whole seconds."""
        ends = int(expires_at)
        tag = self.keys.url_tag(TEMP, ref.id, ends)
        query = urlencode({"temp_url_sig": tag, "temp_url_expires": ends})
        return f"{self.base_url}/signal/{TEMP}/{ref.id}?{query}"

    def collect_url(self, ref: Ref) -> str:
        """To GET the metadata of a server; good as long as the server is there."""
        return f"{self.base_url}/signal/{COLLECT}/{ref.id}?sig={self.keys.url_tag(COLLECT, ref.id)}"

    def cfn_url(self, ref: Ref, kind: str, at: float) -> str:
        """Signed by version 2 with the resource's own key; it says when, and does not expire."""
        path = f"/cfn/v1/{kind}/{quote(resource_arn(ref))}"
        access, secret = self.access_key(ref)
        stamp = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = [
            ("AWSAccessKeyId", access),
            ("SignatureMethod", "HmacSHA256"),
            ("SignatureVersion", "2"),
            ("Timestamp", stamp),
        ]
        host = urlsplit(self.base_url).netloc
        request = Signed(method=CFN_VERBS[kind], hosts=(host,), path=path, query=query)
        signature = sign_v2(secret, request.method, host, request)
        return f"{self.base_url}{path}?{urlencode([*query, ('Signature', signature)])}"

    # --- accounts ----------------------------------------------------------------------------

    def access_key(self, ref: Ref) -> tuple[str, str]:
        """The resource's EC2 key."""
        access = self.keys.access(ref.id)
        return access, self.keys.key(access)

    def user(self, ref: Ref) -> StackUser | None:
        """The resource's account: its row, or what was made for it in another Keystone."""
        if self.keystone:
            return self._made(ref)
        return StackUser(
            user_id=self.keys.user_id(ref.id),
            name=f"{ref.stack_name}-{ref.name}-{ref.id[:12]}",
            password=self.keys.password(ref.id),
            project_id=self._user_project(ref),
            auth_url=f"{self.base_url}/identity/v3",
            domain_id=STACK_DOMAIN_ID,
            region=REGION,
        )

    def _made(self, ref: Ref) -> StackUser | None:
        account = ref.data.get(ACCOUNT)
        if account is None:
            return None
        return StackUser(
            user_id=UserId(account["user_id"]),
            name=account["name"],
            password=self.keys.password(ref.id),
            project_id=ProjectId(account["project_id"]),
            auth_url=self.keystone,
            domain_id=account["domain_id"],
            region=account["region"],
        )

    def heat_url(self, ref: Ref) -> str:
        """Below the project that the resource's user logs in to."""
        place = f"{quote(ref.stack_name, safe='')}/{ref.stack_id}"
        name = quote(ref.name, safe="")
        root = self.api(self._user_project(ref))
        return f"{root}/stacks/{place}/resources/{name}/signal"

    def _user_project(self, ref: Ref) -> ProjectId:
        account = ref.data.get(ACCOUNT)
        if account is not None:
            return ProjectId(account["project_id"])
        return self.keys.project_id(ref.root_id or ref.stack_id)

    def _hash(self, resource_id: str) -> str:
        return hmac.new(self.key, resource_id.encode(), hashlib.sha256).hexdigest()[:40]


def resource_arn(ref: Ref) -> str:
    """How CFN names a resource."""
    stack = f"stacks/{ref.stack_name}/{ref.stack_id}"
    return f"arn:openstack:heat::{ref.project_id}:{stack}/resources/{ref.name}"
