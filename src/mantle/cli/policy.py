"""`mantle policy`: rules about what may be done to stacks."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from mantle.cli.exits import Exit, Stop
from mantle.cli.options import NOTHING, Common


def build_policy() -> App:
    """The noun with its verbs."""
    app = App(
        name="policy",
        help="Rules that every plan is held against: deny or warn, written in CEL.",
    )
    app.command(list_rules, name="list")
    app.command(show)
    app.command(set_rule, name="set")
    app.command(try_rule, name="test")
    app.command(delete)
    return app


def list_rules(*, common: Common = NOTHING) -> Exit:
    """List the rules that hold in your project: the operator's, then its own.

    Try:

        mantle policy list
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("policies")
    if screen.json:
        screen.answer(answer)
    else:
        rows = (
            (one["scope"], one["name"], one["effect"], one["description"] or one["expression"])
            for one in answer["policies"]
        )
        screen.table(("scope", "name", "effect", "rule"), rows)
    return Exit.OK


def show(name: str, /, *, operator: bool = False, common: Common = NOTHING) -> Exit:
    """Show one rule.

    Try:

        mantle policy show no-big-servers

    Args:
        name: The rule's name.
        operator: One of the operator's, instead of the project's.
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("policies", name, operator=_said(operator))
    if screen.json:
        screen.answer(answer)
    else:
        screen.facts(answer["policy"])
    return Exit.OK


def set_rule(
    name: str | None = None,
    /,
    *,
    expression: Annotated[str | None, Parameter(name=["--expression", "-x"])] = None,
    file: Annotated[Path | None, Parameter(name=["--file", "-f"])] = None,
    effect: str = "deny",
    action: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    type: Annotated[tuple[str, ...], Parameter(name="--type", negative="")] = (),  # noqa: A002 - the option's name
    description: str = "",
    operator: bool = False,
    common: Common = NOTHING,
) -> Exit:
    """Set a rule, or every rule of a YAML file. It is checked first.

    The expression is true for what is to be denied or warned of. It knows `action`, `change`,
    `replacement`, `resource`, `before`, `after`, `changed`, `unknown`, `stack`, `tags`, `user` and
    `now`; see docs/reference/policies.md.

    Try:

        mantle policy set no-big-servers --type OS::Nova::Server -x "after.flavor == 'm1.xlarge'"
        mantle policy set keep-volumes --type "OS::Cinder::*" -x "change in ['delete', 'replace']"
        mantle policy set -f rules.yaml

    Args:
        name: The rule's name; without one, --file holds a map of names to rules.
        expression: In CEL.
        file: A YAML file: `{NAME: {effect, expression, actions, resource_types, description}}`.
        effect: deny or warn.
        action: Only for this action of the stack (create, update, delete …). Repeatable.
        type: Only for this resource type, or a beginning with `*`. Repeatable.
        description: Told to whoever is refused.
        operator: For all projects; needs the role admin.
    """
    if (expression is None) is (file is None) or (file is None and name is None):
        raise Stop(Exit.USAGE, "Give a NAME and --expression, or --file.")
    if file is not None:
        from mantle.cli.rule_files import rules_in  # noqa: PLC0415 - only where files are read

        rules = rules_in(file, name)
    else:
        rules = {
            str(name): {
                "effect": effect,
                "expression": expression,
                "actions": list(action),
                "resource_types": list(type),
                "description": description,
            }
        }
    screen, answers = common.screen, []
    with common.client() as client:
        for each, body in rules.items():
            answer = client.put("policies", each, body={**body, "scope": _scope(operator)})
            answers.append(answer["policy"])
            screen.say(f"{answer['policy']['scope']} rule {each} is set ({body['effect']})")
    screen.answer({"policies": answers})
    return Exit.OK


def try_rule(
    expression: str,
    /,
    *,
    context: Annotated[tuple[str, ...], Parameter(name=["--context", "-c"], negative="")] = (),
    common: Common = NOTHING,
) -> Exit:
    """Try an expression over values of your own. Nothing is stored.

    Try:

        mantle policy test "after.flavor == 'm1.xlarge'" -c 'after={"flavor": "m1.small"}'

    Args:
        expression: In CEL.
        context: VARIABLE=JSON; repeatable. What is not given is empty.
    """
    import json  # noqa: PLC0415 - `--help` needs none

    values: dict[str, Any] = {}
    for text in context:
        variable, equals, value = text.partition("=")
        if not equals:
            raise Stop(Exit.USAGE, f"-c {text!r} is not of the form VARIABLE=JSON.")
        try:
            values[variable] = json.loads(value)
        except ValueError:
            values[variable] = value
    screen = common.screen
    with common.client() as client:
        answer = client.post("policies", "test", body={"expression": expression, "context": values})
    said = {True: "applies", False: "does not apply", None: "cannot be evaluated"}
    reason = f": {answer['reason']}" if answer["reason"] else ""
    screen.answer(answer, f"{said[answer['applies']]}{reason}")
    return Exit.OK if answer["applies"] is not None else Exit.FAILED


def delete(name: str, /, *, operator: bool = False, common: Common = NOTHING) -> Exit:
    """Delete a rule.

    Try:

        mantle policy delete no-big-servers

    Args:
        name: The rule's name.
        operator: One of the operator's; needs the role admin.
    """
    with common.client() as client:
        client.delete("policies", name, operator=_said(operator))
    common.screen.answer({"deleted": name}, f"rule {name} is deleted")
    return Exit.OK


def _said(operator: bool) -> str:
    return "true" if operator else "false"


def _scope(operator: bool) -> str:
    return "operator" if operator else "project"
