"""`/v2/clouds/{name}/generate` and `/adopt`: a stack for objects that are there already."""

from typing import Any

import msgspec
from litestar import Controller, post
from litestar.params import FromPath, JSONBody

from mantle.access.policy import enforce
from mantle.api.door import JSON_DEPTH, depth_exceeds
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.api.own.shapes import Operation, Stack, operation_shape, stack_shape
from mantle.model.errors import MantleError
from mantle.plan.render import plan_json, render
from mantle.stacks.generate import Generated, GenerateRequest, adopt_objects, generate

MOST_OBJECTS = 5000
"""Objects that can be named in one request."""


class ObjectItem(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An object on the cloud."""

    type: str
    id: str


class GenerateBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to take over: named objects, or everything that is in no stack."""

    stack_name: str
    objects: list[ObjectItem] = []
    all_unmanaged: bool = False
    type: str | None = None
    """With `all_unmanaged`: only this type."""
    filter: str = "*"
    """With `all_unmanaged`: only names like this."""
    properties: dict[str, dict[str, Any]] = {}
    """Resource to properties that cannot be read back, such as a server's user_data."""
    retain: bool = False
    """Deleting the stack leaves the objects alone."""
    tags: list[str] = []


class AdoptObjectsBody(GenerateBody, kw_only=True, forbid_unknown_fields=True):
    """The same; `digest` refuses when anything has changed since it was shown."""

    digest: str = ""


class UnreadableItem(msgspec.Struct, kw_only=True):
    """A property that a cloud does not tell."""

    resource: str
    property: str
    why: str


class LeftItem(msgspec.Struct, kw_only=True):
    """An object that is in no stack and was not taken."""

    type: str
    id: str
    why: str


class GeneratedAnswer(msgspec.Struct, kw_only=True):
    """The template, the plan, and the document that `POST /v2/stacks/adopt` takes."""

    template: str
    document: dict[str, Any]
    plan: dict[str, Any]
    rendered: str
    unreadable: list[UnreadableItem]
    left_out: list[LeftItem]
    digest: str


class TakenAnswer(msgspec.Struct, kw_only=True):
    """An adoption that is durable from now on, and being carried out."""

    stack: Stack
    operation: Operation
    plan: dict[str, Any]
    template: str


class AdoptionsController(Controller):
    """Of the token's project."""

    path = "/clouds"
    tags = ["clouds"]

    @post("/{name:str}/generate", status_code=200, summary="Write a template for what is there")
    async def generate(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name: FromPath[str],
        data: JSONBody[GenerateBody],
    ) -> GeneratedAnswer:
        """Changes nothing. Properties are read back; what cannot be is told by name."""
        enforce(caller, "clouds:generate")
        return _answer(await generate(control, caller, _request(name, data)))

    @post("/{name:str}/adopt", status_code=202, summary="Take over what is there")
    async def adopt(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name: FromPath[str],
        data: JSONBody[AdoptObjectsBody],
    ) -> TakenAnswer:
        """Makes the stack of that template; no object is changed."""
        enforce(caller, "stacks:create")
        stack, operation, made = await adopt_objects(
            control, caller, _request(name, data), data.digest
        )
        return TakenAnswer(
            stack=stack_shape(stack),
            operation=operation_shape(operation),
            plan=plan_json(made.plan),
            template=made.template,
        )


def _request(cloud: str, body: GenerateBody) -> GenerateRequest:
    if depth_exceeds([body.properties], JSON_DEPTH):
        raise MantleError(f"The request nests deeper than {JSON_DEPTH} levels.")
    if len(body.objects) > MOST_OBJECTS:
        raise MantleError(
            f"{len(body.objects)} objects are too many at once.",
            remedy=f"Name at most {MOST_OBJECTS}.",
            fault="RequestLimitExceeded",
        )
    return GenerateRequest(
        stack_name=body.stack_name,
        cloud=cloud,
        objects=tuple((each.type, each.id) for each in body.objects),
        everything=body.all_unmanaged,
        only_type=body.type,
        pattern=body.filter,
        given=body.properties,
        retain=body.retain,
        tags=tuple(body.tags),
    )


def _answer(made: Generated) -> GeneratedAnswer:
    return GeneratedAnswer(
        template=made.template,
        document=dict(made.document),
        plan=plan_json(made.plan),
        rendered=render(made.plan),
        unreadable=[
            UnreadableItem(resource=resource, property=name, why=why)
            for resource, name, why in made.unreadable
        ],
        left_out=[
            LeftItem(type=kind, id=object_id, why=why) for kind, object_id, why in made.left_out
        ],
        digest=made.digest,
    )
