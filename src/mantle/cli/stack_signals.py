"""`mantle stack signal` and `signals`: tell a resource something, and see what it was told."""

import json
from typing import Annotated, Any

from cyclopts import App, Parameter

from mantle.cli.exits import Exit, Stop
from mantle.cli.options import NOTHING, Common


def add_signals(app: App) -> None:
    """Hang the commands into the noun."""
    app.command(signal)
    app.command(signals)


def signal(
    stack: str,
    resource: str,
    /,
    *,
    data: Annotated[str, Parameter(help="A JSON object; what may be in it, its type says.")] = "{}",
    common: Common = NOTHING,
) -> Exit:
    """Signal a resource: a wait condition's handle, a deployment.

    Try:

        mantle stack signal web ready
        mantle stack signal web ready --data '{"status": "FAILURE", "reason": "no disk"}'

    Args:
        stack: Name or id.
        resource: Its name in the template.
    """
    body = _object(data)
    with common.client() as client:
        client.post("stacks", stack, "signals", body={"resource": resource, "body": body})
    common.screen.answer({"resource": resource}, f"{resource} of {stack!r} has the signal.")
    return Exit.OK


def _object(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError as error:
        raise Stop(Exit.USAGE, f"--data is not JSON: {error}.") from None
    if not isinstance(body, dict):
        raise Stop(Exit.USAGE, '--data is a JSON object: \'{"status": "SUCCESS"}\'.')
    return body


def signals(stack: str, resource: str, /, *, common: Common = NOTHING) -> Exit:
    """What a resource was told, the oldest first.

    Try:

        mantle stack signals web ready

    Args:
        stack: Name or id.
        resource: Its name in the template.
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("stacks", stack, "signals", resource=resource)
    if screen.json:
        screen.answer(answer)
    else:
        rows = (
            (each["received_at"], json.dumps(each["body"], ensure_ascii=False))
            for each in answer["signals"]
        )
        screen.table(("received", "body"), rows)
    return Exit.OK
