"""A template for objects that are there already, and a stack that takes them over as they are.

The properties are read back from the objects (`resources/inverse.py`). Before anything is shown,
the way back is walked forward again: what the written properties ask for must be, field by field,
what is there. So the first update of the new stack changes nothing, and no value is guessed: what
a cloud does not tell is left out, by name, unless the caller gives it.
"""

import asyncio
import fnmatch
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import yaml
from msgspec import structs

from mantle.access.caller import Caller
from mantle.access.policy import allows
from mantle.clouds.ports import CloudError, CloudObject, Missing, ObjectStatus, Session
from mantle.engine.operation import load
from mantle.model.errors import Conflict, Findings, Forbidden, MantleError, NotFound, Problem
from mantle.model.graph import TemplateSource
from mantle.model.ids import ResourceId, Token
from mantle.model.plan import Plan
from mantle.model.records import OperationRecord, StackRecord
from mantle.model.status import Action
from mantle.model.values import Unknown, Value
from mantle.plan.adoption import adopted_rows
from mantle.plan.stack import desired_properties
from mantle.resources.inverse import Inverse, Peers
from mantle.resources.kit import Context, Ref, ResourceType
from mantle.stacks.accept import asker_of, check_size, plan_for
from mantle.stacks.adopt import AdoptRequest, adopt_stack, refuse_owned
from mantle.stacks.control import Control
from mantle.stacks.create import CreateRequest, check_room, draft
from mantle.stacks.remembered import Remembered
from mantle.stacks.unmanaged import made_on_the_way, unmanaged_objects
from mantle.template.loaded import Loaded

VERSION = "2018-08-31"

AT_ONCE = 100
"""Objects asked for side by side."""

WELL = {ObjectStatus.ACTIVE}
"""Objects in other states cannot be taken over: the adoption looks whether they are well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest:
    """What is to be taken over, into which stack."""

    stack_name: str
    cloud: str
    objects: tuple[tuple[str, str], ...] = ()
    """(type, id)."""
    everything: bool = False
    """All that is in no stack, instead."""
    only_type: str | None = None
    """With `everything`: only this type."""
    pattern: str = "*"
    """With `everything`: only names like this, `*` and `?` standing for anything."""
    given: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Resource to properties that the caller knows: a server's user_data."""
    retain: bool = False
    """Deleting the stack leaves them alone."""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """What would be done."""

    stack: StackRecord
    template: str
    document: Mapping[str, Any]
    """What `stack adopt` takes."""
    plan: Plan
    unreadable: tuple[tuple[str, str, str], ...]
    """(resource, property, why)."""
    left_out: tuple[tuple[str, str, str], ...]
    """(type, id, why) of what is in no stack and cannot be taken over as it is."""
    digest: str
    """Of template and objects: another one means that something has changed."""


Chosen = Mapping[str, tuple[str, CloudObject]]
"""Resource name to type and object."""


async def generate(control: Control, caller: Caller, request: GenerateRequest) -> Generated:
    """Write the template and plan the adoption; changes nothing.

    Raises `NotFound` for an object that is not there, `Invalid` with each one whose properties
    cannot say what it is, `Conflict` for one that is a stack's already.
    """
    session = control.view(request.cloud, caller.project_id, caller.user_id)
    objects, left_out = await _objects(control, caller, session, request)
    chosen = _named(objects)
    peers = _peers(chosen)
    resources, unreadable = _resources(control, request, chosen, peers)
    template = _text(request, resources)
    document = {
        "template": template,
        "environment": {},
        "files": {},
        "resources": {
            name: {"name": name, "type": kind, "resource_id": found.id, "resource_data": {}}
            for name, (kind, found) in chosen.items()
        },
    }
    stack = draft(control, caller, _create(request, template))
    await check_room(control, caller, stack)
    await control.database.read(refuse_owned, stack, document)
    source = TemplateSource(template=template)
    loaded = await load(control.machine, stack, source)
    await check_size(control, stack.project_id, loaded)
    await _walk_forward(control, session, stack, loaded, chosen, peers)
    rows = adopted_rows(
        stack.id,
        loaded,
        document["resources"],
        new_id=control.new_id,
        now=control.clock.now(),
    )
    plan = await plan_for(
        control, stack, Action.ADOPT, loaded, rows, asker=asker_of(caller), only_shown=True
    )
    seen = [template, [(kind, found.id) for kind, found in chosen.values()]]
    return Generated(
        stack=stack,
        template=template,
        document=document,
        plan=plan,
        unreadable=unreadable,
        left_out=left_out,
        digest=hashlib.sha256(msgspec.json.encode(seen)).hexdigest(),
    )


async def adopt_objects(
    control: Control, caller: Caller, request: GenerateRequest, digest: str = ""
) -> tuple[StackRecord, OperationRecord, Generated]:
    """Take them over; durable when this returns. With a digest: only what was shown with it."""
    made = await generate(control, caller, request)
    if digest and digest != made.digest:
        raise Conflict(
            "The objects have changed since they were shown; nothing was touched.",
            remedy="Look at them again.",
            fault="PlanStale",
        )
    create = _create(request, made.template)
    stack, operation = await adopt_stack(
        control, caller, AdoptRequest(create=create, document=made.document)
    )
    return stack, operation, made


def _create(request: GenerateRequest, template: str) -> CreateRequest:
    return CreateRequest(
        name=request.stack_name,
        source=TemplateSource(template=template),
        tags=request.tags,
        cloud=request.cloud,
    )


# --- which objects ---------------------------------------------------------------------------


Listed = list[tuple[str, CloudObject]]


async def _objects(
    control: Control, caller: Caller, session: Session, request: GenerateRequest
) -> tuple[Listed, tuple[tuple[str, str, str], ...]]:
    if request.everything and request.objects:
        raise MantleError("Name the objects, or ask for everything, not both.")
    if not request.everything:
        return await _named_objects(control, caller, session, request.objects), ()
    found = await unmanaged_objects(
        control, caller.project_id, request.cloud, request.only_type, user_id=caller.user_id
    )
    tokens = {each.token for _, each in found.objects}
    known = control.registry.types
    may = allows(caller.roles, "types:cloudwide")
    cloudwide = set() if may else {name for name in known if known[name].facts.admin_only}
    listed: Listed = []
    left: list[tuple[str, str, str]] = []
    for kind, each in found.objects:
        if not fnmatch.fnmatchcase(each.name, request.pattern):
            continue
        why = _unfit(control, kind, each)
        if kind in cloudwide:
            why = "it is the cloud's: an administrator takes it over, by its id"
        if made_on_the_way(each, tokens):
            why = "the cloud made it for another object, and it goes with that"
        if why:
            left.append((kind, each.id, why))
        else:
            listed.append((kind, each))
    left += [(kind, "", f"could not be listed: {why}") for kind, why in found.unseen]
    if not listed:
        raise NotFound(
            "There is nothing to take over.", remedy="mantle cloud unmanaged shows what there is."
        )
    return listed, tuple(left)


async def _named_objects(
    control: Control, caller: Caller, session: Session, asked: Sequence[tuple[str, str]]
) -> Listed:
    if not asked:
        raise MantleError("No object is named.", remedy="Name them as TYPE=ID.")
    _refuse_the_clouds_own(control, caller, {kind for kind, _ in asked})
    listed: Listed = []
    findings = Findings()
    wanted = list(dict.fromkeys(asked))
    for kind in dict.fromkeys(kind for kind, _ in wanted):
        known = control.registry.types.get(kind)
        if known is None or known.live is None or known.inverse is None:
            findings.add(
                "adopt",
                f"{kind!r} is no type whose objects can be taken over.",
                remedy=f"These are: {', '.join(_kinds(control))}.",
            )
            continue
        objects = known.live(session)
        ids = [object_id for other, object_id in wanted if other == kind]
        for start in range(0, len(ids), AT_ONCE):
            part = ids[start : start + AT_ONCE]
            found = await asyncio.gather(*map(objects.get, part), return_exceptions=True)
            for object_id, each in zip(part, found, strict=True):
                why = _why_not(control, kind, object_id, each)
                if why is not None:
                    findings.problems.append(why)
                elif isinstance(each, CloudObject):
                    listed.append((kind, each))
    findings.raise_if_any()
    return listed


def _refuse_the_clouds_own(control: Control, caller: Caller, kinds: Collection[str]) -> None:
    """Before anything is read: the log-in that reads may see what its users may not."""
    known = control.registry.types
    theirs = sorted(each for each in kinds if each in known and known[each].facts.admin_only)
    if theirs and not allows(caller.roles, "types:cloudwide"):
        raise Forbidden(
            f"You are not authorized to take over {', '.join(theirs)}: it is the cloud's, not a "
            "project's.",
            remedy="Leave it out, or ask an administrator.",
        )


def _why_not(control: Control, kind: str, object_id: str, found: object) -> Problem | None:
    """Why what the cloud answered cannot be taken over; raises what is no answer."""
    match found:
        case CloudObject():
            why = _unfit(control, kind, found)
            text = f"{kind} {object_id} cannot be taken over: {why}." if why else ""
            return Problem(code="adopt", message=text) if why else None
        case Missing():
            text = f"There is no {kind} {object_id[:200]!r} in this project."
            return Problem(code="adopt", message=text, fault="EntityNotFound")
        case CloudError():
            text = f"{kind} {object_id[:200]}: {found.message}"
            return Problem(code="adopt", message=text, remedy=found.remedy)
        case BaseException():
            raise found
        case _:
            return None


def _kinds(control: Control) -> list[str]:
    return sorted(name for name, kind in control.registry.types.items() if kind.inverse)


def _unfit(control: Control, kind: str, found: CloudObject) -> str:
    """Why it cannot be taken over; empty when it can."""
    if control.registry.get(kind).inverse is None:
        return "nobody knows how to write it down"
    if found.status not in WELL:
        return f"it is {found.status}{f': {found.fault}' if found.fault else ''}"
    return ""


def _named(objects: Listed) -> dict[str, tuple[str, CloudObject]]:
    """A resource name for each: the object's own where it has one."""
    names: dict[str, tuple[str, CloudObject]] = {}
    for kind, found in objects:
        last = kind.rpartition("::")[2].lower()
        word = re.sub(r"[^A-Za-z0-9_-]+", "_", found.name).strip("_")[:100] or last
        name = word if word not in names else f"{word}_{last}"
        number = 1
        while name in names:
            number += 1
            name = f"{word}_{last}_{number}"
        names[name] = (kind, found)
    return names


def _peers(chosen: Chosen) -> Peers:
    return Peers(
        objects={(kind, found.id): found for kind, found in chosen.values()},
        names={(kind, found.id): name for name, (kind, found) in chosen.items()},
    )


# --- the template ----------------------------------------------------------------------------


def _inverse(control: Control, kind: str) -> tuple[ResourceType, Inverse]:
    known = control.registry.get(kind)
    assert known.inverse is not None, "only such objects are chosen"
    return known, known.inverse


def _resources(
    control: Control, request: GenerateRequest, chosen: Chosen, peers: Peers
) -> tuple[dict[str, Any], tuple[tuple[str, str, str], ...]]:
    unknown = sorted(set(request.given) - set(chosen))
    if unknown:
        raise MantleError(
            f"Properties are given for {', '.join(unknown[:10])}, which is not taken over.",
            remedy=f"Resources are: {', '.join(list(chosen)[:20])}.",
        )
    resources: dict[str, Any] = {}
    unreadable = []
    for name, (kind, found) in chosen.items():
        known, inverse = _inverse(control, kind)
        given = request.given.get(name, {})
        refused = sorted(set(given) - set(inverse.unreadable))
        if refused:
            raise MantleError(
                f"{refused[0]!r} of {name} is read from the object itself.",
                remedy=f"Give only what cannot be read: {', '.join(inverse.unreadable) or 'none'}.",
            )
        body: dict[str, Any] = {"type": kind}
        if request.retain:
            body["deletion_policy"] = "Retain"
        body["properties"] = {**inverse.properties(known.schema, found, peers), **given}
        resources[name] = body
        unreadable += [
            (name, each, why) for each, why in inverse.unreadable.items() if each not in given
        ]
    return resources, tuple(unreadable)


def _text(request: GenerateRequest, resources: Mapping[str, Any]) -> str:
    head = {
        "heat_template_version": VERSION,
        "description": f"What was on cloud {request.cloud} when stack {request.stack_name} "
        "took it over.",
    }
    return str(
        yaml.safe_dump(
            {**head, "resources": dict(resources)},
            sort_keys=False,
            width=100,
            default_flow_style=False,
            allow_unicode=True,
        )
    )


# --- there and back --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Ids:
    """Resolves references to the objects as they are."""

    ids: Mapping[str, str]

    def reference(self, name: str) -> Value:
        """The object's id."""
        return self.ids.get(name) or Unknown((name,))

    def attributes(self, name: str) -> Mapping[str, Value] | Unknown:
        """None is read by a generated template."""
        return Unknown((name,))

    def failure(self, name: str, attribute: str) -> str | None:
        """None is read."""
        del name, attribute
        return None


async def _walk_forward(
    control: Control,
    session: Session,
    stack: StackRecord,
    loaded: Loaded,
    chosen: Chosen,
    peers: Peers,
) -> None:
    """What the template asks for must be what is there; raises `Invalid` naming every difference.

    Specs look names up and make nothing here: a written server has ports or networks, no subnets.
    """
    lookup = _Ids({name: found.id for name, (_, found) in chosen.items()})
    view: Any = Remembered(session)
    for kind, found in chosen.values():
        live = control.registry.get(kind).live
        assert live is not None, "it was listed"
        known_objects: Any = live(view)
        known_objects.remember(found)
    findings = Findings()
    for name, (kind, found) in chosen.items():
        _, inverse = _inverse(control, kind)
        context = _context(control, view, stack, name, found)
        properties = desired_properties(loaded, name, lookup)
        try:
            asked = await inverse.spec(structs.replace(context, properties=properties))
        except CloudError as error:
            findings.add("adopt", f"{name}: {error.message}", ("resources", name))
            continue
        fields = inverse.differing(asked, found, peers)
        if fields:
            findings.add(
                "adopt",
                f"{kind} {found.id} ({name}) has {', '.join(fields)} that no property can say.",
                ("resources", name),
                remedy="Leave it out, or change that on the cloud.",
            )
    findings.raise_if_any()


def _context(
    control: Control,
    session: Session,
    stack: StackRecord,
    name: str,
    found: CloudObject,
) -> Context:
    ref = Ref(
        id=ResourceId(control.new_id()),
        name=name,
        stack_id=stack.id,
        stack_name=stack.name,
        project_id=stack.project_id,
        token=Token(control.new_id()),
        physical_id=found.id,
    )
    now = control.clock.now()
    return Context(
        ref=ref,
        properties={},
        cloud=session,
        now=now,
        started_at=now,
        random=control.random,
        callbacks=control.machine.links,
        name_hint=found.name,
    )
