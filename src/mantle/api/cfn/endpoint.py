"""The way a request to the CFN-compatible API takes: signature, action, policy, verb, XML.

It answers below `/cfn` on the server's own port, and at the root of a port of its own
(`--cfn-listen`), where tools written for Heat expect it. Requests are signed with an EC2 key; the
URLs of signals are signed too, with the key of the resource they are for.
"""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from litestar.types import HTTPScope, Receive, Send

from mantle.access.ec2 import KeyRing, Replays, Signers, hosts_of
from mantle.access.identity import EmbeddedIdentity
from mantle.access.policy import enforce
from mantle.access.signatures import BadSignature, Signed, pairs
from mantle.api.cfn import xml
from mantle.api.cfn.actions import ACTIONS, Query
from mantle.api.cfn.faults import told
from mantle.api.cfn.signals import signal
from mantle.api.door import Call, Reply, empty, head_of, read_body, send_reply
from mantle.api.faults import headers_of
from mantle.api.metrics import Metrics
from mantle.api.settings import ApiSettings
from mantle.model.errors import MantleError
from mantle.stacks.control import Control
from mantle.stacks.shedding import refuse_questions_when_full

XML = "application/xml; charset=UTF-8"
FORM = "application/x-www-form-urlencoded"
ELSEWHERE = (
    "Accounts are kept in another Keystone, which this API cannot ask about signatures: use Heat's "
    "API with a token."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CfnEndpoint:
    """The CFN-compatible API as an ASGI application."""

    control: Control
    identity: EmbeddedIdentity | None
    signers: Signers | None = None
    """Who knows the keys where accounts are kept elsewhere."""
    settings: ApiSettings
    metrics: Metrics
    new_request_id: Callable[[], str]
    replays: Replays = field(default_factory=Replays)
    below: str = "cfn"
    """The first part of its paths; empty on a port of its own."""

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        call = head_of(scope, self.new_request_id())
        name = "refused"
        try:
            call = replace(
                call, body=await read_body(receive, call, self.settings.body_limit_bytes)
            )
            name, reply = await self._answer(call)
        except (MantleError, BadSignature) as error:
            status, code, message = told(error)
            text = xml.failure(code, message, call.request_id, sender=status < 500)
            reply = Reply(
                status=status, body=text.encode(), headers=headers_of(error), media_type=XML
            )
        await send_reply(send, call, reply)
        seconds = time.perf_counter() - started
        self.metrics.observe(call.method, f"/cfn/{name}", reply.status, seconds)

    async def _answer(self, call: Call) -> tuple[str, Reply]:
        segments = call.segments[1:] if self.below else call.segments
        match segments:
            case () | ("",):
                return "", Reply(status=300, body=_versions(call, self.below))
            case ("v1",):
                return await self._action(call)
            case ("v1", ("waitcondition" | "signal") as kind, *arn):
                # The body is the signal, whatever a client calls its type: curl says it is a form.
                signed = self.signed(call, form=())
                reply = await signal(self, call, signed, kind, "/".join(arn))
                return kind, reply
            case _:
                text = xml.failure("InvalidAction", "No such page.", call.request_id, sender=True)
                return "unknown", Reply(status=404, body=text.encode(), media_type=XML)

    async def _action(self, call: Call) -> tuple[str, Reply]:
        if call.method not in {"GET", "POST"}:
            return "v1", empty(405, Allow="GET, POST")
        signed = self.signed(call, form=_form(call))
        parameters = signed.parameters
        name = parameters.get("Action", "")
        action = ACTIONS.get(name)
        if action is not None and action.asks:
            refuse_questions_when_full(self.control, "GET")
        caller, claim = await self.ring().caller(signed)
        now = self.control.clock.now()
        if not name:
            raise MantleError("The request has no Action.", fault="MissingAction")
        if action is None:
            raise MantleError(
                f"There is no action {name[:64]!r}.",
                remedy=f"There are {', '.join(sorted(ACTIONS))}.",
                fault="InvalidAction",
            )
        caller = replace(caller, request_id=call.request_id)
        enforce(caller, action.deed)
        query = Query(control=self.control, call=call, caller=caller, parameters=parameters)
        with self.replays.once(claim, now) if action.changes else nullcontext():
            result = await action.perform(query)
        if parameters.get("ContentType") == "JSON":
            body = {f"{name}Response": {f"{name}Result": result}}
            return name, Reply(body=json.loads(json.dumps(body)))
        text = xml.answer(name, result, call.request_id)
        return name, Reply(body=text.encode("utf-8", "replace"), media_type=XML)

    def ring(self) -> Signers:
        """Who knows the keys; raises where accounts are kept elsewhere and nobody asks there."""
        if self.signers is not None:
            return self.signers
        if self.identity is None:
            raise MantleError(ELSEWHERE, fault="Forbidden")
        return KeyRing(identity=self.identity, keys=self.control.machine.links.keys)

    def signed(self, call: Call, form: Sequence[tuple[str, str]]) -> Signed:
        """The request as its signature sees it."""
        own = urlsplit(self.control.machine.links.base_url).netloc
        return Signed(
            method=call.method,
            hosts=hosts_of(call.header("host"), own),
            path=call.raw_path,
            query=pairs(call.raw_query),
            form=form,
            headers=call.headers,
            body=call.body,
        )


def _form(call: Call) -> Sequence[tuple[str, str]]:
    if call.method == "POST" and call.header("content-type").startswith(FORM):
        return pairs(call.body.decode("utf-8", "replace"))
    return ()


def _versions(call: Call, below: str) -> dict[str, object]:
    root = f"{call.base_url}/{below}/v1/" if below else f"{call.base_url}/v1/"
    links = [{"rel": "self", "href": root}]
    return {"versions": [{"id": "v1.0", "status": "CURRENT", "links": links}]}
