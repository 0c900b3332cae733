"""`mantle secret`: credentials for other clouds, kept by the server and never shown again."""

import sys
from pathlib import Path

from cyclopts import App

from mantle.cli.exits import Exit, Stop
from mantle.cli.options import NOTHING, Common


def build_secret() -> App:
    """The noun with its verbs."""
    app = App(name="secret", help="Credentials for other Heats (OS::Heat::Stack), kept by Mantle.")
    app.command(add)
    app.command(list_secrets, name="list")
    app.command(delete)
    return app


def add(name: str, /, *, file: Path | None = None, common: Common = NOTHING) -> Exit:
    """Keep a secret: the text of a file, or of standard input.

    For `credential_secret_id` of OS::Heat::Stack it is what Heat reads from Barbican, as JSON:

        {"auth_type": "v3applicationcredential", "auth": {"auth_url": "https://keystone/v3",
         "application_credential_id": "…", "application_credential_secret": "…"}}

    Also v3password (username, password, user_domain_name, project_name, project_domain_name) and
    v3token (token, and a project).

    Try:

        mantle secret add other-cloud --file credentials.json

    Args:
        name: How it is called; unique in the project.
        file: Where the text is; standard input without it.
    """
    try:
        payload = file.read_text(encoding="utf-8") if file else sys.stdin.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Stop(Exit.INVALID, f"{file} cannot be read: {error}.") from error
    screen = common.screen
    with common.client() as client:
        answer = client.post("secrets", body={"name": name, "payload": payload})
    if screen.json:
        screen.answer(answer)
    else:
        screen.say(f"Kept as {answer['secret']['id']}.")
    return Exit.OK


def list_secrets(*, common: Common = NOTHING) -> Exit:
    """List the project's secrets, without what they hold.

    Try:

        mantle secret list
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("secrets")
    if screen.json:
        screen.answer(answer)
        return Exit.OK
    columns = ("name", "id", "created_at", "created_by")
    screen.table(columns, ([secret[key] for key in columns] for secret in answer["secrets"]))
    return Exit.OK


def delete(name: str, /, *, common: Common = NOTHING) -> Exit:
    """Delete a secret. What was made with it stays, and cannot be changed without it.

    Try:

        mantle secret delete other-cloud

    Args:
        name: Name or id.
    """
    with common.client() as client:
        client.delete("secrets", name)
    return Exit.OK
