"""What a handler of the identity API is given: one request, and who sent it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from mantle.access.identity import EmbeddedIdentity, Session
from mantle.api.door import Call, Reply
from mantle.model.errors import Forbidden
from mantle.model.keys import StackKeys

NOT_AUTHORIZED = "You are not authorized to perform the requested action."


@dataclass(frozen=True, slots=True, kw_only=True)
class Knock:
    """One request to the identity service. `session` is the sender's, where the route needs one."""

    identity: EmbeddedIdentity
    call: Call
    names: Mapping[str, str]
    session: Session | None
    new_id: Callable[[], str]
    keys: StackKeys
    """What secrets of access keys are derived from."""

    @property
    def sender(self) -> Session:
        """The sender's session; the endpoint has refused whoever has none."""
        assert self.session is not None, "the route needs a token"
        return self.session

    def must_be_admin(self) -> None:
        """Raise `Forbidden` unless the sender looks after Mantle."""
        if "admin" not in self.sender.roles:
            raise Forbidden(NOT_AUTHORIZED)

    def must_be(self, user_id: str) -> None:
        """Raise `Forbidden` unless the sender is this user, or looks after Mantle."""
        if self.sender.user.id != user_id:
            self.must_be_admin()

    def hex_id(self) -> str:
        """A new id, without hyphens as Keystone's are."""
        return self.new_id().replace("-", "")


Handler = Callable[[Knock], Awaitable[Reply]]
