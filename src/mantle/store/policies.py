"""Policy rules."""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, or_, select, update

from mantle.model.ids import ProjectId
from mantle.model.policies import EVERYWHERE, Effect, PolicyRule
from mantle.store.tables.plans import policy_rules

# Asked with every plan, and so built once.
_APPLICABLE = (
    select(policy_rules)
    .where(
        or_(
            policy_rules.c.project_id == EVERYWHERE,
            policy_rules.c.project_id == bindparam("project"),
        )
    )
    .order_by(policy_rules.c.project_id, policy_rules.c.name)
)


def applicable(connection: Connection, project_id: ProjectId) -> list[PolicyRule]:
    """The operator's rules, then the project's own, by name."""
    return [_rule(row) for row in connection.execute(_APPLICABLE, {"project": project_id})]


def get(connection: Connection, project_id: ProjectId, name: str) -> PolicyRule | None:
    """One rule of one scope."""
    query = select(policy_rules).where(
        policy_rules.c.project_id == project_id, policy_rules.c.name == name
    )
    row = connection.execute(query).first()
    return _rule(row) if row else None


def put(connection: Connection, rule: PolicyRule) -> PolicyRule:
    """Store it; one of the same scope and name is replaced and keeps its id."""
    values = {name: getattr(rule, name) for name in PolicyRule.__dataclass_fields__}
    known = get(connection, rule.project_id, rule.name)
    if known is None:
        connection.execute(insert(policy_rules), values)
        return rule
    values["id"] = known.id
    connection.execute(update(policy_rules).where(policy_rules.c.id == known.id).values(values))
    return _rule(
        connection.execute(select(policy_rules).where(policy_rules.c.id == known.id)).one()
    )


def remove(connection: Connection, project_id: ProjectId, name: str) -> bool:
    """Forget it; false when there was none."""
    done = connection.execute(
        delete(policy_rules).where(
            policy_rules.c.project_id == project_id, policy_rules.c.name == name
        )
    )
    return bool(done.rowcount)


def count(connection: Connection, project_id: ProjectId) -> int:
    """How many rules one scope has."""
    query = select(func.count()).where(policy_rules.c.project_id == project_id)
    return connection.scalar(query) or 0


def _rule(row: Row[Any]) -> PolicyRule:
    values = dict(row._mapping)  # noqa: SLF001 - its public name in SQLAlchemy
    values["effect"] = Effect(values["effect"])
    values["actions"] = tuple(values["actions"])
    values["resource_types"] = tuple(values["resource_types"])
    return PolicyRule(**values)
