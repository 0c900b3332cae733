"""Schemas and constraints as Heat prints them."""

from typing import Any

from mantle.model.schema import (
    AllowedPattern,
    AllowedValues,
    Constraint,
    Custom,
    Kind,
    Length,
    Modulo,
    OnChange,
    Property,
    Range,
)


def property_view(prop: Property) -> dict[str, Any]:
    """A property, with what may stand inside it under `schema`."""
    view: dict[str, Any] = {
        "type": prop.kind.value,
        "required": prop.required,
        "update_allowed": prop.on_change is OnChange.UPDATE,
        "immutable": prop.on_change is OnChange.REFUSE,
    }
    if prop.description:
        view["description"] = prop.description
    if prop.default is not None:
        view["default"] = prop.default
    if prop.constraints:
        view["constraints"] = [constraint_view(one) for one in prop.constraints]
    if prop.kind is Kind.LIST and prop.items is not None:
        view["schema"] = {"*": property_view(prop.items)}
    elif prop.fields is not None:
        view["schema"] = {name: property_view(field) for name, field in prop.fields.items()}
    return view


def constraint_view(constraint: Constraint) -> dict[str, Any]:
    """A constraint, as it would be written in a template."""
    view = _body(constraint)
    if constraint.description:
        view["description"] = constraint.description
    return view


def parameter_constraints(constraints: tuple[Constraint, ...]) -> dict[str, Any]:
    """A parameter's constraints as keys beside its type, CloudFormation's way."""
    view: dict[str, Any] = {}
    for constraint in constraints:
        match constraint:
            case Length():
                view |= _bounds("MinLength", "MaxLength", constraint)
            case Range():
                view |= _bounds("MinValue", "MaxValue", constraint)
            case Modulo():
                view |= {"Step": constraint.step, "Offset": constraint.offset}
            case AllowedValues():
                view["AllowedValues"] = list(constraint.allowed)
            case AllowedPattern():
                view["AllowedPattern"] = constraint.pattern
            case Custom():
                view["CustomConstraint"] = constraint.name
    said = [constraint.description for constraint in constraints if constraint.description]
    if said:
        view["ConstraintDescription"] = " ".join(said)
    return view


def _body(constraint: Constraint) -> dict[str, Any]:
    match constraint:
        case Length():
            return {"length": _bounds("min", "max", constraint)}
        case Range():
            return {"range": _bounds("min", "max", constraint)}
        case Modulo():
            return {"modulo": {"step": constraint.step, "offset": constraint.offset}}
        case AllowedValues():
            return {"allowed_values": list(constraint.allowed)}
        case AllowedPattern():
            return {"allowed_pattern": constraint.pattern}
        case Custom():
            return {"custom_constraint": constraint.name}


def _bounds(low: str, high: str, bounds: Length | Range) -> dict[str, Any]:
    view: dict[str, Any] = {}
    if bounds.min is not None:
        view[low] = bounds.min
    if bounds.max is not None:
        view[high] = bounds.max
    return view
